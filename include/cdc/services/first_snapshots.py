"""Finds first snapshots that Debezium has taken again by itself, over rows that were deleted meanwhile.

It does so when a worker dies while the first one runs, and when Connect has lost how far it came: each time
every row is read, and the log only from then on. What was deleted in between is in no event.

Each first snapshot begins with the row of the heartbeat's table, which no other kind reads, so that table's
topic counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from cdc.clients.kafka_records import read_values
from cdc.connections import Connections
from cdc.model.watermark import lsn_text
from cdc.ops import OpsStore
from cdc.services.gaps import record_gaps
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline
from cdc.spec.names import split_qualified, topic_name


def record_snapshots_taken_again(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """Record a gap of every captured table for each first snapshot but the one that was expected.

    Raises:
        UnavailableError: Kafka or the ops store does not answer.
    """
    topic = topic_name(pipeline.source.topic_prefix, *split_qualified(pipeline.source.heartbeat_table))
    kafka = kafka_of(pipeline, connections)
    identity = kafka.topic_identity(topic)
    if identity is None:
        return
    known, until = ops.first_snapshot(pipeline.name, identity.topic_id)
    begin = dict.fromkeys(range(identity.partitions), 0) | until
    for lsn in _first_snapshots(kafka.bootstrap, topic, begin):
        if known is not None and lsn > known:
            captured = ops.snapshotted(pipeline.name)
            tables = [table for table in pipeline.tables if table.source in captured]
            said = f"a first snapshot was taken again at {lsn_text(lsn)}, with no deletes of before"
            record_gaps(pipeline, tables, [sink.name for sink in pipeline.sinks], lsn, said, ops)
        known = max(lsn, known or 0)
    ops.record_first_snapshot(pipeline.name, identity.topic_id, known, begin)


def expect_first_snapshot(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """The next first snapshot is asked for, by one that has recorded what may be missing."""
    record_snapshots_taken_again(pipeline, connections, ops)
    ops.expect_first_snapshot(pipeline.name)


def _first_snapshots(bootstrap: str, topic: str, until: dict[int, int]) -> Iterator[int]:
    """The LSN at which each was taken; `until` is moved to where the reading has come."""
    for partition, offset, value in read_values(bootstrap, topic, dict(until)):
        until[partition] = offset + 1
        event: Mapping[str, object] = orjson.loads(value) if value else {}
        source = event.get("source")
        if event.get("op") == "r" and isinstance(source, Mapping) and source["snapshot"] != "incremental":
            yield int(source["lsn"])
