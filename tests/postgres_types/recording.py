"""The recorded events, and the tables that they belong to as the catalogue describes them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg.sql import SQL

from cdc.spec import TableSpec
from cdc_spark.schemas.rows import Operation
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.limits import POSTGRES, Limits
from cdc_spark.transformations.lookups import Lookups, SourceRows, StoredRows
from cdc_spark.transformations.parse import row_function
from cdc_spark.transformations.postgres_text import texts
from cdc_spark.transformations.read_back import debezium_value
from cdc_spark.transformations.values import convert_column

EVENTS = Path(__file__).with_name("debezium_events.jsonl")
TABLES = Path(__file__).with_name("tables.json")


@dataclass(frozen=True)
class Recorded:
    """One event of a case: its op, the row's id, key and value as Kafka had them, the source's own text."""

    op: str
    id: int
    key: bytes
    value: bytes
    text: str | None

    @property
    def sent(self) -> Any:
        return json.loads(self.value)["after"].get("v")

    @property
    def written(self) -> str:
        """`sent` in the very characters that Kafka's converter wrote."""
        text = self.value.decode()
        start = text.index('"v":', text.index('"after":')) + len('"v":')
        return text[start : json.JSONDecoder().raw_decode(text, start)[1]]


@cache
def recorded() -> dict[str, tuple[Recorded, ...]]:
    """The events of each case, in the order in which they were written."""
    found: dict[str, list[Recorded]] = defaultdict(list)
    order = {"r": 0, "c": 1, "u": 2}
    for line in EVENTS.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        found[item["case"]].append(
            Recorded(item["op"], item["id"], item["key"].encode(), item["value"].encode(), item["text"])
        )
    return {name: tuple(sorted(events, key=lambda e: (order[e.op], e.id))) for name, events in found.items()}


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Each case's table as `cdc discover` prints it."""
    found: dict[str, dict[str, Any]] = json.loads(TABLES.read_text(encoding="utf-8"))
    return found


def spec(name: str, **column: Any) -> TableSpec:
    """A case's table; `column` changes how its value is declared."""
    entry = entries()[name]
    columns = [{**c, **column} if c["name"] == "v" else c for c in entry["columns"]]
    return TableSpec.model_validate({**entry, "columns": columns})


def is_carried(name: str) -> bool:
    """Whether the case's type is carried at all."""
    return name != "t_generated"


@dataclass(frozen=True)
class RecordedSource:
    """A source that has the recorded texts, for what is read at the source; nothing is in the sinks."""

    table: TableSpec
    events: tuple[Recorded, ...]

    def source(self, keys: pa.Table) -> SourceRows:
        """The rows of these keys."""
        rows = [self._row(id_) for id_ in self._ids(keys)]
        return SourceRows({0: [(0, 0)]}, {0: len(self.events)}, 1, rows)

    def untrue(self, keys: pa.Table, conditions: Mapping[str, SQL]) -> pa.Table:
        """Those whose text is another value than the event said."""
        assert set(conditions) == {"v"}
        pg = self.table.columns[-1].pg_type
        sent = {event.id: convert_column([event.sent], pg, POSTGRES) for event in self.events}
        said = {id_: convert_column([self._row(id_)[1]], pg, POSTGRES) for id_ in self._ids(keys)}
        differ = [
            bool(misfits or sent[id_][1]) or texts(values) != texts(sent[id_][0])
            for id_, (values, misfits) in said.items()
        ]
        return keys.filter(pa.array(differ, pa.bool_()))

    def dead_letters(self, keys: Collection[bytes]) -> frozenset[bytes]:
        """None."""
        return frozenset()

    def stored(self, keys: pa.Table) -> StoredRows:
        """None is asked for: what is missing here, no sink knows."""
        raise NotImplementedError

    def _ids(self, keys: pa.Table) -> list[int]:
        return [int(id_) for id_ in keys["id"].to_pylist()]

    def _row(self, id_: int) -> tuple[int, Any]:
        text = next(event.text for event in self.events if event.id == id_)
        column = self.table.columns[-1]
        return id_, debezium_value(None if text is None else text.encode(), column.pg_type)


def rows_of(
    table: TableSpec, events: tuple[Recorded, ...], limits: Limits, lookups: Lookups | None = None
) -> tuple[pa.Table, dict[int, str]]:
    """What the parser makes of events: rows for a writer, and by position why an event was set aside."""
    known = lookups if lookups is not None else RecordedSource(table, events)
    context = TableContext(table, "kinds", {0: [(0, 0)]}, limits, known)
    batch = pa.RecordBatch.from_pydict(
        {
            "key": [event.key for event in events],
            "value": [event.value for event in events],
            "partition": pa.array([0] * len(events), pa.int32()),
            "offset": pa.array(range(len(events)), pa.int64()),
            "old_key": pa.nulls(len(events), pa.binary()),
        }
    )
    made = pa.Table.from_batches(row_function(context)(iter([batch])))
    ops = made["_op"].to_pylist()
    bad = {
        row["_offset"]: row["_note"]
        for row in made.select(["_op", "_offset", "_note"]).to_pylist()
        if row["_op"] == Operation.BAD
    }
    return made.filter(pa.array([op in "crud" for op in ops])), bad


def wide(names: tuple[str, ...], table: str, **column: Any) -> tuple[TableSpec, tuple[Recorded, ...], str]:
    """One table with a column for each case: its declaration, its events, and the SQL of the source's.

    Row n has each case's value n, in the form in which the snapshot and then an insert sent it.
    """
    columns = [{"name": "id", "type": "integer", "nullable": False}]
    for name in names:
        value = next(c for c in entries()[name]["columns"] if c["name"] == "v")
        columns.append({**value, **column, "name": name})
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for name in names:
        for event in recorded()[name]:
            if event.op != "u":
                rows.setdefault((event.op, event.id), {})[name] = event.sent
    like = json.loads(recorded()[names[0]][0].value)
    events = tuple(
        Recorded(
            op,
            number,
            json.dumps({"id": number}).encode(),
            json.dumps(
                {**like, "after": {"id": number, **{n: row.get(n) for n in names}}, "op": op}
            ).encode(),
            None,
        )
        for (op, number), row in sorted(rows.items())
    )
    picked = ", ".join(f'(SELECT v FROM kinds."{name}" t WHERE t.id = i.id) AS "{name}"' for name in names)
    ids = ", ".join(f"({event.id})" for event in events)
    sql = (
        f'CREATE TABLE kinds."{table}" AS SELECT i.id, {picked} FROM (VALUES {ids}) AS i(id); '
        f'ALTER TABLE kinds."{table}" ADD PRIMARY KEY (id);'
    )
    declared = {"source": f"kinds.{table}", "key": ["id"], "columns": columns}
    return TableSpec.model_validate(declared), events, sql
