"""Fills the values that partial events do not say, before any derived column is computed.

The decisions are `cdc.model.toast`; here are the rows that they are about. Whatever is looked up is looked up
once for all events of a stretch of records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from cdc.model.columns import versions
from cdc.model.toast import Partial, State
from cdc_spark.transformations.cdc_transformer import TableContext, Wrong, told
from cdc_spark.transformations.decide import Answers, Decision, Hole, decide
from cdc_spark.transformations.envelopes import BadEvent, Envelopes
from cdc_spark.transformations.keys import comparable, identity_of
from cdc_spark.transformations.memory import MARKS, Block, Place, TaskMemory
from cdc_spark.transformations.records import Records


@dataclass(frozen=True)
class Filled:
    """Rows in which nothing is missing, and what did not become one."""

    rows: pa.RecordBatch
    bad: list[BadEvent]
    superseded: int = 0


class Filler:
    """Completes the rows of one Spark partition, stretch by stretch, in their order."""

    def __init__(self, context: TableContext) -> None:
        self._context = context
        self._memory = TaskMemory()

    def complete(self, envelopes: Envelopes, rows: pa.RecordBatch, wrong: Wrong, records: Records) -> Filled:
        """Fill rows and leave out those that must not be written.

        Args:
            envelopes: the events.
            rows: their rows as `to_rows` made them.
            wrong: events that are bad already.
            records: asked only for the old key of an event that moved its row.

        Raises:
            CdcError: something that must be asked does not answer.
        """
        holes = self._holes(envelopes, rows, wrong, records)
        states = {**dict.fromkeys(envelopes.missing, State.LOST), **dict.fromkeys(wrong, State.LOST)}
        block = Block(envelopes.keys, rows.select(MARKS), rows, states, self._without_row(envelopes))
        decisions: dict[int, Decision] = {}
        if holes:
            answers = Answers(self._context)
            decisions = decide(holes, self._memory, block, answers, self._context.trust)
            block.rows = rows = self._rebuilt(rows, holes, decisions, answers)
            block.states |= {position: decision.state for position, decision in decisions.items()}
        self._memory.add(block)
        unfit = {p: decision.unfit for p, decision in decisions.items() if decision.unfit is not None}
        skipped = {p for p, decision in decisions.items() if decision.skip}
        late = [replace(event, late=True) for event in told(envelopes, unfit)]
        kept = without(rows, {*wrong, *unfit, *skipped})
        return Filled(kept, [*told(envelopes, wrong), *late], len(skipped))

    def _without_row(self, envelopes: Envelopes) -> list[tuple[bytes | None, int]]:
        """Key and version of the events that could not be read."""
        if not envelopes.bad:
            return []
        places = [event.partition for event in envelopes.bad], [event.offset for event in envelopes.bad]
        numbers = versions(self._context.topic, self._context.generations, *places).tolist()
        return [(event.key, version) for event, version in zip(envelopes.bad, numbers, strict=True)]

    def _holes(
        self, envelopes: Envelopes, rows: pa.RecordBatch, wrong: Wrong, records: Records
    ) -> list[Hole]:
        partial = [position for position in envelopes.missing if position not in wrong]
        if not partial:
            return []
        names = ["_version", *self._context.table.key]
        found = rows.select(names).take(pa.array(partial, pa.int64()))
        holes = []
        for position, (version, *identity) in zip(
            partial, zip(*map(comparable, found.columns), strict=True), strict=True
        ):
            missing = envelopes.missing[position]
            moved = envelopes.ops[position] != "u"
            old_key = records.old_key(missing.record) if moved else None
            holes.append(
                Hole(
                    position,
                    missing.columns,
                    Partial(version, envelopes.lsns[position], moved, missing.unsent),
                    envelopes.partitions[position],
                    envelopes.keys[position] or b"",
                    tuple(identity),
                    old_key,
                    identity_of(old_key, self._context.table, self._context.limits),
                )
            )
        return holes

    def _rebuilt(
        self, rows: pa.RecordBatch, holes: list[Hole], decisions: Mapping[int, Decision], answers: Answers
    ) -> pa.RecordBatch:
        here = len(self._memory.blocks)
        pools: dict[int, pa.RecordBatch | pa.Table] = {here: rows}
        pools |= {n: block.rows for n, block in enumerate(self._memory.blocks) if block.rows is not None}
        pools |= {-number: pool for number, pool in enumerate(answers.pools, 1)}
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        by_position = {hole.position: hole for hole in holes}
        for number, column in enumerate(self._context.table.columns):
            places = {
                position: decision.place
                for position, decision in decisions.items()
                if decision.place is not None and (decision.repair or number in by_position[position].columns)
            }
            if places:
                columns[column.name] = _taken(column.name, pools, places, here=here)
        whole = {p: d.place for p, d in decisions.items() if d.repair is not None and d.place is not None}
        columns["_note"] = _taken("_note", pools, whole, here=here)
        repairs = {p: d.repair for p, d in decisions.items() if d.repair is not None}
        for at, name in enumerate(("_version", "_lsn")):
            values = columns[name].to_numpy(zero_copy_only=False).copy()
            for position, repair in repairs.items():
                values[position] = repair[at]
            columns[name] = pa.array(values, columns[name].type)
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)


def _taken(
    name: str, pools: Mapping[int, pa.RecordBatch | pa.Table], places: Mapping[int, Place], *, here: int
) -> pa.Array:
    """A column of pool `here` in which some rows have the value of another place.

    `places` are in an order in which a row that another one takes its value from comes first.
    """
    index = np.arange(pools[here].num_rows)
    chunks: list[pa.Array] = []
    begins: dict[int, int] = {}
    total = 0
    used = {here, *(number for number, _ in places.values())}
    for number, pool in pools.items():
        if number not in used:
            continue
        column = pool.column(name)
        chunks += column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        begins[number], total = total, total + pool.num_rows
    for position, (number, row) in places.items():
        index[position] = index[row] if number == here else begins[number] + row
    taken = pa.chunked_array(chunks, chunks[0].type).take(pa.array(index))
    return taken.combine_chunks() if taken.num_chunks != 1 else taken.chunk(0)


def without(rows: pa.RecordBatch, left_out: set[int]) -> pa.RecordBatch:
    """The rows but for those at some positions."""
    if not left_out:
        return rows
    keep = np.ones(rows.num_rows, bool)
    keep[list(left_out)] = False
    return rows.filter(pa.array(keep))
