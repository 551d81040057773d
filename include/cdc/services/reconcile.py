"""Compares tables with their copies while changes flow, and mends what is proven to differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid4

import psycopg

from cdc.clients.postgres import read_log_end
from cdc.comparison.checksums import text_of
from cdc.comparison.window import window_column
from cdc.connections import Connections
from cdc.errors import CdcError, UnsupportedSourceError
from cdc.model.window import Window
from cdc.ops import OpsStore
from cdc.services.checksums import Checksums, Key
from cdc.services.compare import compare_table
from cdc.services.confirm import Confirmed, Confirmer, Findings
from cdc.services.fences import Fences, Patience
from cdc.services.partition_watch import PartitionWatch, Parts
from cdc.services.reconcile_report import TableReconciliation
from cdc.services.repairs import Repairs
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import Pipeline, SinkSpec, TableSpec

Mend = Callable[[UUID, Sequence[TableSpec], Sequence[str]], None]
"""Runs a stream's job over the keys of a run in these of its tables and sinks; returns when it has ended."""

MAX_KEYS = 100_000
"""Keys of a table that one reconciliation looks at; a table that differs in more needs a new snapshot."""
EXAMPLES = 20


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


@dataclass
class _Look:
    """What was found of a table, until it is reported.

    Attributes:
        started: when the look began.
        parts: the table's parts before it.
        sinks: those that were compared.
        skipped: the others, and why.
        window: the stretch of event time, if only that was compared.
        left: what differs, after a repair: still.
        refused: why nothing was repaired although that was asked for.
    """

    table: TableSpec
    started: datetime
    parts: Parts
    sinks: Sequence[SinkSpec]
    skipped: Mapping[str, str]
    window: Window | None
    suspects: _Suspects
    confirmer: Confirmer
    repairs: Repairs
    findings: Findings
    left: Mapping[str, Mapping[Key, Confirmed]]
    refused: str = ""

    @property
    def differing(self) -> list[str]:
        """The sinks in which something is proven to differ."""
        return sorted(sink for sink, found in self.findings.confirmed.items() if found)

    def look_again(self) -> None:
        """Look at what was repaired."""
        after = self.confirmer.confirm({sink: set(found) for sink, found in self.findings.confirmed.items()})
        before = self.findings.unsettled
        self.findings.unsettled = {
            sink: before.get(sink, set()) | after.unsettled.get(sink, set())
            for sink in {*before, *after.unsettled}
        }
        self.left = after.confirmed

    def report(self) -> TableReconciliation:
        """What was compared, what differed, what was done."""
        suspects, findings, left = self.suspects, self.findings, self.left
        every = [
            d for found in findings.confirmed.values() for item in found.values() for d in item.differences
        ]
        counts: dict[str, Counter[str]] = {}
        for difference in every:
            counts.setdefault(difference.sink, Counter())[difference.kind] += 1
        return TableReconciliation(
            table=self.table.source,
            name=self.table.name,
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
            skipped=self.skipped,
            refused=self.refused,
            cut=suspects.cut,
            window=self.window,
        )


class Reconciler:
    """Reconciles tables of one pipeline.

    Args:
        mend: how proven differences are repaired; None only tells them.
        say: is told what is being done.
        told: gets each report once it is kept, also when a later table fails.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        mend: Mend | None = None,
        say: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
        told: Callable[[TableReconciliation], None] = lambda _: None,
    ) -> None:
        self._pipeline, self._connections, self._ops, self._told = pipeline, connections, ops, told
        self._mend, self._say, self._patience = mend, say, patience
        self._watch = PartitionWatch(pipeline, connections, ops)

    def changed_parts(self, tables: Sequence[TableSpec]) -> list[TableSpec]:
        """The tables whose partitions are others than at their last comparison.

        What is parked in every sink has no copy that could be compared; what is gone from the source cannot
        be compared either, and is the schema comparison's to tell.
        """
        sinks = {sink.name for sink in self._pipeline.sinks}
        entries = [entry for entry in self._ops.parked(self._pipeline.name) if entry.sink in sinks]
        parked = Counter(entry.table for entry in entries)
        found = {table: self._watch.parts(table) for table in tables if parked[table.name] < len(sinks)}
        return [t for t, parts in found.items() if parts is not None and self._watch.changed(t, parts)]

    def reconcile(self, table: TableSpec, window: Window | None = None) -> TableReconciliation:
        """Compare a table, mend it if that was asked for, and keep the report; as `reconcile_together`."""
        [report] = self.reconcile_together([table], window)
        return report

    def reconcile_together(
        self, tables: Sequence[TableSpec], window: Window | None = None
    ) -> list[TableReconciliation]:
        """Compare tables, mend those that differ by one run for each stream, and keep the reports.

        Of a window only rows whose event time lies in it are looked for, on each side by its own row; what
        differs is then looked at by key, wherever its event time lies. So a row that has moved to another
        window is no difference, and one that a sink shows in another window than the source is.

        Args:
            tables: the tables, of any streams.
            window: a stretch of event time; a table without `event_time` is compared whole.

        Raises:
            TransientError: something does not answer, or a fence is not passed in time.
            TerminalError: a table is not as the pipeline declares it, or the repair failed. The others were
                compared and mended all the same, and their reports are kept.
        """
        reports: dict[str, TableReconciliation] = {}
        by_stream: dict[str, list[_Look]] = {}
        failures: list[Exception] = []
        for table in tables:
            try:
                look = self._look(table, window)
            except (CdcError, psycopg.Error) as error:
                self._failed(failures, error, table)
                continue
            if self._mend is not None and look.findings.count:
                by_stream.setdefault(table.stream, []).append(look)
            else:
                reports[table.name] = self._reported(look)
        for looks in by_stream.values():
            try:
                self._repair(self._mend, looks)
            except (CdcError, psycopg.Error) as error:
                self._failed(failures, error, *(look.table for look in looks))
                continue
            reports |= {look.table.name: self._reported(look) for look in looks}
        if failures:
            raise failures[0]
        return [reports[table.name] for table in tables]

    def _failed(self, failures: list[Exception], error: Exception, *tables: TableSpec) -> None:
        failures.append(error)
        self._say(f"{', '.join(table.source for table in tables)}: failed: {error}")

    def _look(self, table: TableSpec, window: Window | None) -> _Look:
        """Compare a table, and prove what differs."""
        fences = Fences(self._pipeline, self._connections, self._ops, table, self._patience)
        gap = any(name == table.name for name, _ in self._ops.open_gaps(self._pipeline.name))
        if gap:
            window = None  # what is missing may lie in any
            self._say(f"{table.source}: changes are missing, so the whole table is compared")
            # What changes from here on is captured.
            source = self._connections.get(self._pipeline.source.connection)
            fences.wait_captured(read_log_end(source, "cdc-reconcile"))
        started, parts = self._ops.clock(), self._watch.parts(table) or []
        skipped = self._parked(table)
        sinks = [sink for sink in self._pipeline.sinks if sink.name not in skipped]
        rows = RowsByKey(self._pipeline, self._connections, table)
        confirmer = Confirmer(table, sinks, rows, fences)
        if window_column(table) is None:
            window = None
        suspects = self._suspects(table, sinks, window)
        findings = confirmer.confirm(suspects.keys)
        # A query passes over the events of a table that is parked, and its offsets say nothing of it.
        meanwhile = self._parked(table)
        findings.leave_out(meanwhile)
        skipped |= meanwhile
        sinks = [sink for sink in sinks if sink.name not in skipped]
        repairs = Repairs(self._pipeline, self._connections, self._ops, table, rows, fences)
        return _Look(
            table, started, parts, sinks, skipped, window, suspects, confirmer, repairs, findings,
            findings.confirmed,
        )  # fmt: skip

    def _parked(self, table: TableSpec) -> dict[str, str]:
        """The sinks in which a table is parked, and why."""
        entries = self._ops.parked(self._pipeline.name)
        return {entry.sink: f"parked: {entry.reason}" for entry in entries if entry.table == table.name}

    def _reported(self, look: _Look) -> TableReconciliation:
        """Keep the report; a table that agrees is the one that its partitions are compared with."""
        table = look.table
        report = replace(look.report(), parts_changed=self._watch.changed(table, look.parts))
        self._ops.record_reconciliation(
            self._pipeline.name, table.name, look.started, equal=report.equal, report=report.as_dict()
        )
        if report.settled and not look.skipped and look.window is None:
            self._watch.record(table, look.parts)
        whole = [] if report.cut or look.window else [sink.name for sink in look.sinks]
        # A key that changed each time has an event of after the gap, which says what its row is.
        proven = [sink for sink in whole if not report.left.get(sink)]
        for sink in self._ops.close_gaps(self._pipeline.name, table.name, proven, look.started):
            self._say(f"{table.source}: changes that were missing in {sink} are there")
        self._told(report)
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

    def _repair(self, mend: Mend | None, looks: Sequence[_Look]) -> None:
        """Repair what differs in tables of one stream by one run, and look at it again."""
        run, asked = uuid4(), list[_Look]()
        try:
            for look in looks:
                try:
                    count = look.repairs.ask(run, look.sinks, look.findings.confirmed)
                except UnsupportedSourceError as error:
                    look.refused = str(error)
                    continue
                asked.append(look)
                self._say(f"{look.table.source}: reading {count} rows again for {', '.join(look.differing)}")
            if asked and mend is not None:
                sinks = {sink for look in asked for sink in look.differing}
                mend(run, [look.table for look in asked], sorted(sinks))
        finally:
            self._ops.forget_repairs(run)
        for look in asked:
            look.look_again()
