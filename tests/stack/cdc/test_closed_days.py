"""Days are built in real sinks once they are over, and built again as the tables have them by then."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cdc.model.watermark import Watermark
from cdc.services.closed_days import DayBuild, build_closed_days
from tests.stack.cdc.place import Place

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
KINDS = {"warehouse": ("date", "%(day)s"), "clickhouse": ("Date32", "{day:Date32}")}


def where(place: Place, sink: str) -> str:
    return f"marts{place.number}" if sink == "clickhouse" else "public"


def build(place: Place, sink: str, candidates: str, again_from: date | None = None) -> tuple[date, ...]:
    """Without candidates there is nothing to build of."""
    kind, day = KINDS[sink]
    table = f"{where(place, sink)}.days"
    prepare = [f"CREATE TABLE IF NOT EXISTS {table} (day {kind})"]
    if sink == "clickhouse":
        prepare = [
            f"CREATE DATABASE IF NOT EXISTS {where(place, sink)}",
            f"{prepare[0]} ENGINE = MergeTree ORDER BY day",
        ]
    statements = [f"DELETE FROM {table} WHERE day = {day}"]
    if candidates:
        statements.append(f"INSERT INTO {table} SELECT {day}")
    listed = candidates or f"SELECT day FROM {table} WHERE false"
    made = DayBuild("days", ("t",), tuple(prepare), listed, tuple(statements))
    return build_closed_days(place.pipeline, sink, made, place.connections, again_from=again_from).days


@pytest.mark.parametrize("sink", ["warehouse", "clickhouse"])
def test_a_day_of_which_everything_is_gone_since_is_built_again_too(place: Place, sink: str) -> None:
    place.ops.record_watermarks([Watermark(place.pipeline.name, "t", sink, 1, NOW, NOW)], NOW)
    cast = "toDate32" if sink == "clickhouse" else "date"
    both = " UNION ALL ".join(f"SELECT {cast}('{day}')" for day in DAYS)
    assert list(build(place, sink, both)) == DAYS
    assert build(place, sink, both) == ()
    assert build(place, sink, "") == ()
    assert build(place, sink, "", again_from=DAYS[1]) == (DAYS[1],)
    run = place.clickhouse if sink == "clickhouse" else place.warehouse
    left = run(f"SELECT day FROM {where(place, sink)}.days")
    assert [str(row[0]) for row in left] == ["2026-01-01"]
