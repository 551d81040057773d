"""Freshness under load: from the commit at the source to visible in each sink, and to Kafka on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from cdc.errors import DataError
from local_stack.bench.driver import wait_until
from local_stack.bench.figures import fingerprint, percentile
from local_stack.bench.load import FIRST, Load
from local_stack.bench.place import Place
from local_stack.bench.probes import LOOK_S, Probes
from local_stack.bench.shapes import ORDERS
from local_stack.bench.sinks import PostgresTable, SinkTable
from local_stack.bench.usage import cpu_s

WARM_S = 15.0
TOPIC = "kafka"
SETTLE_LIMIT_S = 240.0


@dataclass(frozen=True)
class Delay:
    """Delays at one place, in seconds.

    Attributes:
        behind_s: how late the load was at its worst; a source that could not keep up makes all else void.
        cpu: cores that the contestant took.
    """

    rate: float
    probes: int
    p50_s: float
    p99_s: float
    max_s: float
    behind_s: float
    cpu: float

    def document(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


@dataclass
class LiveSource:
    """The source under load, shared by all that is measured on it; keys and probes go on."""

    place: Place
    next_key: int = FIRST
    next_probe: int = 0

    def load(self, rate: float, times: int = 1) -> Load:
        """A load that was not started, with rows to update."""
        load = Load(self.place.postgres("cdc_source_admin"), ORDERS, rate, self.next_key, times)
        load.prepare()
        return load

    def probes(self, sinks: Mapping[str, SinkTable], load: Load, look_s: float = LOOK_S) -> Probes:
        """Probes that were not started."""
        connection = self.place.postgres("cdc_source_admin")
        return Probes(connection, ORDERS, sinks, lambda: load.made, self.next_probe, look_s)

    def used(self, load: Load, probes: Probes) -> None:
        """Remember where the next load and probes begin."""
        self.next_key, self.next_probe = load.next_key, probes.next_number

    def table(self) -> SinkTable:
        """The source's own table."""
        return PostgresTable(self.place.postgres("cdc_source_admin"), ORDERS, ORDERS.source, ORDERS.source)


def measure_freshness(
    source: LiveSource,
    capture: Place,
    sinks: Mapping[str, SinkTable],
    pids: Iterable[int],
    rate: float,
    seconds: float,
    problem: Callable[[], str | None],
) -> dict[str, Delay]:
    """Delays of the sinks, and of Kafka under the name `kafka`, while the source is under load.

    Raises:
        DataError: a sink does not hold what the source holds at the end.
        UnavailableError: something does not get there.
    """
    load = source.load(rate)
    probes = source.probes(sinks, load)
    probes.watch_topic(capture.bootstrap, capture.topic(ORDERS), TOPIC)
    roots = tuple(pids)
    probes.start()
    # The load begins when everything runs, or its first minutes would be a backlog.
    wait_until(probes.all_begun, lambda: problem() or probes.problem, SETTLE_LIMIT_S, "the first probe")
    load.start()
    time.sleep(WARM_S)
    since, before = time.monotonic(), cpu_s(roots)
    late = 0.0
    while time.monotonic() - since < seconds:
        time.sleep(0.5)
        late = max(late, load.behind_s)
    until, used = time.monotonic(), cpu_s(roots) - before
    load.stop()
    probes.stop()
    source.used(load, probes)
    check_equal(source, sinks)
    delays = {}
    for name in (*sinks, TOPIC):
        found = probes.delays(name, since, until)
        delays[name] = Delay(
            rate, len(found), percentile(found, 0.5), percentile(found, 0.99), max(found), late,
            used / (until - since),
        )  # fmt: skip
    return delays


def check_equal(source: LiveSource, sinks: Mapping[str, SinkTable]) -> None:
    """Compare every row of every sink with the source; the load has ended and every probe is visible.

    A probe's transaction is the last one only in its own partition, so a moment may pass for the others.

    Raises:
        DataError: a sink is not equal.
    """
    wanted = fingerprint(source.table().lines())
    deadline = time.monotonic() + SETTLE_LIMIT_S / 4
    for name, table in sinks.items():
        while (found := fingerprint(table.lines())) != wanted:
            if time.monotonic() > deadline:
                raise DataError(
                    f"{name} holds {found.rows:,} rows ({found.digest:x}), the source {wanted.rows:,} "
                    f"({wanted.digest:x}): its times do not count"
                )
            time.sleep(0.5)
