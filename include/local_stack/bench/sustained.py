"""Sustained throughput: what Debezium alone puts into Kafka, and the share of it that both sinks hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cdc.errors import UnavailableError
from local_stack.bench.capture import Capture
from local_stack.bench.figures import is_flat
from local_stack.bench.freshness import LiveSource, check_equal
from local_stack.bench.place import Place
from local_stack.bench.probes import Probes
from local_stack.bench.shapes import ORDERS
from local_stack.bench.sinks import SinkTable

SHARES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
TRIAL_S = 15.0
TOO_LATE_S = 8.0
"""A lag of so many seconds' changes ends a trial."""
LOOK_S = 0.25
CAPTURE_LIMIT_S = 300.0


@dataclass(frozen=True)
class Sustained:
    """What was held.

    Attributes:
        capture_rate: changes a second that Debezium alone put into Kafka from a backlog.
        rate: the greatest tried rate at which the lag stayed flat, as it was made in fact; 0 for none.
        seconds: for how long.
        lags: (seconds, changes behind) of the slowest sink while the rate was held.
        tried: the shares that were tried, and whether each was held.
    """

    capture_rate: float
    rate: float
    seconds: float
    lags: tuple[tuple[float, float], ...]
    tried: tuple[tuple[float, bool], ...]

    @property
    def share(self) -> float:
        """Of what Debezium alone captures."""
        return self.rate / self.capture_rate


def capture_rate(source: LiveSource, place: Place, capture: Capture, changes: int) -> float:
    """Let a backlog of changes pile up in the source's log, then see how fast Debezium writes it to Kafka.

    The middle of the backlog counts: from a fifth to nine tenths, so that neither start nor end does.
    """
    load = source.load(0)
    load.pile_up(changes)
    source.next_key = load.next_key
    kafka, topic = place.kafka(), place.topic(ORDERS)

    def written() -> int:
        return sum(kafka.end_offsets([topic], "read_uncommitted")[topic].values())

    begun = written()
    capture.resume()
    deadline = time.monotonic() + CAPTURE_LIMIT_S
    samples: list[tuple[float, int]] = []
    # A deleted row is two records; the markers of Debezium's transactions are few.
    expected = int(changes * 1.1)
    while not samples or samples[-1][1] < expected * 0.98:
        samples.append((time.monotonic(), written() - begun))
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Debezium wrote {samples[-1][1]:,} of {expected:,} records within {CAPTURE_LIMIT_S:.0f} s"
            )
        time.sleep(LOOK_S)
    middle = [(at, n) for at, n in samples if 0.2 * expected <= n <= 0.9 * expected]
    if len(middle) < 2:
        raise UnavailableError(f"{changes:,} changes are too few to time: Debezium wrote them at once")
    (first, low), (last, high) = middle[0], middle[-1]
    return (high - low) / 1.1 / (last - first)


def hold(
    source: LiveSource,
    sinks: Mapping[str, SinkTable],
    capacity: float,
    seconds: float,
    problem: Callable[[], str | None],
    say: Callable[[str], None],
    shares: Sequence[float] = SHARES,
) -> Sustained:
    """Find the greatest share of the capture's rate that both sinks hold with a flat lag.

    Raises:
        DataError: a sink is not equal to the source at the end.
        UnavailableError: something stops.
    """
    tried = []
    for share in shares:
        rate = capacity * share
        made, passed, lags, flat = _try(source, sinks, rate, seconds, problem)
        tried.append((share, flat))
        worst = max(lag for _, lag in lags)
        say(
            f"{rate:,.0f} changes/s ({share:.0%} of capture): {'held' if flat else 'not held'} for "
            f"{passed:.0f} s, made {made:,.0f}/s, at most {worst:,.0f} changes behind"
        )
        if flat:
            check_equal(source, sinks)
            return Sustained(capacity, made, passed, tuple(lags), tuple(tried))
    check_equal(source, sinks)
    return Sustained(capacity, 0.0, 0.0, (), tuple(tried))


def _try(
    source: LiveSource,
    sinks: Mapping[str, SinkTable],
    rate: float,
    seconds: float,
    problem: Callable[[], str | None],
) -> tuple[float, float, list[tuple[float, float]], bool]:
    load = source.load(rate)
    probes = source.probes(sinks, load)
    load.start()
    probes.start()
    time.sleep(TRIAL_S / 3)
    begun, before = time.monotonic(), load.made
    lags: list[tuple[float, float]] = []
    hopeless = False
    while (passed := time.monotonic() - begun) < seconds and not hopeless:
        said = problem() or probes.problem or load.problem
        if said is not None:
            raise UnavailableError(said)
        lags.append((passed, float(max(probes.lag(name) for name in sinks))))
        hopeless = lags[-1][1] > rate * TOO_LATE_S
        time.sleep(LOOK_S)
    made = (load.made - before) / passed
    load.stop()
    _finish(probes)
    source.used(load, probes)
    kept_up = made >= 0.97 * rate
    return made, passed, lags, not hopeless and kept_up and is_flat(lags, rate)


def _finish(probes: Probes) -> None:
    """Wait until all is visible, so that the next trial begins with nothing behind."""
    probes.stop()
