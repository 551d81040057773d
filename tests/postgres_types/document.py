"""Writes `docs/types.md` from the type map and the recording: `python -m tests.postgres_types.document`."""

from __future__ import annotations

import json
from pathlib import Path

from cdc.types import clickhouse_type, parse_type, warehouse_type
from cdc.types.kinds import KINDS, NO_NULL_ELEMENTS, REFUSED
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES
from tests.postgres_types.cases import CASES, Case
from tests.postgres_types.recording import is_carried, recorded, rows_of, spec

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

_REFUSED = """

## What is refused

`cdc discover` and `cdc plan` name the column; `exclude: [column]` leaves it out of a table.

| type | why |
|---|---|
"""

_LIMITS = """
## What Debezium does not tell apart

Its events say the same for different values, so no reader can find these out; comparing with the source does.

| values | what arrives | what keeps them out |
|---|---|---|
| `date` before the year 1, in a snapshot (a stream is right) and in `date[]` | the same day after it \
| `CHECK (v >= '0001-01-01')` |
| `date` from 1582-10-05 to 1582-10-14, in a snapshot and in `date[]` | ten days later \
| `CHECK (v >= '1582-10-15')` |
| `interval` `infinity` and `-infinity` | a zero interval | `CHECK (isfinite(v))` |
| an array whose first index is not 1 | the same elements from 1 on | `CHECK (array_lower(v, 1) = 1)` |
| a polygon whose last point repeats its first | without that point | |
| `timestamp` of whole seconds after 294247-01-10 | `infinity` | |

An `interval` of more than 2147483647 hours holds a snapshot up: Debezium's driver cannot read it and tries
again for ever. A value that Debezium cannot convert stops the connector with the column's name
(`event.converting.failure.handling.mode=fail`), since otherwise it would send NULL: `NaN` in an array of
numerics, and a NULL element in an array of
"""


def render() -> str:
    """The whole page."""
    lines = [_row(case) for case in CASES if is_carried(case.name)]
    refused = [f"| `{base}` | {why} |" for base, why in sorted(REFUSED.items())]
    refused += [f"| `{base}[]` | {kind.no_array} |" for base, kind in sorted(KINDS.items()) if kind.no_array]
    refused.append("| arrays of more than one dimension | Debezium sends no values |")
    refused.append(
        "| generated columns that are not published (VIRTUAL, or before PostgreSQL 18) | no updates |"
    )
    without_null = ", ".join(f"`{base}`" for base in sorted(NO_NULL_ELEMENTS))
    tables = "\n".join(lines) + _REFUSED + "\n".join(refused) + "\n"
    return f"{_HEAD}{tables}{_LIMITS}{without_null}.\n"


def _row(case: Case) -> str:
    table = spec(case.name)
    column = next(c for c in table.columns if c.name == "v")
    pg = parse_type(column.type)
    aside = {}
    events = recorded()[case.name]
    for sink, limits in (("clickhouse", CLICKHOUSE), ("warehouse", POSTGRES)):
        bad = rows_of(table, events, limits)[1]
        aside[sink] = dict.fromkeys(events[position].text or "" for position in sorted(bad))
    sent = next(event.sent for event in events if event.sent is not None)
    cells = (
        _code(case.type),
        _code(column.type),
        _code(json.dumps(sent, ensure_ascii=False)),
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
