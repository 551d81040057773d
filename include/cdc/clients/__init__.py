"""Clients of the services around the platform: Kafka, Connect, YARN, ClickHouse, PostgreSQL. No Airflow."""
