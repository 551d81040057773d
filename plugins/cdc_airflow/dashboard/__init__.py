"""The screen: pipelines at a glance and in detail, as a page of Airflow, as JSON and for Prometheus."""
