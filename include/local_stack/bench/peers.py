"""The peers' connectors at their best configuration, and the tables that they write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdc.connections import Connection
from local_stack.bench.shapes import CLICKHOUSE, Shape

DATABASE = "peer"
"""The ClickHouse database of the sink's tables."""
PREFIX = "peer_"
"""Of the JDBC sink's tables, which are in the public schema: it finds tables by name, whatever the schema."""
CLICKHOUSE_SINK = "peer-clickhouse"
JDBC_SINK = "peer-jdbc"
_JSON = "org.apache.kafka.connect.json.JsonConverter"
_CONSUMER = {
    # What Debezium writes exactly once is read as such, by every side.
    "consumer.override.isolation.level": "read_committed",
    "consumer.override.fetch.max.bytes": str(50 << 20),
    "consumer.override.max.partition.fetch.bytes": str(10 << 20),
}


def clickhouse_sink(
    connection: Connection, topics: Mapping[str, str], *, tasks: int, embedded: bool
) -> dict[str, str]:
    """The official sink, as its documentation tunes it for throughput.

    Args:
        connection: ClickHouse.
        topics: table by topic.
        tasks: at most one for each partition.
        embedded: the server is chDB behind HTTP, which the sink's own compression does not suit.
    """
    config = {
        "connector.class": "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
        "tasks.max": str(tasks),
        "topics": ",".join(topics),
        "topic2TableMap": ",".join(f"{topic}={table}" for topic, table in topics.items()),
        "hostname": connection.host,
        "port": str(connection.port),
        "username": connection.login,
        "password": connection.password,
        "database": DATABASE,
        "ssl": "false",
        "exactlyOnce": "false",
        # Larger inserts: without exactly-once, batches need not end at a partition's.
        "ignorePartitionsWhenBatching": "true",
        **_converters(),
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
        "transforms.unwrap.add.fields": "op,source.lsn",
        "consumer.override.max.poll.records": "50000",
        **_CONSUMER,
    }
    if embedded:
        config["jdbcConnectionProperties"] = "?compress=0&decompress=0"
    return config


def jdbc_sink(connection: Connection, topics: Sequence[str], *, tasks: int) -> dict[str, str]:
    """Debezium's JDBC sink with reduction buffer and UNNEST inserts."""
    url = (
        f"jdbc:postgresql://{connection.host}:{connection.port}/{connection.schema_}"
        "?currentSchema=public&reWriteBatchedInserts=true"
    )
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": str(tasks),
        "topics": ",".join(topics),
        "connection.url": url,
        "connection.username": connection.login,
        "connection.password": connection.password,
        "collection.name.format": PREFIX + "${source.table}",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "use.reduction.buffer": "true",
        "dialect.postgres.unnest.insert.enabled": "true",
        "batch.size": "10000",
        **_converters(),
        "consumer.override.max.poll.records": "10000",
        **_CONSUMER,
    }


def create_clickhouse_table(shape: Shape) -> str:
    """The table of the ClickHouse sink: the last version of a row by the log position that it carries."""
    body = ", ".join(
        f"{c.name} {CLICKHOUSE[c.kind]}" if number == 0 else f"{c.name} Nullable({CLICKHOUSE[c.kind]})"
        for number, c in enumerate(shape.columns)
    )
    return (
        f"CREATE TABLE {DATABASE}.{shape.name} ({body}, __deleted String, __op String, __source_lsn UInt64) "
        f"ENGINE = ReplacingMergeTree(__source_lsn) ORDER BY {shape.columns[0].name}"
    )


def create_postgres_table(shape: Shape) -> str:
    """The table of the JDBC sink: the source's."""
    return f"CREATE TABLE public.{PREFIX}{shape.name} {shape.create_source()}"


def _converters() -> dict[str, str]:
    return {
        "key.converter": _JSON,
        "key.converter.schemas.enable": "true",
        "value.converter": _JSON,
        "value.converter.schemas.enable": "true",
    }
