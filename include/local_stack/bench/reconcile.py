"""The reconciliation of a large table: time, bytes that leave each database, CPU in each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from cdc.connections import Connections
from cdc.errors import DataError
from cdc.ops import OpsStore
from cdc.services.reconcile_report import TableReconciliation
from cdc.services.reconcile_run import reconcile_tables
from cdc.spec import ClickHouseSink
from local_stack.bench.capture import Capture
from local_stack.bench.contest import component_pid
from local_stack.bench.figures import Spread
from local_stack.bench.reconcile_faults import Found, faults, plant
from local_stack.bench.reconcile_place import ReconcilePlace
from local_stack.bench.relay import Relay
from local_stack.bench.usage import cpu_s
from local_stack.component import StackContext

DATABASES = ("source", "clickhouse", "warehouse")
POSTGRES_PORT, CLICKHOUSE_PORT = 5432, 8123
REAPED_S = 0.5
"""After so long a server has ended the processes of connections that were closed, and counted their CPU."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """One reconciliation.

    Attributes:
        bytes, cpu_s: by database.
        checksums: rows of checksums that left the databases: one of each bucket, since each has rows.
        opened: buckets that were opened.
        opened_rows: what else left the databases before rows were read by key: the keys and hashes of
            opened buckets.
        looked_at: keys whose rows were read one by one.
    """

    seconds: float
    bytes: Mapping[str, int]
    cpu_s: Mapping[str, float]
    checksums: int
    opened: int
    opened_rows: int
    looked_at: int


class Measured:
    """Runs the platform's own reconciliation, with a relay before each database."""

    def __init__(self, place: ReconcilePlace, relays: Mapping[str, Relay]) -> None:
        self._place, self._relays = place, relays
        self._pids = {name: (component_pid(place.ctx, name),) for name in DATABASES}
        by_id = {relay.connection.id: relay.connection for relay in relays.values()}
        known = place.connections()
        self._connections = Connections(by_id.get(name) or known.get(name) for name in known.ids())

    def run(self, expected: set[Found]) -> Run:
        """Reconcile, without repair.

        Raises:
            DataError: it did not find exactly what was expected.
        """
        pipeline, table = self._place.pipeline(), self._place.table
        bytes_before, cpu_before = self._bytes(), self._cpu()
        with OpsStore(self._connections.get(pipeline.ops.connection)) as ops:
            begun = time.monotonic()
            (report,) = reconcile_tables(
                pipeline, self._connections, ops, [table], mend=None, say=lambda _: None
            )
            seconds = time.monotonic() - begun
        time.sleep(REAPED_S)
        check_found(report, expected)
        after = self._bytes()
        checksums = report.buckets * len(DATABASES)
        return Run(
            seconds,
            {name: after[name] - before for name, before in bytes_before.items()},
            {name: now - cpu_before[name] for name, now in self._cpu().items()},
            checksums,
            report.opened,
            report.moved - checksums,
            report.looked_at,
        )

    def _bytes(self) -> dict[str, int]:
        return {name: relay.sent for name, relay in self._relays.items()}

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_s(pids) for name, pids in self._pids.items()}


def check_found(report: TableReconciliation, expected: set[Found]) -> None:
    """Whether a report tells exactly these differences, and compared by checksums.

    Raises:
        DataError: it does not.
    """
    found = {(each.sink, each.kind, ", ".join(map(str, each.key))) for each in report.examples}
    count = sum(sum(kinds.values()) for kinds in report.differences.values())
    unsettled = sum(report.unsettled.values())
    if report.method != "checksums" or found != expected or count != len(expected) or unsettled:
        raise DataError(
            f"the reconciliation found {count} differences ({sorted(found)}) and {unsettled} unsettled keys "
            f"by {report.method}; planted were {sorted(expected)}: its times do not count"
        )


def measure_reconciliation(ctx: StackContext, rows: int, repeats: int, say: Say) -> dict[str, Any]:
    """Fill the table everywhere, then reconcile it while it is equal, and with planted faults.

    Raises:
        DataError: it finds something else than what was planted.
    """
    place = ReconcilePlace(ctx, "reconcile", ())
    place.write()
    begun = time.monotonic()
    place.fill(rows, say)
    filled = time.monotonic() - begun
    # The log begins after the rows, so that Debezium need not read them.
    capture = Capture(place, schemas=False, snapshot=False)
    capture.register()
    planted = list(faults([sink.name for sink in place.pipeline().sinks], rows))
    try:
        with relays(place) as relayed:
            measured = Measured(place, relayed)
            equal = _repeat(measured, "equal", set(), repeats, say)
            plant(place, planted)
            differing = _repeat(measured, "with faults", {each.found for each in planted}, repeats, say)
    finally:
        capture.stop()
    return {
        "rows": rows,
        "columns": len(place.table.columns),
        "fill_s": filled,
        "planted": len(planted),
        "equal": document(rows, equal),
        "faults": document(rows, differing),
    }


@contextmanager
def relays(place: ReconcilePlace) -> Iterator[dict[str, Relay]]:
    """A relay to each database, by its component's name."""
    pipeline, connections = place.pipeline(), place.connections()
    with ExitStack() as exit_stack:
        made = {"source": Relay(connections.get(pipeline.source.admin_connection), POSTGRES_PORT)}
        for sink in pipeline.sinks:
            port = CLICKHOUSE_PORT if isinstance(sink, ClickHouseSink) else POSTGRES_PORT
            made[sink.name] = Relay(connections.get(sink.connection), port)
        yield {name: exit_stack.enter_context(relay) for name, relay in made.items()}


def document(rows: int, runs: Sequence[Run]) -> dict[str, Any]:
    """Median and range of each figure; counts are those of the last run."""
    return {
        "seconds": _spread([run.seconds for run in runs]),
        "rows_per_s": _spread([rows / run.seconds for run in runs]),
        "bytes": {name: _spread([run.bytes[name] for run in runs]) for name in runs[0].bytes},
        "cpu_s": {name: _spread([run.cpu_s[name] for run in runs]) for name in runs[0].cpu_s},
        "checksums": runs[-1].checksums,
        "opened": runs[-1].opened,
        "opened_rows": runs[-1].opened_rows,
        "looked_at": runs[-1].looked_at,
        "runs": [asdict(run) for run in runs],
    }


def _repeat(measured: Measured, what: str, expected: set[Found], repeats: int, say: Say) -> list[Run]:
    runs = []
    for number in range(1, repeats + 1):
        run = measured.run(expected)
        cpu = ", ".join(f"{name} {used:.1f} s" for name, used in run.cpu_s.items())
        say(
            f"{what}, {number} of {repeats}: {run.seconds:.1f} s; CPU {cpu}; "
            f"{sum(run.bytes.values()) / 1e6:.2f} MB left the databases; {len(expected)} planted and found"
        )
        runs.append(run)
    return runs


def _spread(values: Sequence[float]) -> dict[str, float]:
    return asdict(Spread.of(values))
