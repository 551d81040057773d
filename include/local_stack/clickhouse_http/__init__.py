"""ClickHouse's HTTP interface in front of an embedded engine: `python -m local_stack.clickhouse_http`."""
