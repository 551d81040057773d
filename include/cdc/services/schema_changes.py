"""Changes of the source's tables: followed in the sinks where that is additive, else the table is parked.

The stream does this when an event shows a change, the DAG `cdc_schema` and `cdc schema apply` on a schedule
or by hand, since not every change shows in an event. All of them may do it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from cdc.clients.postgres import connect_postgres, log_end
from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.model.schema_change import UNTOLD, Kind, SchemaChange
from cdc.model.source_table import BuiltFrom
from cdc.ops import OpsStore
from cdc.services.clickhouse_objects import ClickHouseObjects
from cdc.services.effective import effective_pipeline, effective_table
from cdc.services.exchange import exchange
from cdc.services.gaps import record_gaps
from cdc.services.new_build import broken_off, undo_broken_off, undone_by_an_error
from cdc.services.parked_tables import park_table
from cdc.services.schema_memory import judged_last, record_followed, record_parts
from cdc.services.snapshot_signals import ask_for_rows
from cdc.services.source_objects import SourceObjects
from cdc.services.source_schema import Judged, judge, read_source
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec
from cdc.spec.definitions import definition_of, differing, fingerprint

State = Literal["unchanged", "to follow", "followed", "ignored", "to park", "parked"]


@dataclass(frozen=True)
class TableStatus:
    """One table, for a person.

    Attributes:
        changes: each difference as a sentence.
        plan: what to do about it.
    """

    table: str
    source: str
    state: State
    changes: tuple[str, ...] = ()
    plan: str = ""


def status(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[TableStatus, ...]:
    """Compare the source with what the sinks were built from; changes nothing.

    Args:
        pipeline: as its file has it.
        connections: where the source is.
        ops: the ops store.

    Raises:
        UnavailableError: the source or the ops store does not answer.
    """
    parked = {item.table for item in ops.parked(pipeline.name)}
    return tuple(_status(item, parked) for item in compared(pipeline, connections, ops))


def settle(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[TableStatus, ...]:
    """Compare, let the sinks follow what is additive, and park the tables that changed otherwise.

    Raises:
        UnavailableError: the source, a sink or the ops store does not answer; run it again.
    """
    said = []
    judged = compared(pipeline, connections, ops)
    for item in judged:
        if item.verdict.blocking:
            parked = park_changed(pipeline, item, ops)
            said.append(_status(item, {item.table.name} if parked else frozenset()))
        elif item.verdict.settled != item.table:
            for sink in pipeline.sinks:
                follow(pipeline, item, sink, connections, ops)
            said.append(TableStatus(*_names(item), "followed", _sentences(item.verdict.changes)))
        else:
            record_parts(pipeline, item, ops)
            said.append(_status(item, frozenset()))
    if any(change.kind is Kind.RECREATED for item in judged for change in item.verdict.changes):
        # Neither the publication nor the grants are those of the new table.
        source = SourceObjects(effective_pipeline(pipeline, ops), connections, waiting(judged))
        source.run(lambda _: None)
    return tuple(said)


def waiting(judged: Iterable[Judged]) -> frozenset[str]:
    """The tables, by their name in the sinks, that are not as the source has them and stay so for now."""
    return frozenset(
        item.table.name for item in judged if item.verdict.changes and item.verdict.settled == item.table
    )


def compared(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[Judged, ...]:
    """Every table that was applied, with what became of it at the source."""
    # In this order: what somebody remembers meanwhile is of a later revision, so this verdict has no effect.
    known = ops.table_schemas(pipeline.name)
    role = connections.get(pipeline.source.connection).login
    source = read_source(connections.get(pipeline.source.admin_connection), role=role)
    return judge(pipeline.tables, known, source)


def follow(pipeline: Pipeline, item: Judged, sink: SinkSpec, connections: Connections, ops: OpsStore) -> None:
    """Bring a table's additive changes into one sink, then remember them for everybody.

    The sink comes first: whoever reads the new definition makes it true in its own sink (`ensure_in_sink`).
    Rows that have to be read at the source are asked for before the definition is remembered, so a crash in
    between asks twice, which only writes the same rows again.
    """
    if item.found is None:
        raise AssertionError("a table that does not exist has no additive changes")
    ensure_in_sink(pipeline, item.verdict.settled, sink, connections, ops)
    with judged_last(pipeline, item, ops) as last:
        if last is None:
            return
        if item.verdict.reread:
            request_rows(pipeline, item.table, connections, ops)
        record_followed(pipeline, item, last, item.verdict.settled, item.found, ops)


def ensure_in_sink(
    pipeline: Pipeline, table: TableSpec, sink: SinkSpec, connections: Connections, ops: OpsStore
) -> None:
    """Make a table's columns and its view in one sink; waits for others that do the same."""
    alone = pipeline.model_copy(update={"tables": (table,)})
    with ops.exclusively(f"ddl {pipeline.name}/{table.name}/{sink.name}"):
        if isinstance(sink, ClickHouseSink):
            ClickHouseObjects(alone, sink, connections).run(lambda _: None)
        else:
            WarehouseObjects(alone, sink, connections).run(lambda _: None)


def request_rows(pipeline: Pipeline, table: TableSpec, connections: Connections, ops: OpsStore) -> None:
    """Ask Debezium for the table's rows once more, by a snapshot."""
    # The capturing role, which drivers have too.
    source = connections.get(pipeline.source.connection)
    with connect_postgres(source, autocommit=True, application_name="cdc-schema") as session:
        # Before the rows are asked for: Debezium leaves those out that change meanwhile.
        sinks = [sink.name for sink in pipeline.sinks]
        ops.record_reread(pipeline.name, table.name, sinks, log_end(session))
        ask_for_rows(session, pipeline.source.signal_table, [table.source])


def rollback(pipeline: Pipeline, table: TableSpec, connections: Connections, ops: OpsStore) -> str:
    """Bring the table back that the last new build replaced; it stays parked, from where it was parked then.

    When the exchange with a new build was broken off, it is undone and nothing more; a rollback that was
    broken off is ended.

    Args:
        pipeline: as its file has it.
        table: as the pipeline file has it.
        connections: where the sinks are.
        ops: the ops store.

    Returns:
        The name under which the newer table is kept now.

    Raises:
        ConfigurationError: there is nothing to go back to, or the table is written, or the pipeline file has
            another definition than that table.
        ConflictError: the table is built anew.
    """
    with ops.building(pipeline.name, table.name), ops.exchanging(pipeline.name, table.name):
        schema = ops.table_schemas(pipeline.name).get(table.name)
        begun = broken_off(pipeline, table, ops)
        if begun and (schema is None or schema.previous is None or schema.previous["name"] != begun):
            undo_broken_off(pipeline, table, connections, ops)
            return begun
        if schema is None or schema.previous is None:
            raise ConfigurationError(f"{table.name} was not built anew, so there is nothing to go back to")
        _refuse_written(pipeline, table, ops)
        before = schema.previous
        older = replace(
            schema,
            built=BuiltFrom.from_document(before["built"]),
            declared=before["declared"],
            definition=before["definition"],
            generation=before["generation"],
            previous=None,
        )
        _refuse_edited(table, before)
        why = "gone back to the table before its last new build"
        # Written down before the exchange: no resume that began earlier can release the table any more.
        for sink, offsets in before["parked"].items():
            begins = {int(partition): offset for partition, offset in offsets.items()}
            ops.park(pipeline.name, table.name, sink, why, begins)
        ops.reopen_gaps(pipeline.name, table.name)
        with undone_by_an_error(pipeline, table, connections, ops):
            exchange(
                pipeline,
                effective_table(table, older),
                before["name"],
                connections,
                lambda: ops.begin_exchange(pipeline.name, table.name, before["name"]),
                back=True,
            )
        topic = ops.topic_identity(pipeline.topic(table))
        if before["incomplete"] or topic is None or topic.topic_id != before["topic_id"]:
            ops.mark_incomplete(pipeline.name, table.name)
        ops.record_schema(pipeline.name, older)
        ops.end_exchange(pipeline.name, table.name)
    return str(before["name"])


def _refuse_edited(table: TableSpec, before: Mapping[str, Any]) -> None:
    """The file counts once it was edited, and readers' views would be made of it."""
    other = differing(before["table"], definition_of(table))
    if fingerprint(table) != before["declared"] and other:
        raise ConfigurationError(
            f"the pipeline file has another definition of {table.name} than the table that would come back "
            f"({', '.join(other)}): put its entry back as it was, then again"
        )


def _refuse_written(pipeline: Pipeline, table: TableSpec, ops: OpsStore) -> None:
    flowing = {sink.name for sink in pipeline.sinks} - {
        item.sink for item in ops.parked(pipeline.name) if item.table == table.name and not item.released
    }
    if flowing:
        raise ConfigurationError(
            f"{table.name} is written in {', '.join(sorted(flowing))}: `cdc table park {table.name}` first, "
            "and let the batch end that is under way"
        )


def reason_of(changes: Iterable[SchemaChange], table: TableSpec) -> str:
    """Why a table is parked, with the plan; the mail and every list show it."""
    changes = tuple(changes)
    return f"the source has changed: {'; '.join(_sentences(changes))}. {plan_of(changes, table)}"


def plan_of(changes: Sequence[SchemaChange], table: TableSpec) -> str:
    """What to do about changes that block."""
    kinds = {change.kind for change in changes}
    if kinds & UNTOLD:
        anew = "table resume {0}` and `cdc table snapshot {0}" if table.changelog else "resync {0}"
        first, told = (
            ("Mend it at the source", "in no event")
            if Kind.UNCAPTURABLE in kinds
            else ("Set it again", "told wrongly")
        )
        return (
            f"{first}; what was changed meanwhile may be {told}, so read the table anew then: "
            f"`cdc {anew.format(table.name)}`"
        )
    if table.changelog and all(change.rebuildable for change in changes):
        return (
            "A changelog is not built anew: take the change back, or give the table another `name` in the "
            "pipeline file, with which it begins anew, and run `cdc apply`"
        )
    if not all(change.rebuildable for change in changes):
        return (
            f"Mend it at the source, or change the entry of {table.source} in the pipeline file and run "
            f"`cdc apply`; then `cdc table resume {table.name}`"
        )
    return (
        f"`cdc schema apply {table.name}`, or the approval in DAG cdc_schema_change, builds the table anew "
        "beside the old one and exchanges the two"
    )


def park_changed(pipeline: Pipeline, item: Judged, ops: OpsStore) -> bool:
    """Park a table that waits for an approval; False when another definition was remembered since."""
    reason = reason_of(item.verdict.blocking, item.table)
    with judged_last(pipeline, item, ops) as last:
        for sink in pipeline.sinks if last is not None else ():
            known = ops.parked_table(pipeline.name, item.table.name, sink.name)
            if known is None or known.released:
                park_table(pipeline, item.table, [sink.name], reason, ops)
        if last is not None and any(change.kind in UNTOLD for change in item.verdict.blocking):
            _tell_incomplete(pipeline, item, ops)
    return last is not None


def _tell_incomplete(pipeline: Pipeline, item: Judged, ops: OpsStore) -> None:
    """A resume alone would take the table's events for all of its changes."""
    if not item.table.changelog:
        ops.mark_incomplete(pipeline.name, item.table.name)
        return
    # A changelog is not built anew: it is resumed, and complete once it was read anew.
    sinks = [sink.name for sink in pipeline.sinks]
    record_gaps(pipeline, [item.table], sinks, 0, item.verdict.sentence, ops)


def _status(item: Judged, parked: Iterable[str]) -> TableStatus:
    said, names = _sentences(item.verdict.changes), _names(item)
    if item.verdict.blocking:
        state: State = "parked" if item.table.name in parked else "to park"
        return TableStatus(*names, state, said, plan_of(item.verdict.blocking, item.table))
    if item.verdict.settled != item.table:
        return TableStatus(*names, "to follow", said, "`cdc schema apply` lets the sinks follow")
    return TableStatus(*names, "ignored" if said else "unchanged", said)


def _names(item: Judged) -> tuple[str, str]:
    return item.table.name, item.table.source


def _sentences(changes: Iterable[SchemaChange]) -> tuple[str, ...]:
    return tuple(change.sentence for change in changes)
