"""What the main job shows and waits for: rows on each side and how far each sink is behind, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cdc.model.samples import Offsets, lag


@dataclass(frozen=True)
class SinkSample:
    """One table in one sink.

    Attributes:
        rows: rows in the readers' view; None when the sink does not answer.
        behind: events of the table's topic that the query has not committed; None when that is not known.
        lag_s: age of the newest change that the query carried, as long as it is behind; 0 when it is not.
    """

    rows: int | None
    behind: int | None
    lag_s: float | None


@dataclass(frozen=True)
class TableSample:
    """One table on all sides."""

    source: str
    name: str
    stream: str
    state: str
    rows: int | None
    sinks: Mapping[str, SinkSample]


@dataclass(frozen=True)
class Sample:
    """All tables at one moment; `problems` say in words what did not answer."""

    at: datetime
    tables: tuple[TableSample, ...]
    problems: tuple[str, ...] = ()

    @property
    def has_rows_everywhere(self) -> bool:
        """Whether every table that has rows at the source has some in each sink."""
        full = [table for table in self.tables if table.rows]
        return bool(full) and all(sink.rows for table in full for sink in table.sinks.values())

    @property
    def behind(self) -> int | None:
        """Events behind over all sinks; None as long as one is not known."""
        known = [sink.behind for table in self.tables for sink in table.sinks.values()]
        return None if None in known else sum(value for value in known if value is not None)


def measure_lag(
    topic: str,
    committed: Offsets | None,
    ends: Offsets | None,
    newest: datetime | None,
    now: datetime,
) -> tuple[int | None, float | None]:
    """Events and seconds that a query is behind on a topic."""
    if committed is None or ends is None or topic not in ends:
        return None, None
    behind = lag(committed, {topic: ends[topic]})
    if behind == 0:
        return 0, 0.0
    return behind, None if newest is None else max(0.0, (now - newest).total_seconds())
