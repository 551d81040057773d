"""Upkeep: merges and dedup in ClickHouse, what may go out of both sinks, old facts out of the ops store.

What `cdc maintain` and DAG `cdc_clickhouse_maintenance` call. It may be run at any time, while streams run,
and again; why that is safe: `docs/adr/0027-upkeep.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.model.health import Level, Verdict
from cdc.model.horizon import horizons
from cdc.model.version import pack
from cdc.ops import OpsStore
from cdc.ops.maintenance import KAFKA, OPS_STORE
from cdc.services.effective import effective_pipeline
from cdc.services.reach import kafka_of
from cdc.services.upkeep_clickhouse import keep_up_clickhouse
from cdc.services.upkeep_report import (
    BROKEN_OFF,
    NO_HORIZON,
    WAITS,
    Deadline,
    Horizon,
    TableUpkeep,
    UpkeepReport,
)
from cdc.services.upkeep_warehouse import keep_up_warehouse
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec


def keep_up(
    pipeline: Pipeline,
    connections: Connections,
    *,
    run: str,
    sinks: Iterable[str] | None = None,
    tables: Iterable[str] | None = None,
    horizon_age_minutes: int | None = None,
    on_step: Callable[[TableUpkeep], None] = lambda _: None,
) -> UpkeepReport:
    """Keep a pipeline's sinks and the ops store in shape, within the policy's budget.

    Each table of each sink leaves a report in the ops store as soon as it is done; when a run is broken off,
    those that it did not get to have a report that says so.

    Args:
        pipeline: the pipeline.
        connections: of Kafka, the ops store and the sinks.
        run: by which command, or run of a DAG; the reports have it.
        sinks: only these; all by default.
        tables: only these; all by default.
        horizon_age_minutes: instead of the policy's; 0 is right only when no repair or resume runs. A table
            keeps its tombstones while a backfill, replay or resync of it is under way, whatever this says.
        on_step: called after each table.

    Raises:
        UnavailableError: a component does not answer.
    """
    wanted = [pipeline.sink(name) for name in sinks] if sinks else list(pipeline.sinks)
    found: list[TableUpkeep] = []
    began = datetime.now(UTC)
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        # With the keys that the sinks' tables have, whatever the file says by now.
        in_effect = effective_pipeline(pipeline, ops)
        chosen = [in_effect.table(name) for name in tables] if tables else list(in_effect.tables)

        def record(step: TableUpkeep) -> None:
            nonlocal began
            ops.record_maintenance(pipeline.name, run, step.sink, step.table, began, step.as_dict())
            began = datetime.now(UTC)

        try:
            for step in _steps(pipeline, wanted, chosen, horizon_age_minutes, connections, ops):
                found.append(step)
                on_step(step)
                record(step)
        except CdcError as error:
            reached = {(step.sink, step.table) for step in found}
            every = [(sink.name, table.name) for sink in wanted for table in chosen]
            for place in [place for place in every if place not in reached]:
                record(TableUpkeep(*place, {}, {}, left=(BROKEN_OFF.format(error),)))
            raise
        purged = ops.purge(pipeline.policies.maintenance.retention_days)
        gone = tuple(f"removed {count:,} old {what}" for what, count in purged.items() if count)
        record(TableUpkeep(OPS_STORE, "", {}, {}, gone))
    return UpkeepReport(pipeline.name, tuple(found), purged)


def _steps(
    pipeline: Pipeline,
    sinks: Sequence[SinkSpec],
    tables: Sequence[TableSpec],
    horizon_age_minutes: int | None,
    connections: Connections,
    ops: OpsStore,
) -> Iterator[TableUpkeep]:
    policy = pipeline.policies.maintenance
    age = policy.horizon_age_minutes if horizon_age_minutes is None else horizon_age_minutes
    deadline = Deadline(policy.max_minutes)
    record_horizons(pipeline, tables, connections, ops)
    for sink in sinks:
        ready = {table.name: horizon_of(pipeline, table, sink.name, ops, age) for table in tables}
        # After the horizons: what begins from here on writes nothing that lies below them.
        ready |= {run.table: WAITS.format(run.sentence) for run in ops.runs_under_way(pipeline.name)}
        if isinstance(sink, ClickHouseSink):
            yield from keep_up_clickhouse(pipeline, sink, tables, ready, connections, deadline)
        else:
            yield from keep_up_warehouse(sink, tables, ready, connections, deadline)


def record_retention(
    pipeline: Pipeline, connections: Connections, run: str, verdicts: Iterable[Verdict]
) -> None:
    """Leave in the ops store what a look at Kafka's retention found.

    Raises:
        UnavailableError: the ops store does not answer.
    """
    judged = list(verdicts)
    fine = tuple(verdict.sentence for verdict in judged if verdict.level is Level.OK)
    bad = tuple(f"{v.sentence}. {v.todo}" for v in judged if v.level is not Level.OK)
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        step = TableUpkeep(KAFKA, "", {}, {}, fine, bad)
        ops.record_maintenance(pipeline.name, run, KAFKA, "", datetime.now(UTC), step.as_dict())


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
