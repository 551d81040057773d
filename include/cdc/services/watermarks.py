"""Proves, for each table and sink, what it is complete up to; reads in the order that the proof needs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres, log_end
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.model.watermark import (
    Fence,
    SinkFacts,
    Watermark,
    behind,
    doubt_of,
    ends_early,
    lsn_number,
    lsn_text,
)
from cdc.ops import OpsStore
from cdc.services.catalogue import published_tables
from cdc.services.first_snapshots import record_snapshots_taken_again
from cdc.services.gaps import record_lost_slot
from cdc.services.reach import connect_of, kafka_of
from cdc.services.topics import topics_made_anew
from cdc.spec import Pipeline
from cdc.spec.names import join_qualified, split_qualified

POLL_S = 0.5
CAPTURE_PATIENCE_S = 60.0
SINK_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Clock:
    """Time, as an argument."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def prove(
    pipeline: Pipeline,
    connections: Connections,
    *,
    capture_patience_s: float = CAPTURE_PATIENCE_S,
    sink_patience_s: float = SINK_PATIENCE_S,
    clock: Clock | None = None,
) -> tuple[Watermark, ...]:
    """Prove what can be proven now, and record it with the doubts of the rest.

    Args:
        pipeline: the pipeline.
        connections: of all its components.
        capture_patience_s: how long Debezium may take to confirm what the source's log has now.
        sink_patience_s: how long the sinks may take to write what Kafka has then.
        clock: time.

    Raises:
        UnavailableError: a component does not answer, or capture does not advance.
    """
    clock = clock or Clock()
    began = clock.now()
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        # Before the slot is waited for: one that is lost confirms nothing.
        record_lost_slot(pipeline, connections, ops)
        # Also asked first: what closes a gap meanwhile may lie behind the ends that are read next.
        gaps = ops.open_gaps(pipeline.name)
        fence = read_fence(pipeline, connections, ops.snapshotted(pipeline.name), capture_patience_s, clock)
        # The log's end is in Kafka, and with it every snapshot that came before.
        record_snapshots_taken_again(pipeline, connections, ops)
        facts = _wait_for_sinks(pipeline, ops, gaps, fence, sink_patience_s, clock)
        # Asked last: offsets of a topic that was there before say nothing about this one.
        fence = replace(fence, anew=_other_topics(pipeline, kafka_of(pipeline, connections), ops, facts))
        found = tuple(_judged(pipeline, fence, facts, clock.now()))
        ops.record_watermarks(found, began)
    return found


def read_fence(
    pipeline: Pipeline, connections: Connections, asked: Collection[str], patience_s: float, clock: Clock
) -> Fence:
    """Steps 1 to 3 of the proof.

    Args:
        pipeline: the pipeline.
        connections: of all its components.
        asked: the source tables whose existing rows were asked for, as the ops store knew before.
        patience_s: how long the slot may take to reach the log's end.
        clock: time.

    Raises:
        UnavailableError: a component does not answer, or the slot does not reach the log's end in time.
    """
    admin = connections.get(pipeline.source.admin_connection)
    try:
        with connect_postgres(admin, autocommit=True, application_name="cdc-watermarks") as connection:
            complete_until = _oldest_transaction(connection, pipeline.source.heartbeat_table)
            end = log_end(connection)
            lsn = _wait_for_capture(connection, pipeline.source.slot, end, patience_s, clock)
            published = published_tables(connection, pipeline.source.publication)
    except psycopg.OperationalError as error:
        raise UnavailableError(f"the source does not answer: {str(error).strip()}") from error
    snapshots = snapshots_under_way(pipeline, connections)
    for table in pipeline.tables:
        if table.source not in asked or (table.schema_name, table.table_name) not in published:
            snapshots.setdefault(table.source, "it is not captured yet: run DAG cdc_connectors")
    kafka = kafka_of(pipeline, connections)
    ends = kafka.end_offsets([pipeline.topic(table) for table in pipeline.tables], "read_uncommitted")
    return Fence(lsn, complete_until, ends, snapshots)


def snapshots_under_way(pipeline: Pipeline, connections: Connections) -> dict[str, str]:
    """Why snapshots are not known to be complete, by source table (`""` is all of them).

    Raises:
        UnavailableError: Connect does not answer.
    """
    return unfinished_snapshots(connect_of(pipeline, connections).offsets(pipeline.source.connector))


def unfinished_snapshots(offsets: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Why snapshots are not known to be complete, by source table (`""` is all of them).

    Args:
        offsets: the connector's committed offsets, as Connect reports them.

    Source: `io.debezium.connector.postgresql.PostgresOffsetContext` and `AbstractIncrementalSnapshotContext`,
    which name the tables that an incremental snapshot still has to read.
    """
    known = list(offsets)
    if not known:
        return {"": "the connector has committed nothing yet"}
    found: dict[str, str] = {}
    for offset in known:
        if offset.get("snapshot") and not offset.get("snapshot_completed"):
            found[""] = "a snapshot is under way"
        for name in _collections(offset.get("incremental_snapshot_collections")):
            found[name] = "its snapshot is under way"
    return found


def _collections(text: object) -> list[str]:
    if not text:
        return []
    try:
        entries = json.loads(str(text))
        return [join_qualified(*_last_two(entry["incremental_snapshot_collections_id"])) for entry in entries]
    except (ValueError, KeyError, TypeError):
        return [""]


def _last_two(identifier: str) -> tuple[str, str]:
    # Debezium may put the database's name in front.
    parts = identifier.split(".")
    return split_qualified(".".join(parts[-2:]))


def _oldest_transaction(connection: psycopg.Connection[Any], table: str) -> datetime | None:
    statement = SQL("SELECT oldest_xact FROM {} WHERE id = 1").format(Identifier(*split_qualified(table)))
    row = connection.execute(statement).fetchone()
    return row[0] if row else None


def _lsn(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.fetchone()
    return lsn_number(row[0]) if row and row[0] else 0


def _wait_for_capture(
    connection: psycopg.Connection[Any], slot: str, end: int, patience_s: float, clock: Clock
) -> int:
    statement = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
    deadline = clock.monotonic() + patience_s
    while (confirmed := _lsn(connection.execute(statement, (slot,)))) < end:
        if clock.monotonic() >= deadline:
            raise UnavailableError(
                f"slot {slot} has confirmed {lsn_text(confirmed)} and the source's log was at "
                f"{lsn_text(end)} {patience_s:.0f} s ago: see that the connector runs (`cdc status`) and "
                "that no snapshot is under way"
            )
        clock.sleep(POLL_S)
    return confirmed


def _wait_for_sinks(
    pipeline: Pipeline,
    ops: OpsStore,
    gaps: Mapping[tuple[str, str], str],
    fence: Fence,
    patience_s: float,
    clock: Clock,
) -> dict[tuple[str, str], SinkFacts]:
    deadline = clock.monotonic() + patience_s
    while True:
        facts = _sink_facts(pipeline, ops, gaps)
        waiting = [
            1
            for table in pipeline.tables
            for sink in pipeline.sinks
            if not facts[table.name, sink.name].parked
            and behind(fence, pipeline.topic(table), facts[table.name, sink.name])
        ]
        if not waiting or clock.monotonic() >= deadline:
            return facts
        clock.sleep(POLL_S)


def _sink_facts(
    pipeline: Pipeline, ops: OpsStore, gaps: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], SinkFacts]:
    # What is set aside or missing is asked for last: it is written before the offsets that count it.
    committed = {(p.stream, p.sink): p.until_offsets for p in ops.latest_progress(pipeline.name)}
    parked = {(p.table, p.sink): p.reason for p in ops.parked(pipeline.name)}
    letters = ops.count_dead_letters(pipeline.name)
    gaps = {**gaps, **ops.open_gaps(pipeline.name)}
    return {
        (table.name, sink.name): SinkFacts(
            committed.get((table.stream, sink.name), {}).get(pipeline.topic(table), {}),
            parked.get((table.name, sink.name), ""),
            letters.get((table.name, sink.name), 0),
            gaps.get((table.name, sink.name), ""),
        )
        for table in pipeline.tables
        for sink in pipeline.sinks
    }


def _other_topics(
    pipeline: Pipeline, kafka: KafkaClient, ops: OpsStore, facts: Mapping[tuple[str, str], SinkFacts]
) -> dict[str, str]:
    ends = kafka.end_offsets(map(pipeline.topic, pipeline.tables), "read_uncommitted")
    early = {
        pipeline.topic(table): why
        for table in pipeline.tables
        for sink in pipeline.sinks
        if (why := ends_early(ends, pipeline.topic(table), facts[table.name, sink.name].committed))
    }
    return early | topics_made_anew(pipeline, kafka, ops)


def _judged(
    pipeline: Pipeline, fence: Fence, facts: Mapping[tuple[str, str], SinkFacts], at: datetime
) -> Iterable[Watermark]:
    for table in pipeline.tables:
        for sink in pipeline.sinks:
            place = (pipeline.name, table.name, sink.name)
            doubt = doubt_of(fence, table.source, pipeline.topic(table), facts[table.name, sink.name])
            if doubt:
                yield Watermark(*place, doubt=doubt)
            else:
                yield Watermark(*place, fence.lsn, fence.complete_until, at)
