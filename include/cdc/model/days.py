"""Which days are over in every table that a build reads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from cdc.model.watermark import Watermark


def closed_until(tables: Collection[str], sink: str, known: Iterable[Watermark]) -> datetime | None:
    """Before this every one of the tables is complete in the sink; None when one is not known to be."""
    times = {one.table: one.complete_until for one in known if one.sink == sink and one.holds}
    found = [times.get(table) for table in tables]
    return min((time for time in found if time is not None), default=None) if None not in found else None


def days_to_build(candidates: Iterable[date], closed: datetime | None, built: Collection[date]) -> list[date]:
    """The days (UTC) that have ended before `closed` and were not built, the oldest first."""
    if closed is None:
        return []
    return sorted(day for day in set(candidates) if _end(day) <= closed and day not in built)


def waiting_for(tables: Sequence[str], sink: str, known: Iterable[Watermark]) -> str:
    """Why the tables' days cannot be closed, as a sentence."""
    by_table = {one.table: one for one in known if one.sink == sink}
    said = []
    for table in tables:
        one = by_table.get(table)
        if one is None or not one.holds:
            said.append(f"{table}: {one.text if one else 'not proven yet'}")
        elif one.complete_until is None:
            said.append(f"{table}: the source does not tell how old its open transactions are")
    return "; ".join(said) or "every day that is over was built"


def _end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
