"""The last step of a new build: it is exchanged with the parked table that it was built beside.

A resume reads the table's events again into the table of that name. One that began before the exchange, or in
the middle of it, has written to the old table what the new one may lack, so none may end well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cdc.connections import Connections
from cdc.errors import ConfigurationError, SchemaChangedError, UnavailableError
from cdc.model.parking import ParkedTable
from cdc.model.schema_change import Kind, alike
from cdc.model.source_table import BuiltFrom
from cdc.ops import OpsStore, TableSchema
from cdc.services.effective import effective_table
from cdc.services.exchange import exchange
from cdc.services.schema_memory import record_new_build
from cdc.services.source_schema import Judged
from cdc.spec import Pipeline, TableSpec
from cdc.spec.definitions import definition_of

CLOCKS_DIFFER_S = 5.0
"""By how much a driver's clock may be ahead of the ops store's."""
_PAUSE_S = 0.5


@dataclass(frozen=True)
class NewBuild:
    """A table that is filled and caught up in every sink.

    Attributes:
        table: as it is after the exchange.
        other: the name of the physical table until then; the replaced one has it afterwards.
        schema: what is remembered of it.
        parked: for each sink, where the table was parked when the build began.
        begins: the offsets at which the topic's new generation begins; events before are not the new table's.
    """

    table: TableSpec
    other: str
    schema: TableSchema
    parked: Mapping[str, ParkedTable]
    begins: Mapping[int, int]


def refuse_older_driver(pipeline: Pipeline, table: TableSpec, ops: OpsStore) -> None:
    """A driver reads a table as its own pipeline file has it, and would write the new one as the old.

    Raises:
        UnavailableError: the stream's driver runs with another specification.
    """
    stream = pipeline.stream(table.stream)
    launch = ops.launch(pipeline.name, stream.name)
    if launch is None or not launch.application_id or launch.spec_hash == pipeline.spec_hash(stream):
        return
    if any(lease.owner.startswith(f"{launch.application_id}/") for lease in ops.live_leases()):
        raise UnavailableError(
            f"{stream.app_name} runs with an earlier pipeline file ({launch.application_id}): its DAG, or "
            f"`cdc stream start {stream.name}`, restarts it; then build {table.name} once more"
        )


def refuse_unapproved(item: Judged, approved: str) -> None:
    """An approval is of one difference; empty is a build by hand, of whatever the source has. Pure.

    Raises:
        SchemaChangedError: the source differs otherwise now, or not at all.
    """
    # A build that was exchanged, and whose table was not resumed then, is made again.
    built = None if item.verdict.changes else (item.schema.previous or {}).get("difference")
    if approved and approved not in (item.verdict.sentence, built):
        raise SchemaChangedError(
            f"{item.table.source}: the source is different now from what was approved: "
            f"{item.verdict.sentence or 'nothing'}; approved: {approved}. Nothing was built: DAG cdc_schema "
            f"asks about what differs now; `cdc schema apply {item.table.name}` builds it as it is, and "
            f"`cdc table resume {item.table.name}` is enough when nothing differs"
        )


def wait_for_batches(
    pipeline: Pipeline, table: TableSpec, parked_by: datetime, ops: OpsStore, limit_s: float = 300
) -> None:
    """Wait until no batch is under way that began before the table was parked.

    A batch learns when it begins what is parked. One that ends after the exchange would write events of the
    old table into the new one. A query that has ended a batch, or had nothing to do, after the parking is
    past it; one whose lease is given back or has expired writes nothing.

    Args:
        pipeline: the pipeline.
        table: parked in every sink.
        parked_by: a time at which it was, by the ops store's clock.
        ops: where queries report.
        limit_s: how long to wait for all of them.

    Raises:
        UnavailableError: a query that holds its lease has not reported in time.
    """
    deadline = time.monotonic() + limit_s
    known_from = parked_by + timedelta(seconds=CLOCKS_DIFFER_S)
    for sink in pipeline.sinks:
        query = pipeline.stream(table.stream).query_name(sink.name)
        while (lease := ops.lease(query)) is not None and lease.expires_at > ops.clock():
            reported = ops.touched_at(query)
            if reported is not None and reported > known_from:
                break
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"query {query} of {lease.owner} has not reported since {table.name} was parked (last "
                    f"report: {reported}), so a batch of it may still write to the old table. Nothing was "
                    "exchanged. Look at the driver (`cdc status`), or stop the stream "
                    f"(`cdc stream stop {table.stream}`), and begin once more"
                )
            time.sleep(_PAUSE_S)


def before_new_build(
    item: Judged, build: str, parked: Mapping[str, ParkedTable], topic_id: str
) -> dict[str, Any]:
    """What a rollback needs: the schema as it was, the table that it describes, and where parking began.

    These are offsets of one topic, and say nothing of another one that has its name later.

    The table is said apart from the schema, whose definition counts with one pipeline file alone. That may be
    ahead of the old table: a column that is taken in only now is none of that one's, and what has another
    type now had its own. Pure.
    """
    ahead = {c.column for c in item.verdict.changes if c.kind in (Kind.TAKEN_IN, Kind.ADDED)}
    taken_in = ahead & {c.name for c in item.table.live_columns}
    table = definition_of(item.table)
    columns = [_as_built(c, item.schema.built) for c in table["columns"] if c["name"] not in taken_in]
    return {
        "name": build,
        "built": asdict(item.schema.built),
        "declared": item.schema.declared,
        "definition": item.schema.definition,
        "table": {
            **table,
            "columns": columns,
            "exclude": [*table.get("exclude", ()), *sorted(taken_in)],
        },
        "difference": item.verdict.sentence,
        "generation": item.schema.generation,
        "parked": {sink: dict(place.offsets) for sink, place in parked.items()},
        "topic_id": topic_id,
        "incomplete": any(place.incomplete for place in parked.values()),
    }


def _as_built(column: dict[str, Any], built: BuiltFrom) -> dict[str, Any]:
    known = built.columns.get(column["name"])
    if known is None or alike(known.type, column["type"]):
        return column
    return {**column, "type": known.type}


@contextmanager
def exchanged(
    pipeline: Pipeline, build: NewBuild, connections: Connections, ops: OpsStore
) -> Iterator[dict[str, ParkedTable]]:
    """Exchange the tables in every sink, and keep every resume out but the caller's own.

    How it works: in the ops store the places are written once more before the exchange and after it, which
    ends the resumes that began before; a lock, held until the caller has left, refuses those that would begin
    meanwhile. A process that dies takes its lock along, and leaves the table parked from where it was. If it
    dies while some sinks are exchanged and others not, that is written down too (`begin_exchange`): no resume
    begins until `undo_broken_off` has every sink's old table back, as the next build and a rollback do first.

    Yields:
        For each sink, where the caller resumes the table.

    Raises:
        ConfigurationError: the table was resumed since the build began, and nothing was exchanged; or it was
            parked once more during the exchange; or a sink refuses the exchange.
        UnavailableError: a sink or the ops store does not answer.
    """
    table = build.table
    with ops.exchanging(pipeline.name, table.name):
        held = {sink: ops.hold_parked(pipeline.name, parked) for sink, parked in build.parked.items()}
        if resumed := [sink for sink, place in held.items() if place is None]:
            raise ConfigurationError(
                f"{table.name} was resumed in {', '.join(resumed)} while it was built anew, or left out of "
                "the capture, so the new table may lack what was written meanwhile. Nothing was exchanged. "
                f"Park it again (`cdc table park {table.name}`) and begin once more; it comes back by itself"
            )
        begun: dict[str, ParkedTable] = {}

        def begin() -> None:
            begun.update(ops.begin_exchange(pipeline.name, table.name, build.other))
            if begun != held:
                raise ConfigurationError(
                    f"{table.name} was parked once more while it was exchanged: `cdc table list` says why; "
                    f"then `cdc schema apply {table.name}`. Nothing was exchanged"
                )

        with undone_by_an_error(pipeline, table, connections, ops):
            exchange(pipeline, table, build.other, connections, begin)
        record_new_build(pipeline, table, build.schema, ops)
        places = {}
        for sink_name, place in begun.items():
            moved = ops.exchanged(pipeline.name, place, build.begins)
            if moved is None:
                raise ConfigurationError(
                    f"{table.name} was parked in {sink_name} once more while it was exchanged: `cdc table "
                    f"list` says why; then `cdc schema apply {table.name}`"
                )
            places[sink_name] = moved
        yield places


@contextmanager
def undone_by_an_error(
    pipeline: Pipeline, table: TableSpec, connections: Connections, ops: OpsStore
) -> Iterator[None]:
    """Around an exchange; what cannot be undone now, as after a kill, is so by whoever comes next."""
    try:
        yield
    except Exception:
        with suppress(Exception):
            undo_broken_off(pipeline, pipeline.table(table.name), connections, ops)
        raise


def undo_broken_off(
    pipeline: Pipeline, table: TableSpec, connections: Connections, ops: OpsStore
) -> str | None:
    """After an exchange that was broken off, show in every sink the table that is remembered, still parked.

    Args:
        pipeline: as its file has it.
        table: as the pipeline file has it; the caller keeps others from exchanging it.
        connections: where the sinks are.
        ops: the ops store.

    Returns:
        The new build's name; None when no exchange was broken off.

    Raises:
        ConfigurationError: a sink refuses; says why.
        UnavailableError: a sink or the ops store does not answer.
    """
    build = broken_off(pipeline, table, ops)
    schema = ops.table_schemas(pipeline.name).get(table.name)
    if build is None or schema is None:
        return None
    remembered = schema.previous is not None and schema.previous["name"] == build
    exchange(pipeline, effective_table(table, schema), build, connections, back=not remembered)
    ops.end_exchange(pipeline.name, table.name)
    return build


def broken_off(pipeline: Pipeline, table: TableSpec, ops: OpsStore) -> str | None:
    """The new build with which some sinks have exchanged the table and others may not have, if any."""
    places = [place for place in ops.parked(pipeline.name) if place.table == table.name]
    return next((place.exchanging for place in places if place.exchanging), None)
