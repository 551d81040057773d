"""Samplers: ask the components, and build what `cdc.model.health.evaluate` judges. Nothing is judged here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlparse

import psycopg

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import CdcError, ConfigurationError, TransientError
from cdc.model.desired import Desired
from cdc.model.samples import CheckpointSample, ConnectorSample, QuerySample, SlotSample
from cdc.ops import OpsStore
from cdc.services.reach import connect_of, kafka_of
from cdc.spec import Pipeline, StreamSpec

Offsets = dict[str, dict[int, int]]
_SLOT = """
    SELECT active, wal_status, inactive_since, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,
      (pg_current_wal_lsn() - '0/0')::bigint, (confirmed_flush_lsn - '0/0')::bigint, safe_wal_size
    FROM pg_replication_slots WHERE slot_name = %s
"""


def _now() -> datetime:
    return datetime.now(UTC)


def sample_connector(pipeline: Pipeline, connections: Connections) -> ConnectorSample:
    """The connector and its tasks as Kafka Connect reports them."""
    name = pipeline.source.connector
    try:
        status = connect_of(pipeline, connections).status(name)
    except TransientError as error:
        return ConnectorSample(name, _now(), unreachable=str(error))
    if status is None:
        return ConnectorSample(name, _now(), expected=_was_applied(pipeline, connections))
    return ConnectorSample(name, _now(), status.state, status.tasks)


def sample_query(pipeline: Pipeline, stream: StreamSpec, sink: str, connections: Connections) -> QuerySample:
    """One query's last sign of life, as the ops store has it."""
    query = stream.query_name(sink)
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            launch = ops.launch(pipeline.name, stream.name)
            newest = next(iter(ops.latest_progress(pipeline.name, stream.name, sink)), None)
            names = {table.name for table in stream.tables}
            parked = tuple(p.table for p in ops.parked(pipeline.name, sink) if p.table in names)
            return QuerySample(
                query,
                _now(),
                wanted=launch is None or Desired(launch.desired).wants_driver,
                paused_at=launch.desired_at if launch and launch.desired == Desired.PAUSED else None,
                launched_at=launch.launched_at if launch else None,
                waiting_since=launch.waiting_since if launch else None,
                seen_at=ops.touched_at(query),
                offsets_behind=newest.offsets_behind if newest else None,
                parked=parked,
            )
    except TransientError as error:
        return QuerySample(query, _now(), unreachable=str(error))


def sample_checkpoint(
    pipeline: Pipeline, stream: StreamSpec, sink: str, connections: Connections, checkpoint_root: str
) -> CheckpointSample:
    """The checkpoint's own files against Kafka's end offsets, without asking Spark.

    Of a checkpoint that is not on this machine the ops store tells what the query has reported.
    """
    query = stream.query_name(sink)
    topics = [pipeline.topic(table) for table in stream.tables]
    try:
        kafka = kafka_of(pipeline, connections)
        committed, at = read_checkpoint(stream.checkpoint(checkpoint_root, sink))
        if committed is None:
            committed, at = _reported(pipeline, stream, sink, connections)
        paused = _is_paused(pipeline, stream, connections)
        return CheckpointSample(query, _now(), committed, kafka.end_offsets(topics), at, paused)
    except (TransientError, OSError) as error:
        return CheckpointSample(query, _now(), unreachable=str(error))


def sample_slot(pipeline: Pipeline, connections: Connections) -> SlotSample:
    """The replication slot at the source."""
    slot = pipeline.source.slot
    try:
        admin = connections.get(pipeline.source.admin_connection)
        with connect_postgres(admin, autocommit=True, application_name="cdc-health") as connection:
            row = connection.execute(_SLOT, (slot,)).fetchone()
    except (CdcError, psycopg.OperationalError) as error:
        return SlotSample(slot, _now(), unreachable=str(error))
    if row is None:
        return SlotSample(slot, _now(), exists=False, expected=_was_applied(pipeline, connections))
    active, wal_status, inactive_since, retained, written, confirmed, safe = row
    return SlotSample(
        slot,
        _now(),
        active=active,
        retained_bytes=retained,
        wal_status=wal_status or "",
        inactive_since=inactive_since,
        written_lsn=written,
        confirmed_lsn=confirmed,
        safe_bytes=safe,
    )


def _reported(
    pipeline: Pipeline, stream: StreamSpec, sink: str, connections: Connections
) -> tuple[Offsets | None, datetime | None]:
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            for newest in ops.latest_progress(pipeline.name, stream.name, sink):
                return {t: dict(p) for t, p in newest.until_offsets.items()}, newest.finished_at
    except ConfigurationError:
        pass  # nothing was applied yet
    return None, None


def _is_paused(pipeline: Pipeline, stream: StreamSpec, connections: Connections) -> bool:
    # The checkpoint's own files are right also when the ops store is not: then it is judged as any other.
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            return ops.desired_state(pipeline.name, stream.name) == Desired.PAUSED
    except CdcError:
        return False


def _was_applied(pipeline: Pipeline, connections: Connections) -> bool:
    # An ops store that does not answer cannot make an incident look like a beginning.
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            return bool(ops.snapshotted(pipeline.name))
    except TransientError:
        return True


def read_checkpoint(
    location: str, exists: Callable[[Path], bool] = Path.is_dir
) -> tuple[Offsets | None, datetime | None]:
    """The offsets after the last committed batch of a Spark checkpoint, and when it was committed.

    None of one that has no batch, or is on no file system of this machine.

    Spark writes `offsets/<n>` before batch n and `commits/<n>` after it. The offsets file has a version line,
    a line
    of metadata, then one line of JSON for each source: `{"topic": {"partition": offset}}`.

    Raises:
        ConfigurationError: the checkpoint is not as Spark writes it.
    """
    folder = _local(location)
    if folder is None or not exists(folder / "commits"):
        return None, None
    committed = sorted(
        (int(p.name) for p in (folder / "commits").iterdir() if p.name.isdigit()), reverse=True
    )
    for batch in committed:
        try:
            lines = (folder / "offsets" / str(batch)).read_text(encoding="utf-8").splitlines()
            at = datetime.fromtimestamp((folder / "commits" / str(batch)).stat().st_mtime, UTC)
        except FileNotFoundError:
            continue  # Spark purges old batches while they are read here
        return _offsets(lines, location), at
    return None, None


def _offsets(lines: list[str], location: str) -> Offsets:
    try:
        sources = [json.loads(line) for line in lines[2:] if line.strip() not in ("", "-")]
        return {
            topic: {int(partition): int(offset) for partition, offset in partitions.items()}
            for source in sources
            for topic, partitions in source.items()
        }
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{location}: the offsets are not as Spark's Kafka source writes them"
        ) from error


def _local(location: str) -> Path | None:
    parsed = urlparse(location)
    return Path(unquote(parsed.path)) if parsed.scheme in ("", "file") else None
