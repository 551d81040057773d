"""Airflow's connections in the shape that the library takes."""
