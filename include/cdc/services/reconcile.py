"""Compares tables with their copies while changes flow, and mends what is proven to differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from cdc.comparison.checksums import text_of
from cdc.comparison.report import Difference
from cdc.comparison.window import window_column
from cdc.connections import Connections
from cdc.errors import UnsupportedSourceError
from cdc.model.window import Window
from cdc.ops import OpsStore
from cdc.services.checksums import Checksums, Key
from cdc.services.compare import compare_table
from cdc.services.confirm import Confirmed, Confirmer, Findings
from cdc.services.fences import Fences, Patience
from cdc.services.partition_watch import PartitionWatch
from cdc.services.repairs import Repairs
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import Pipeline, SinkSpec, TableSpec

Mend = Callable[[UUID, TableSpec, Sequence[str]], None]
"""Runs the table's job over the keys of a run in these sinks, and returns when it has ended."""

MAX_KEYS = 100_000
"""Keys of a table that one reconciliation looks at; a table that differs in more needs a new snapshot."""
EXAMPLES = 20


@dataclass(frozen=True)
class TableReconciliation:
    """What was compared, what differed, what was done.

    Attributes:
        method: `checksums`, or `rows` with the reason.
        rows: rows by side, as the first look saw them.
        buckets, opened: of checksums, and how many of them were opened.
        moved: rows and checksums that left the databases.
        looked_at: keys that were looked at one by one.
        lsn, ends: the source's log position and the topic's ends at the last look.
        differences: by sink and kind, what is proven.
        examples: the first of them.
        unsettled: by sink, keys that changed every time.
        repaired, left: by sink, keys; without a repair all are left.
        skipped: sinks that were not compared, and why.
        refused: why nothing was repaired although that was asked for, and what to do instead.
        cut: more keys may differ than were looked at.
        parts_changed: the table's partitions are others than at its last comparison.
        window: the stretch of event time whose rows were compared; None when all were.
    """

    table: str
    name: str
    method: str
    rows: Mapping[str, int]
    buckets: int
    opened: int
    moved: int
    looked_at: int
    lsn: int
    ends: Mapping[int, int]
    differences: Mapping[str, Mapping[str, int]]
    examples: tuple[Difference, ...]
    unsettled: Mapping[str, int]
    repaired: Mapping[str, int]
    left: Mapping[str, int]
    skipped: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    cut: bool = False
    parts_changed: bool = False
    window: Window | None = None

    @property
    def equal(self) -> bool:
        """Nothing differed."""
        return not self.differences

    @property
    def settled(self) -> bool:
        """Nothing differs any more, as far as was looked."""
        return not any(self.left.values()) and not self.cut

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "table": self.table,
            "name": self.name,
            "equal": self.equal,
            "settled": self.settled,
            "method": self.method,
            "rows": dict(self.rows),
            "buckets": self.buckets,
            "opened": self.opened,
            "moved": self.moved,
            "looked_at": self.looked_at,
            "lsn": self.lsn,
            "ends": {str(p): end for p, end in self.ends.items()},
            "differences": {sink: dict(kinds) for sink, kinds in self.differences.items()},
            "examples": [difference.as_dict() for difference in self.examples],
            "unsettled": dict(self.unsettled),
            "repaired": dict(self.repaired),
            "left": dict(self.left),
            "skipped": dict(self.skipped),
            "refused": self.refused,
            "cut": self.cut,
            "parts_changed": self.parts_changed,
            "window": [self.window.begin.isoformat(), self.window.end.isoformat()] if self.window else None,
        }


@dataclass
class _Suspects:
    """Keys whose rows may differ, and how they were found."""

    method: str
    keys: dict[str, set[Key]]
    rows: Mapping[str, int]
    buckets: int = 0
    opened: int = 0
    moved: int = 0
    cut: bool = False

    def add(self, found: Mapping[str, set[Key]]) -> None:
        """Take more keys, up to the limit."""
        for sink, keys in found.items():
            room = MAX_KEYS - len(self.keys.setdefault(sink, set()))
            self.cut |= len(keys) > room
            self.keys[sink].update(islice(keys, room))


class Reconciler:
    """Reconciles tables of one pipeline.

    Args:
        mend: how proven differences are repaired; None only tells them.
        say: is told what is being done.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        mend: Mend | None = None,
        say: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        self._pipeline, self._connections, self._ops = pipeline, connections, ops
        self._mend, self._say, self._patience = mend, say, patience
        self._watch = PartitionWatch(pipeline, connections, ops)

    def changed_parts(self, tables: Sequence[TableSpec]) -> list[TableSpec]:
        """The tables whose partitions are others than at their last comparison."""
        return [table for table in tables if self._watch.changed(table, self._watch.parts(table))]

    def reconcile(self, table: TableSpec, window: Window | None = None) -> TableReconciliation:
        """Compare a table, mend it if that was asked for, and keep the report.

        Of a window only rows whose event time lies in it are looked for, on each side by its own row; what
        differs is then looked at by key, wherever its event time lies. So a row that has moved to another
        window is no difference, and one that a sink shows in another window than the source is.

        Args:
            table: the table.
            window: a stretch of event time; a table without `event_time` is compared whole.

        Raises:
            TransientError: something does not answer, or a fence is not passed in time.
            TerminalError: the table is not as the pipeline declares it, or the repair failed.
        """
        started, parts = self._ops.clock(), self._watch.parts(table)
        skipped = {
            p.sink: f"parked: {p.reason}"
            for p in self._ops.parked(self._pipeline.name)
            if p.table == table.name
        }
        sinks = [sink for sink in self._pipeline.sinks if sink.name not in skipped]
        rows = RowsByKey(self._pipeline, self._connections, table)
        fences = Fences(self._pipeline, self._connections, self._ops, table, self._patience)
        confirmer = Confirmer(table, sinks, rows, fences)
        if window_column(table) is None:
            window = None
        suspects = self._suspects(table, sinks, window)
        findings = confirmer.confirm(suspects.keys)
        left: Mapping[str, Mapping[Key, Confirmed]] = findings.confirmed
        refused = ""
        if self._mend is not None and findings.count:
            repairs = Repairs(self._pipeline, self._connections, self._ops, table, rows, fences)
            try:
                left = self._repair(self._mend, table, sinks, repairs, confirmer, findings)
            except UnsupportedSourceError as error:
                refused = str(error)
        report = replace(
            _report(table, suspects, findings, left),
            skipped=skipped,
            refused=refused,
            parts_changed=self._watch.changed(table, parts),
            window=window,
        )
        self._ops.record_reconciliation(
            self._pipeline.name, table.name, started, equal=report.equal, report=report.as_dict()
        )
        if report.settled and not skipped and window is None:
            self._watch.record(table, parts)
        return report

    def _suspects(
        self, table: TableSpec, sinks: Sequence[SinkSpec], window: Window | None = None
    ) -> _Suspects:
        checksums = Checksums(self._pipeline, self._connections, table, sinks, window)
        why = checksums.unsuited()
        if why:
            self._say(f"{table.source}: reading every row, since {why}")
            return self._by_rows(table, sinks, why, window)
        which = f" of rows of {window.text}" if window else ""
        self._say(f"{table.source}: checksums{which} at the source, {', '.join(s.name for s in sinks)}")
        scan = checksums.scan()
        opened = len(set().union(*scan.differing.values())) if scan.differing else 0
        found = _Suspects("checksums", {}, scan.rows, scan.count, opened, scan.moved)
        for keys in checksums.open(scan):
            found.add(keys)
            if found.cut:
                break
        found.moved += checksums.opened_rows
        return found

    def _by_rows(
        self, table: TableSpec, sinks: Sequence[SinkSpec], why: str, window: Window | None
    ) -> _Suspects:
        alone = self._pipeline.model_copy(update={"sinks": tuple(sinks)})
        report = compare_table(alone, self._connections, table, limit=MAX_KEYS, window=window)
        found = _Suspects(f"rows: {why}", {}, report.rows, moved=sum(report.rows.values()))
        types = [column.pg_type for column in table.key_columns]
        for example in report.examples:
            key = tuple(text_of(value, pg) for value, pg in zip(example.key, types, strict=True))
            found.add({example.sink: {key}})
        found.cut |= report.differences > len(report.examples)
        return found

    def _repair(
        self,
        mend: Mend,
        table: TableSpec,
        sinks: Sequence[SinkSpec],
        repairs: Repairs,
        confirmer: Confirmer,
        findings: Findings,
    ) -> Mapping[str, Mapping[Key, Confirmed]]:
        """Repair what differs; returns what differs still."""
        run = uuid4()
        count = repairs.ask(run, sinks, findings.confirmed)
        names = sorted(sink for sink, found in findings.confirmed.items() if found)
        self._say(f"{table.source}: reading {count} rows again for {', '.join(names)}")
        try:
            mend(run, table, names)
        finally:
            self._ops.forget_repairs(run)
        after = confirmer.confirm({sink: set(found) for sink, found in findings.confirmed.items()})
        findings.unsettled = {
            sink: findings.unsettled.get(sink, set()) | after.unsettled.get(sink, set())
            for sink in {*findings.unsettled, *after.unsettled}
        }
        return after.confirmed


def _report(
    table: TableSpec,
    suspects: _Suspects,
    findings: Findings,
    left: Mapping[str, Mapping[Key, Confirmed]],
) -> TableReconciliation:
    every = [d for found in findings.confirmed.values() for item in found.values() for d in item.differences]
    counts: dict[str, Counter[str]] = {}
    for difference in every:
        counts.setdefault(difference.sink, Counter())[difference.kind] += 1
    return TableReconciliation(
        table=table.source,
        name=table.name,
        method=suspects.method,
        rows=suspects.rows,
        buckets=suspects.buckets,
        opened=suspects.opened,
        moved=suspects.moved,
        looked_at=findings.looked_at,
        lsn=findings.lsn,
        ends=findings.ends,
        differences={sink: dict(kinds) for sink, kinds in counts.items()},
        examples=tuple(every[:EXAMPLES]),
        unsettled={sink: len(keys) for sink, keys in findings.unsettled.items()},
        repaired={s: len(found) - len(left.get(s, {})) for s, found in findings.confirmed.items()},
        left={sink: len(found) for sink, found in left.items() if found},
        cut=suspects.cut,
    )
