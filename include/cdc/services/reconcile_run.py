"""A reconciliation as a person or a task asks for it: its tables, their order, the job that mends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from cdc.comparison.window import window_column
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.model.desired import Desired
from cdc.model.window import Window
from cdc.ops import OpsStore
from cdc.services.effective import effective_pipeline
from cdc.services.reconcile import Mend, Reconciler
from cdc.services.reconcile_report import TableReconciliation
from cdc.services.submit import run_here
from cdc.services.watermarks import snapshots_under_way
from cdc.settings import Settings
from cdc.spec import Pipeline, TableSpec


def repair_arguments(run: UUID, tables: Sequence[TableSpec], sinks: Sequence[str]) -> tuple[str, ...]:
    """What the bounded job is told; without names it looks for keys of the run in each of its tables."""
    names = [table.name for table in tables]
    named = () if any("," in name for name in names) else ("--tables", ",".join(names))
    return "--repair", str(run), *named, "--sinks", ",".join(sinks)


def mend_here(pipeline: Pipeline, pipeline_file: Path, settings: Settings) -> Mend:
    """Repairs by the stream's job on this machine."""

    def mend(run: UUID, tables: Sequence[TableSpec], sinks: Sequence[str]) -> None:
        stream = pipeline.stream(tables[0].stream)
        run_here(pipeline, stream, pipeline_file, settings, "repair", repair_arguments(run, tables, sinks))

    return mend


def reconcile_tables(
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    tables: Sequence[TableSpec],
    *,
    mend: Mend | None,
    say: Callable[[str], None],
    only_changed: bool = False,
    window: Window | None = None,
    unread: Mapping[str, str] = MappingProxyType({}),
    told: Callable[[TableReconciliation], None] = lambda _: None,
) -> list[TableReconciliation]:
    """Reconcile tables, those whose partitions changed without events first, which one run mends.

    A changelog has no keys by which its rows could be looked at: such tables are left out, and said.

    Without `mend` differences are only told. `say` is told what is being done; `only_changed` leaves the
    other tables out; `unread` says of which source tables a snapshot has not read every row yet, and why
    (`""` is all of them), and these are left out too. With a `window` only rows of that event time are
    compared, of tables that declare one.
    `told` gets each report once it is kept, also when a later table fails.
    """
    effective = effective_pipeline(pipeline, ops)
    for table in tables:
        if table.changelog:
            say(f"{table.source}: is a changelog, which `make cdc-check` compares; it is not reconciled")
    paused = paused_streams(pipeline, ops)
    for table in tables:
        if table.stream in paused:
            say(f"{table.source}: is not compared, since its stream is paused and writes nothing")
    waits = {table.source: why for table in tables if (why := unread.get("") or unread.get(table.source))}
    for source, why in waits.items():
        say(f"{source}: is not compared, since {why}")
    keyed = [
        effective.table(table.name)
        for table in tables
        if not table.changelog and table.stream not in paused and table.source not in waits
    ]
    if window is not None:
        for table in keyed:
            if window_column(table) is None:
                say(f"{table.source}: is compared whole, since it has no `event_time`")
    reconciler = Reconciler(effective, connections, ops, mend, say, told=told)
    changed = reconciler.changed_parts(keyed)
    for table in changed:
        say(f"{table.source}: its partitions or its definition were changed since its last comparison")
    others = [] if only_changed else [table for table in keyed if table not in changed]
    together = reconciler.reconcile_together(changed, window)
    # What differs elsewhere is mended before the next table is read.
    return together + [reconciler.reconcile(table, window) for table in others]


def unread_tables(pipeline: Pipeline, connections: Connections, say: Callable[[str], None]) -> dict[str, str]:
    """Source tables of which a snapshot has not read every row yet, and why; none when Connect is silent."""
    try:
        return snapshots_under_way(pipeline, connections)
    except CdcError as error:
        say(f"it is not known whether a snapshot is under way: {error}")
        return {}


def paused_streams(pipeline: Pipeline, ops: OpsStore) -> set[str]:
    """The streams that somebody has paused."""
    return {
        stream.name
        for stream in pipeline.streams
        if ops.desired_state(pipeline.name, stream.name) is Desired.PAUSED
    }


def sentences(report: TableReconciliation) -> list[str]:
    """What a table's reconciliation found and did, for a log or a mail."""
    rows = ", ".join(f"{count:,} in {side}" for side, count in report.rows.items())
    which = f" ({report.window.text})" if report.window else ""
    head = f"{report.table}{which}: {rows}; {'equal' if report.equal else 'differs'}"
    if report.buckets:
        head += f" ({report.opened} of {report.buckets} buckets opened, {report.looked_at} keys looked at)"
    lines = [head]
    for sink, kinds in report.differences.items():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        done = f"{report.repaired.get(sink, 0)} repaired, {report.left.get(sink, 0)} left"
        lines.append(f"{report.table} in {sink}: {told}; {done}")
    lines += [f"  {example.sentence()}" for example in report.examples]
    lines += [f"{report.table} in {sink}: not compared, {why}" for sink, why in report.skipped.items()]
    lines += [
        f"{report.table} in {sink}: {count} keys changed every time they were looked at"
        for sink, count in report.unsettled.items()
    ]
    if report.refused:
        lines.append(report.refused)
    if report.cut:
        lines.append(
            f"{report.table}: more keys may differ than one run looks at: run it again, or build the table "
            f"anew: `cdc resync {report.table}`"
        )
    return lines
