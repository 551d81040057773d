"""Upkeep: merges and dedup in ClickHouse, what may go out of both sinks, old facts out of the ops store.

What `cdc maintain` and DAG `cdc_clickhouse_maintenance` call. It may be run at any time, while streams run,
and again; why that is safe: `docs/adr/0027-upkeep.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from cdc.connections import Connections
from cdc.model.horizon import horizons
from cdc.model.version import pack
from cdc.ops import OpsStore
from cdc.services.reach import kafka_of
from cdc.services.upkeep_clickhouse import keep_up_clickhouse
from cdc.services.upkeep_report import NO_HORIZON, WAITS, Deadline, Horizon, TableUpkeep, UpkeepReport
from cdc.services.upkeep_warehouse import keep_up_warehouse
from cdc.spec import ClickHouseSink, Pipeline, TableSpec


def keep_up(
    pipeline: Pipeline,
    connections: Connections,
    *,
    sinks: Iterable[str] | None = None,
    tables: Iterable[str] | None = None,
    horizon_age_minutes: int | None = None,
    on_step: Callable[[TableUpkeep], None] = lambda _: None,
) -> UpkeepReport:
    """Keep a pipeline's sinks and the ops store in shape, within the policy's budget.

    Args:
        pipeline: the pipeline.
        connections: of Kafka, the ops store and the sinks.
        sinks: only these; all by default.
        tables: only these; all by default.
        horizon_age_minutes: instead of the policy's; 0 is right only when no repair or resume runs. A table
            keeps its tombstones while a backfill, replay or resync of it is under way, whatever this says.
        on_step: called after each table.

    Raises:
        UnavailableError: a component does not answer.
    """
    policy = pipeline.policies.maintenance
    chosen = [pipeline.table(name) for name in tables] if tables else list(pipeline.tables)
    wanted = [pipeline.sink(name) for name in sinks] if sinks else list(pipeline.sinks)
    age = policy.horizon_age_minutes if horizon_age_minutes is None else horizon_age_minutes
    deadline, found = Deadline(policy.max_minutes), []
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        record_horizons(pipeline, chosen, connections, ops)
        for sink in wanted:
            ready = {table.name: horizon_of(pipeline, table, sink.name, ops, age) for table in chosen}
            # After the horizons: what begins from here on writes nothing that lies below them.
            ready |= {run.table: WAITS.format(run.sentence) for run in ops.runs_under_way(pipeline.name)}
            if isinstance(sink, ClickHouseSink):
                steps = keep_up_clickhouse(pipeline, sink, chosen, ready, connections, deadline)
            else:
                steps = keep_up_warehouse(sink, chosen, ready, connections, deadline)
            for step in steps:
                found.append(step)
                on_step(step)
        purged = ops.purge(policy.retention_days)
    return UpkeepReport(pipeline.name, tuple(found), purged)


def record_horizons(
    pipeline: Pipeline, tables: Iterable[TableSpec], connections: Connections, ops: OpsStore
) -> None:
    """Note where each topic begins now, for a later run: a writer may still hold what it has just read."""
    kafka = kafka_of(pipeline, connections)
    topics = [pipeline.topic(table) for table in tables]
    generations = ops.generations(topics)
    for topic, earliest in kafka.earliest_offsets(topics).items():
        versions = {p: pack(generations.of(topic, p, offset), offset) for p, offset in earliest.items()}
        ops.record_horizon(topic, versions)


def horizon_of(
    pipeline: Pipeline, table: TableSpec, sink: str, ops: OpsStore, age_minutes: int
) -> Horizon | str:
    """The table's horizon in a sink, or why there is none.

    Open dead letters, and replays that were broken off, hold it back to the first event that they may write
    once more.
    """
    topic = pipeline.topic(table)
    earliest = ops.horizon(topic, timedelta(minutes=age_minutes))
    if earliest is None:
        return NO_HORIZON
    held = [(p, pack(g, offset)) for g, p, offset in ops.open_places(pipeline.name, table.name, sink)]
    generations = ops.generations([topic])
    held += [
        (p, pack(generations.of(topic, p, offset), offset))
        for p, offset in ops.replayed_places(pipeline.name, table.name)
    ]
    return horizons(earliest, held)
