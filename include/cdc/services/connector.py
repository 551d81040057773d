"""Debezium's configuration, made from the pipeline alone, and the objects at the source that it relies on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from cdc.connections import Connections
from cdc.model.toast import PLACEHOLDER
from cdc.spec import Pipeline, TableSpec
from cdc.spec.names import split_qualified

_SESSION = {
    "bytea_output": "hex",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    # A large table takes as long as it takes.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""What Debezium takes for granted, whatever the database or the role has set; its driver sees to the rest."""
CONNECTOR_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
_JSON = "org.apache.kafka.connect.json.JsonConverter"
_EXCLUDED = "column.exclude.list"
_CASE_MATTERS = "(?-i)"
SECRETS = frozenset({"database.password"})


def connector_config(
    pipeline: Pipeline, connections: Connections, left_out: Collection[str] = ()
) -> dict[str, str]:
    """The connector's whole configuration, every value a text as Connect wants it.

    Args:
        pipeline: whose tables are captured.
        connections: where the source is.
        left_out: tables, by their names in the sinks, that are not captured for now.

    Raises:
        ConfigurationError: the source's connection is not known.
    """
    source = pipeline.source
    database = connections.get(source.connection)
    tables = tuple(table for table in pipeline.tables if table.name not in left_out)
    pipeline = pipeline.model_copy(update={"tables": tables})
    # The heartbeat's row is read first by a first snapshot: `cdc.services.first_snapshots` counts them.
    captured = [split_qualified(source.heartbeat_table)]
    captured += [(table.schema_name, table.table_name) for table in tables]
    return {
        "name": source.connector,
        "connector.class": CONNECTOR_CLASS,
        "tasks.max": "1",
        "plugin.name": "pgoutput",
        "database.hostname": database.host,
        "database.port": str(database.port or 5432),
        "database.user": database.login,
        "database.password": database.password,
        "database.dbname": database.schema_,
        **{f"database.{name}": value for name, value in database.tls.items()},
        "driver.options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
        "topic.prefix": source.topic_prefix,
        "slot.name": source.slot,
        "publication.name": source.publication,
        "publication.autocreate.mode": "disabled",
        "table.include.list": ",".join(collection_pattern(schema, table) for schema, table in captured),
        **_exclusions(pipeline),
        **_snapshotted(pipeline),
        "snapshot.mode": "initial",
        **_values(),
        **_signals(pipeline),
        **_delivery(pipeline),
    }


def _values() -> dict[str, str]:
    """How values are written: nothing is rounded, and truncates and deletes are kept."""
    return {
        "skipped.operations": "none",
        "tombstones.on.delete": "true",
        "decimal.handling.mode": "string",
        "interval.handling.mode": "string",
        # Base64 in JSON, as "base64" too would be, which sends NULL for a TOAST value that was left alone.
        "binary.handling.mode": "bytes",
        "time.precision.mode": "microseconds",
        "include.unknown.datatypes": "true",
        # By default a value that cannot be converted becomes NULL with nothing but a line in Connect's log.
        "event.converting.failure.handling.mode": "fail",
        "key.converter": _JSON,
        "key.converter.schemas.enable": "false",
        "value.converter": _JSON,
        "value.converter.schemas.enable": "false",
        # By default Connect's converter writes a column's DEFAULT in place of a NULL (KIP-581).
        "value.converter.replace.null.with.default": "false",
        "unavailable.value.placeholder": PLACEHOLDER,
        # The header that names the old key of a moved row; Connect's default has no form that can be read.
        "header.converter": _JSON,
        "header.converter.schemas.enable": "false",
    }


def _exclusions(pipeline: Pipeline) -> dict[str, str]:
    """What the events do not have: left out by the pipeline, or read at the source."""
    excluded = [
        _column_pattern(table, column)
        for table in pipeline.tables
        for column in (*table.exclude, *sorted(table.unsent))
    ]
    return {_EXCLUDED: ",".join(excluded)} if excluded else {}


def sent_by(registered: Mapping[str, str], table: TableSpec) -> frozenset[str]:
    """The columns of a table that a registered connector sends, of those that the pipeline declares."""
    # One that was registered by an earlier version names them without the flag.
    excluded = f",{registered.get(_EXCLUDED, '').replace(_CASE_MATTERS, '')},"
    return frozenset(
        column.name
        for column in table.live_columns
        if f",{_column_pattern(table, column.name).removeprefix(_CASE_MATTERS)}," not in excluded
    )


def _column_pattern(table: TableSpec, column: str) -> str:
    return f"{collection_pattern(table.schema_name, table.table_name)}\\.{_escaped(column)}"


def _snapshotted(pipeline: Pipeline) -> dict[str, str]:
    """A changelog's rows come from `cdc.services.changelog_snapshot`, so that none is counted twice."""
    if not any(table.changelog for table in pipeline.tables):
        return {}
    rows = [collection_pattern(t.schema_name, t.table_name) for t in pipeline.tables if not t.changelog]
    heartbeat = collection_pattern(*split_qualified(pipeline.source.heartbeat_table))
    return {"snapshot.include.collection.list": ",".join([heartbeat, *rows])}


def _signals(pipeline: Pipeline) -> dict[str, str]:
    source = pipeline.source
    return {
        "signal.enabled.channels": "source",
        "signal.data.collection": ".".join(split_qualified(source.signal_table)),
        "incremental.snapshot.chunk.size": "4096",
        "heartbeat.interval.ms": str(source.heartbeat_interval_ms),
        "heartbeat.action.query": heartbeat_query(source.heartbeat_table),
    }


def _delivery(pipeline: Pipeline) -> dict[str, str]:
    kafka = pipeline.kafka
    return {
        "exactly.once.support": "required",
        "offset.mismatch.strategy": "trust_offset",
        "lsn.flush.mode": "connector",
        "poll.interval.ms": str(pipeline.source.poll_interval_ms),
        "topic.creation.default.partitions": str(kafka.partitions),
        "topic.creation.default.replication.factor": str(kafka.replication_factor),
        "topic.creation.default.retention.ms": str(kafka.retention_hours * 3_600_000),
        # A source that is away for a while must not need a person to restart the task.
        "errors.max.retries": "-1",
        "retriable.restart.connector.wait.ms": "3000",
    }


def heartbeat_query(table: str) -> str:
    """The statement that Debezium runs at each heartbeat.

    It makes the slot advance when the captured tables are idle. `oldest_xact` is a time before which no
    transaction is open. It is NULL, which is "not known" and never "none", when the role may not see other
    sessions (`pg_read_all_stats`), and while a prepared transaction waits, whose beginning nobody knows.

    Transactions that have written nothing yet count: they may still write rows that are stamped with their
    beginning. A second is taken off, because a session takes its time before others can see it. The sessions
    are read before the prepared transactions: one that is prepared in between is found there at the latest.
    A session that does not track its activities (`track_activities`) makes it NULL too.
    """
    oldest = (
        "(SELECT CASE WHEN NOT seen.hidden AND NOT EXISTS (SELECT 1 FROM pg_prepared_xacts "
        "WHERE database = current_database()) "
        "THEN least(seen.oldest, statement_timestamp() - interval '1 second') END "
        "FROM (SELECT min(xact_start) AS oldest, coalesce(bool_or(state = 'disabled'), false) AS hidden "
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type NOT IN ('autovacuum worker', 'walsender') OFFSET 0) seen)"
    )
    return (
        f"UPDATE {quoted(table)} SET beat_at = clock_timestamp(), lsn = pg_current_wal_lsn()::text, "  # noqa: S608
        "oldest_xact = CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') "
        f"THEN {oldest} END WHERE id = 1"
    )


def platform_topics(pipeline: Pipeline) -> tuple[str, ...]:
    """Topics beside the tables' own: Debezium's heartbeats, and the heartbeat and signal tables' events."""
    source = pipeline.source
    return (pipeline.heartbeat_topic, *map(source.topic, (source.heartbeat_table, source.signal_table)))


def quoted(table: str) -> str:
    """`schema.table` of a pipeline as an SQL identifier."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in split_qualified(table))


def collection_pattern(schema: str, table: str) -> str:
    """A table as Debezium's lists and signals name it: by a regular expression."""
    # Debezium matches a whole name, and by itself without regard to case: the pattern of public.users would
    # be that of public."Users" too, which others may have made.
    return _CASE_MATTERS + _escaped(f"{schema}.{table}")


def _escaped(name: str) -> str:
    # Debezium splits a list at commas, some lists twice, so that an escaped one counts there; and it trims.
    return "".join(f"\\x{ord(c):02x}" if c == "," or c <= " " else re.escape(c) for c in name)
