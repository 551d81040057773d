"""Days are built in real sinks once they are over, and built again as the tables have them by then."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cdc.model.watermark import Watermark
from cdc.services.closed_days import DayBuild, build_closed_days
from tests.stack.cdc.place import Place

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
WHERE = {"warehouse": ("date", "%(day)s"), "clickhouse": ("Date32", "{day:Date32}")}


def build(place: Place, sink: str, candidates: str, again_from: date | None = None) -> tuple[date, ...]:
    kind, day = WHERE[sink]
    database = f"marts{place.number}"
    where, engine = (database, "ENGINE = MergeTree ORDER BY day") if sink == "clickhouse" else ("public", "")
    statements = (f"DELETE FROM {where}.days WHERE day = {day}", f"INSERT INTO {where}.days SELECT {day}")
    if not candidates:
        statements = statements[:1]
    listed = candidates or f"SELECT day FROM {where}.days WHERE false"
    prepare = (f"CREATE TABLE IF NOT EXISTS {where}.days (day {kind}) {engine}",)
    if sink == "clickhouse":
        prepare = (f"CREATE DATABASE IF NOT EXISTS {database}", *prepare)
    made = DayBuild("days", ("t",), prepare, listed, statements)
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
    where, run = (
        ("public", place.warehouse) if sink == "warehouse" else (f"marts{place.number}", place.clickhouse)
    )
    assert [str(row[0]) for row in run(f"SELECT day FROM {where}.days")] == ["2026-01-01"]
