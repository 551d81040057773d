"""Plan and apply: make what a pipeline declares true. What `cdc apply` and DAG cdc_connectors call.

The order matters: the ops store and the source first, then topics and sinks, the connector last, so that
nothing is captured that has nowhere to go. Everything may be run again, at any time, while streams run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cdc.connections import Connections
from cdc.ddl.columns import sink_columns
from cdc.errors import ConfigurationError
from cdc.ops import OpsStore
from cdc.services.changes import Change, Part, Plan, Report
from cdc.services.clickhouse_objects import ClickHouseObjects
from cdc.services.connector_object import ConnectorObject
from cdc.services.effective import effective_pipeline
from cdc.services.left_out import leave_out, take_back
from cdc.services.partition_watch import PartitionWatch
from cdc.services.reach import yarn_of
from cdc.services.returned import forget_returned, record_returned, refuse_renamed
from cdc.services.schema_changes import compared, settle, waiting
from cdc.services.schema_memory import record_built, record_left_out
from cdc.services.source_objects import SourceObjects
from cdc.services.source_schema import Judged
from cdc.services.streams import Reuse, ensure_decision, find_live
from cdc.services.topics import Topics
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline
from cdc.spec.definitions import with_tables


def plan(pipeline: Pipeline, connections: Connections) -> Plan:
    """Everything that is not as declared; only the ops store's own schema is made.

    Raises:
        UnavailableError: a service that apply needs does not answer.
        SchemaChangedError: the source or a sink is not what the pipeline declares.
        GenerationError: a topic is not the one that was recorded.
    """
    with _ops(pipeline, connections) as ops:
        refuse_renamed(pipeline, connections, ops)
        judged = compared(pipeline, connections, ops)
        parts = _parts(_followed(pipeline, judged, ops), judged, connections, ops)
        changes = [
            *_schema_changes(pipeline, judged, ops),
            *(change for part in parts for change in part.pending()),
        ]
        return Plan(pipeline.name, (*changes, *_stream_changes(pipeline, connections, ops)))


def apply(
    pipeline: Pipeline, connections: Connections, on_step: Callable[[str], None] = lambda _: None
) -> Report:
    """Make the pipeline true, and say each step.

    A sink that is down fails the run before the connector is touched. Streams are not launched here.

    Raises:
        UnavailableError: a service does not answer; run it again when it does.
        ConfigurationError, SchemaChangedError, GenerationError: a person has to change something.
    """
    steps: list[str] = []

    def say(step: str) -> None:
        steps.append(step)
        on_step(step)

    with _ops(pipeline, connections) as ops:
        refuse_renamed(pipeline, connections, ops)
        judged = compared(pipeline, connections, ops)
        # Every part is asked first, so that what is down is known before anything is changed.
        for part in _parts(_followed(pipeline, judged, ops), judged, connections, ops):
            part.pending()
        planned = _schema_changes(pipeline, judged, ops)
        settle(pipeline, connections, ops)
        for change in planned:
            say(str(change))
        for name in leave_out(pipeline, connections, ops):
            say(str(Change("connector", name, "leave the table out until its change is passed")))
        for name in take_back(pipeline, connections, ops):
            say(str(Change("connector", name, "capture the table again")))
        PartitionWatch(pipeline, connections, ops).begin()
        # Anew: a stream may have followed a change meanwhile, whose column the views of before would lack.
        judged = compared(pipeline, connections, ops)
        record_left_out(pipeline, judged, ops)
        returned = forget_returned(pipeline, waiting(judged), connections, ops)
        for name in returned:
            say(
                str(
                    Change(
                        "snapshot",
                        name,
                        "read its rows again, since it was not captured for a while; what was deleted then, "
                        f"`cdc reconcile {name} --repair` removes",
                    )
                )
            )
        for part in _parts(effective_pipeline(pipeline, ops), judged, connections, ops):
            part.run(say)
        record_returned(pipeline, returned, connections, ops)
        now = datetime.now(UTC)
        record_built(pipeline, connections, ops)
        for table in effective_pipeline(pipeline, ops).tables:
            columns = [
                {"name": c.name, "kind": c.kind, "clickhouse": c.clickhouse, "warehouse": c.warehouse}
                for c in sink_columns(table)
            ]
            ops.record_applied(pipeline.name, table.name, columns, now)
    return Report(pipeline.name, tuple(steps))


def _ops(pipeline: Pipeline, connections: Connections) -> OpsStore:
    ops = OpsStore(connections.get(pipeline.ops.connection))
    ops.ensure_schema()
    return ops


def _followed(pipeline: Pipeline, judged: Sequence[Judged], ops: OpsStore) -> Pipeline:
    """The pipeline once the sinks have followed what may be followed."""
    settled = {item.table.name: item.verdict.settled for item in judged}
    return with_tables(effective_pipeline(pipeline, ops), settled)


def _schema_changes(pipeline: Pipeline, judged: Sequence[Judged], ops: OpsStore) -> list[Change]:
    changes = []
    parked = {item.table for item in ops.parked(pipeline.name)}
    for item in judged:
        if item.verdict.blocking:
            if item.table.name not in parked:
                changes.append(Change("schema", item.table.source, f"park: {item.verdict.sentence}"))
        elif item.verdict.settled != item.table:
            changes.append(Change("schema", item.table.source, f"follow: {item.verdict.sentence}"))
    return changes


def _parts(
    pipeline: Pipeline, judged: Sequence[Judged], connections: Connections, ops: OpsStore
) -> tuple[Part, ...]:
    blocked = frozenset(item.table.name for item in judged if item.verdict.blocking)
    sinks: list[Part] = [
        ClickHouseObjects(pipeline, sink, connections, blocked)
        if isinstance(sink, ClickHouseSink)
        else WarehouseObjects(pipeline, sink, connections, blocked)
        for sink in pipeline.sinks
    ]
    source = SourceObjects(pipeline, connections, waiting(judged))
    return (source, Topics(pipeline, connections, ops), *sinks, ConnectorObject(pipeline, connections, ops))


def _stream_changes(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> list[Change]:
    try:
        yarn = yarn_of(connections)
    except ConfigurationError:
        return []  # not every deployment runs its streams on YARN
    changes = []
    for stream in pipeline.streams:
        if not ops.desired_state(pipeline.name, stream.name).wants_driver:
            continue
        decision = ensure_decision(find_live(yarn, stream), stream.app_name, pipeline.spec_hash(stream))
        if not isinstance(decision, Reuse):
            changes.append(Change("stream", stream.app_name, decision.sentence))
    return changes
