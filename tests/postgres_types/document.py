"""Writes `docs/types.md` from the type map and the recording: `python -m tests.postgres_types.document`."""

from __future__ import annotations

import json
from pathlib import Path

from cdc.types import clickhouse_type, parse_type, warehouse_type
from cdc.types.kinds import DIMENSIONS_LOST, KINDS
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES
from tests.postgres_types.cases import CASES, DEEP, XML, Case
from tests.postgres_types.recording import recorded, rows_of, spec

DOCUMENT = Path(__file__).parents[2] / "docs" / "types.md"
SHOWN = 44

_HEAD = """# Types: what arrives where

Made by `make types-doc` from the type map (`include/cdc/types/kinds.py`) and from what the real Debezium 3.7
sent for each value (`tests/postgres_types/debezium_events.jsonl`); a test fails when this page is stale. "Set
aside" lists recorded values that go to the dead letters of that sink, because its type cannot hold them:
nothing is cut, clamped, zeroed or nulled. `as: text` on a column keeps PostgreSQL's own text in both sinks.

| at the source | in a pipeline | Debezium sends | ClickHouse | set aside | warehouse | set aside |
|---|---|---|---|---|---|---|
"""

_READ = """

## What is read at the source

Debezium's events lose something of these, so their columns are left out of the events
(`column.exclude.list`), and each event of such a row is completed with the row that the source has now: by
key, all rows of a stretch of records at once, once for each key, as a repair row with a version above
everything in the topic. It costs the source a look-up by primary key for each changed row, and a snapshot a
second reading of the table; other tables pay nothing. A key cannot be read so.

`from: source` on a column does the same for any type. Use it for a column whose values hold Debezium up
(below). An array that is declared with more brackets than it needs, such as `integer[][]`, is read so too,
and kept as PostgreSQL prints it: with its bounds and all dimensions.

| type | why |
|---|---|
"""

_DOUBTED = """

## What events do not tell apart

Debezium says the same of these values as of others. An event that may mean one of them makes the stream ask
the source, for all such rows of a stretch at once, whether the row has one; where it has, the row is read
there as above, or set aside.

| values | what the event says | who is asked after |
|---|---|---|
| `date` before 1582-10-15, in a snapshot | another day, of the years 1 to 4714 | dates of those years \
in a snapshot |
| such dates in arrays of dates and timestamps | the same | each such array |
| `interval` `infinity` and `-infinity` | a zero interval | zero intervals |
| `timestamp` after 294247-01-10 | `infinity`, or a time before 4713 BC | those, for the warehouse |
| a polygon whose last point repeats its first | the polygon without that point | each polygon |
| an array of more than one dimension | NULLs, or what Java calls its inner arrays \
| arrays that begin with such |

What nobody asks after, so that only the comparison finds it:

- an array whose first index is not 1, which arrives with the same elements from 1 on, since each array would
  be asked after: declare the column with another pair of brackets, or keep such values out with
  `CHECK (array_lower(v, 1) = 1)`;
- a `date` before 1582-10-15 in a primary key, in a second snapshot: the key itself is another one, so its row
  is not found. Before the first snapshot `cdc validate` and `cdc plan` refuse such a table; keep such keys
  out with `CHECK (v >= '1582-10-15')`.

An `interval` of more than 2147483647 hours holds a snapshot up: Debezium's driver cannot read it and tries
again for ever. A value that Debezium cannot convert stops the connector with the column's name
(`event.converting.failure.handling.mode=fail`), since otherwise it would send NULL: a 29th of February of 1,
101, 201, … BC in a snapshot. `from: source` on the column carries these.

## What is refused

Types that are not named on this page: PostgreSQL's inner ones such as `int2vector`. `cdc discover` and
`cdc plan` name the column; `exclude: [column]` leaves it out of a table. In a primary key: what is read at
the source, arrays, floating-point numbers, documents, `hstore`, `interval`, `numrange`, `nummultirange`,
composites and other types of a user's own (enums may be), shapes, and columns `as: text`.
"""


def render() -> str:
    """The whole page."""
    lines = [_row(case) for case in (*CASES, *DEEP, *XML)]
    read = [f"| `{base}` | {kind.lost} |" for base, kind in sorted(KINDS.items()) if kind.lost]
    read += [f"| `{base}[]` | {kind.array_lost} |" for base, kind in sorted(KINDS.items()) if kind.array_lost]
    read.append(f"| arrays that are declared with more than one dimension | {DIMENSIONS_LOST} |")
    read.append(
        "| generated columns that PostgreSQL does not publish (VIRTUAL, or before version 18) "
        "| a snapshot has them, updates have not |"
    )
    return "".join([_HEAD, "\n".join(lines), _READ, "\n".join(read), _DOUBTED])


def _row(case: Case) -> str:
    table = spec(case.name)
    column = next(c for c in table.columns if c.name == "v")
    pg = parse_type(column.type)
    aside = {}
    events = recorded()[case.name]
    for sink, limits in (("clickhouse", CLICKHOUSE), ("warehouse", POSTGRES)):
        bad = rows_of(table, events, limits)[1]
        aside[sink] = dict.fromkeys(events[position].text or "" for position in sorted(bad))
    sent = next((event.sent for event in events if event.sent is not None), None)
    cells = (
        _code(case.type),
        _code(column.type),
        "read at the source" if column.from_source else _code(json.dumps(sent, ensure_ascii=False)),
        _code(clickhouse_type(pg, nullable=False)),
        ", ".join(map(_code, aside["clickhouse"])),
        _code(warehouse_type(pg)),
        ", ".join(map(_code, aside["warehouse"])),
    )
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return f"`{short}`".replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
