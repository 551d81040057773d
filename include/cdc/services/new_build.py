"""The last step of a new build: it is exchanged with the parked table that it was built beside.

A resume reads the table's events again into the table of that name. One that began before the exchange, or in
the middle of it, has written to the old table what the new one may lack, so none may end well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.model.parking import ParkedTable
from cdc.ops import OpsStore, TableSchema
from cdc.services.exchange import exchange
from cdc.spec import Pipeline, TableSpec


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


@contextmanager
def exchanged(
    pipeline: Pipeline, build: NewBuild, connections: Connections, ops: OpsStore
) -> Iterator[dict[str, ParkedTable]]:
    """Exchange the tables in every sink, and keep every resume out but the caller's own.

    How it works: in the ops store the places are written once more before the exchange and after it, which
    ends the resumes that began before; a lock, held until the caller has left, refuses those that would begin
    meanwhile. A process that dies takes its lock along, and leaves the table parked from where it was: a
    resume then reads all its events again, into whichever table has the name by then.

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
                f"{table.name} was resumed in {', '.join(resumed)} while it was built anew, so the new table "
                "may lack what was written to the old one meanwhile. Nothing was exchanged. Park it again "
                f"(`cdc table park {table.name}`) and begin once more; it comes back by itself"
            )
        for sink in pipeline.sinks:
            exchange(pipeline, table, build.other, sink, connections)
        ops.record_schema(pipeline.name, build.schema)
        places = {}
        for sink_name, place in held.items():
            moved = place and ops.advance_parked(pipeline.name, place, build.begins)
            if moved is None:
                raise ConfigurationError(
                    f"{table.name} was parked in {sink_name} once more while it was exchanged: `cdc table "
                    f"list` says why; then `cdc schema apply {table.name}`"
                )
            places[sink_name] = moved
        yield places
