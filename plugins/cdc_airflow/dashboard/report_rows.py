"""Reports of reconciliations: what was compared, what differed by sink and kind, what was done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdc.model.lag import duration
from cdc.model.watermark import lsn_text
from cdc.ops.history import Report


@dataclass(frozen=True)
class KeyRow:
    """One difference that the report keeps.

    Attributes:
        key: the key's values, in the key's order.
        column: the column that differs; empty when the row as a whole does.
        expected, found: the source's value and the sink's.
    """

    sink: str
    kind: str
    key: str
    column: str
    expected: str
    found: str


@dataclass(frozen=True)
class SinkResult:
    """What differed in one sink.

    Attributes:
        kinds: how many differences of each kind.
        differing: all of them.
        repaired, left: how many keys were mended, and how many still differ.
        unsettled: how many keys changed every time they were looked at.
        skipped: why the sink was not compared; empty when it was.
    """

    sink: str
    kinds: tuple[tuple[str, int], ...]
    differing: int
    repaired: int
    left: int
    unsettled: int
    skipped: str


@dataclass(frozen=True)
class ReportRow:
    """The reconciliation of one table.

    Attributes:
        window: the stretch of event time, as `[begin, end]`; None when every row was compared.
        lsn: the source's log position at the last look.
        rows: rows by side, the source first.
        how: how it was compared, in words.
        remarks: what a person should know beside that.
        keys: the first differences.
    """

    id: int
    table: str
    at: datetime
    took: str
    equal: bool
    settled: bool
    window: tuple[str, ...] | None
    lsn: str
    rows: tuple[tuple[str, int], ...]
    how: str
    sinks: tuple[SinkResult, ...]
    remarks: tuple[str, ...]
    keys: tuple[KeyRow, ...]

    @property
    def left(self) -> int:
        """How many keys still differ, in all sinks."""
        return sum(sink.left for sink in self.sinks)


def report_rows(reports: Sequence[Report]) -> tuple[ReportRow, ...]:
    """The reports in their order."""
    return tuple(_row(report) for report in reports)


def _row(one: Report) -> ReportRow:
    report = one.report
    lsn, window = report.get("lsn"), report.get("window")
    return ReportRow(
        id=one.id,
        table=one.table,
        at=one.finished_at,
        took=duration(max(0.0, (one.finished_at - one.started_at).total_seconds())),
        equal=one.equal,
        settled=bool(report.get("settled", one.equal)),
        window=tuple(str(side)[:16].replace("T", " ") for side in window) if window else None,
        lsn=lsn_text(lsn) if isinstance(lsn, int) else "",
        rows=tuple(sorted(report.get("rows", {}).items(), key=lambda side: side[0] != "source")),
        how=_how(report),
        sinks=_sinks(report),
        remarks=tuple(_remarks(report)),
        keys=tuple(_key(example) for example in report.get("examples", ())),
    )


def _how(report: Mapping[str, Any]) -> str:
    method = str(report.get("method", ""))
    if not report.get("buckets"):
        return method
    return (
        f"{method}: {report.get('opened', 0):,} of {report['buckets']:,} buckets opened, "
        f"{report.get('looked_at', 0):,} keys looked at"
    )


def _sinks(report: Mapping[str, Any]) -> tuple[SinkResult, ...]:
    parts = ("differences", "repaired", "left", "unsettled", "skipped")
    names = sorted({name for part in parts for name in report.get(part, {})})
    found = []
    for name in names:
        kinds = report.get("differences", {}).get(name, {})
        counts = {part: int(report.get(part, {}).get(name, 0)) for part in ("repaired", "left", "unsettled")}
        skipped = str(report.get("skipped", {}).get(name, ""))
        found.append(
            SinkResult(
                name, tuple(sorted(kinds.items())), sum(kinds.values()), **counts, skipped=skipped
            )
        )  # fmt: skip
    return tuple(found)


def _remarks(report: Mapping[str, Any]) -> list[str]:
    said = [str(report["refused"])] if report.get("refused") else []
    if report.get("cut"):
        said.append("more keys may differ than one run looks at: run it again")
    if report.get("parts_changed"):
        said.append("its partitions had changed since the comparison before")
    return said


def _key(example: Mapping[str, Any]) -> KeyRow:
    return KeyRow(
        sink=str(example.get("sink", "")),
        kind=str(example.get("kind", "")),
        key=", ".join(map(str, example.get("key", ()))),
        column=str(example.get("column") or ""),
        expected=str(example.get("expected", "")),
        found=str(example.get("found", "")),
    )
