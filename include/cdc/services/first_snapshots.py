"""Finds first snapshots that Debezium has taken again by itself, over rows that were deleted meanwhile.

It does so when a worker dies while the first one runs, and when Connect has lost how far it came: each time
every row is read, and the log only from then on. What was deleted in between is in no event.

Each first snapshot begins with the row of the heartbeat's table, which no other kind reads, so that table's
topic counts them.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from cdc.clients.kafka_records import read_values
from cdc.connections import Connections
from cdc.model.watermark import lsn_text
from cdc.ops import OpsStore
from cdc.services.gaps import record_gaps_everywhere
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline


def record_snapshots_taken_again(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """Record a gap of every captured table for each first snapshot but the one that was expected.

    Raises:
        UnavailableError: Kafka or the ops store does not answer.
    """
    topic = pipeline.source.topic(pipeline.source.heartbeat_table)
    kafka = kafka_of(pipeline, connections)
    identity = kafka.topic_identity(topic)
    if identity is None:
        return
    known, read = ops.first_snapshot(pipeline.name, identity.topic_id)
    until = dict.fromkeys(range(identity.partitions), 0) | read
    for partition, offset, value in read_values(kafka.bootstrap, topic, dict(until)):
        until[partition] = offset + 1
        if (lsn := _snapshot_lsn(value)) is None:
            continue
        if known is not None and lsn > known:
            said = f"a first snapshot was taken again at {lsn_text(lsn)}, with no deletes of before"
            record_gaps_everywhere(pipeline, lsn, said, ops)
        known = max(lsn, known or 0)
    ops.record_first_snapshot(pipeline.name, identity.topic_id, known, until)


def expect_first_snapshot(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """The next first snapshot is asked for, by one that has recorded what may be missing."""
    record_snapshots_taken_again(pipeline, connections, ops)
    ops.expect_first_snapshot(pipeline.name)


def _snapshot_lsn(value: bytes | None) -> int | None:
    """The LSN at which the snapshot was taken whose row this event is; None of any other event."""
    event: Mapping[str, object] = orjson.loads(value) if value else {}
    source = event.get("source")
    if event.get("op") == "r" and isinstance(source, Mapping) and source["snapshot"] != "incremental":
        return int(source["lsn"])
    return None
