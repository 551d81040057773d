"""The library that Airflow, Spark, the local stack and the `cdc` command share."""
