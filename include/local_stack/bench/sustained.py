"""Sustained throughput: what Debezium alone puts into Kafka, and the share of it that both sinks hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdc.errors import UnavailableError
from local_stack.bench.capture import Capture
from local_stack.bench.driver import wait_until
from local_stack.bench.figures import is_flat
from local_stack.bench.freshness import TOPIC, LiveSource, check_equal
from local_stack.bench.place import Place
from local_stack.bench.shapes import ORDERS
from local_stack.bench.sinks import SinkTable

TIMES = 10
"""A transaction has a hundred changes: at ten, committing them is most of what the source does."""
FIRST_SHARE, LEAST_SHARE, TRIALS = 0.95, 0.03, 6
SEARCH_S, HALVINGS = 30.0, 4
"""How long a share is tried to find where to begin, and how often."""
STEP = 0.95
"""The next share is this part of one that was not held for the whole time."""
LEAD_S = 5.0
START_LIMIT_S = 240.0
EARLY_S = 20.0
"""After so long a trial whose lag clearly rises ends."""
TOO_LATE_S = 6.0
"""A lag of so many seconds' changes ends a trial at once."""
LOOK_S = 0.25
"""Between two looks at a sink: at freshness's pace they took a fifth of the machine from what is measured."""
WARM_S, WARM_SHARE = 30.0, 0.5
"""The drivers have just been started; Debezium alone was measured after a backlog."""
CAPTURE_LIMIT_S = 300.0
ALONE_S, ALONE_STEP = 20.0, 1.15
ALONE_TRIALS, ALONE_LIMIT = 3, 8
"""What Debezium carries alone is tried so often, and more often while it follows."""


@dataclass(frozen=True)
class Sustained:
    """What was held.

    Attributes:
        backlog_rate: changes a second that Debezium alone put into Kafka from a backlog, with nothing else
            to do for the machine.
        capture_rate: the same while changes are made at the source, as fast as Debezium can follow.
        rate: the first at which the lag stayed flat for the whole time, as it was made in fact; 0 for none.
        seconds: for how long.
        lags: (seconds, changes behind) of the slowest sink while the rate was held.
        tried: the shares that were tried, those of the short search first, whether each was held, and for how
            many seconds it was asked for.
    """

    backlog_rate: float
    capture_rate: float
    rate: float
    seconds: float
    lags: tuple[tuple[float, float], ...]
    tried: tuple[tuple[float, bool, float], ...]

    @property
    def share(self) -> float:
        """Of what Debezium alone captures."""
        return self.rate / self.capture_rate


def backlog_rate(source: LiveSource, place: Place, capture: Capture, changes: int) -> float:
    """Let a backlog of changes pile up in the source's log, then see how fast Debezium writes it to Kafka.

    The middle of the backlog counts: from a fifth to nine tenths, so that neither start nor end does.
    """
    load = source.load(0, TIMES)
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


def capture_rate(source: LiveSource, place: Place, backlog: float, say: Callable[[str], None]) -> float:
    """What Debezium alone puts into Kafka while changes are made at the source, as fast as it can follow.

    Making changes takes from the same cores, and a lag even more, so the rate that is wanted goes up from
    what Debezium follows and down from where it falls behind; the greatest that came to Kafka counts.
    """

    def follow(wanted: float) -> tuple[float, bool]:
        trial = _try(source, {}, wanted, ALONE_S, lambda: None, place)
        say(
            f"Debezium alone, {wanted:,.0f} changes/s wanted: {trial.made:,.0f}/s made, "
            f"{trial.carried:,.0f}/s put into Kafka"
        )
        return trial.carried, trial.held

    return greatest_carried(backlog, follow)


def greatest_carried(wanted: float, follow: Callable[[float], tuple[float, bool]]) -> float:
    """The greatest rate that comes to Kafka, tried until one is too much, and a few times at least.

    Args:
        wanted: the rate to begin with.
        follow: tries one, and returns what came to Kafka, and whether it was all.
    """
    greatest, too_much = 0.0, math.inf
    for number in range(1, ALONE_LIMIT + 1):
        carried, held = follow(wanted)
        greatest = max(greatest, carried)
        if not held:
            too_much = min(too_much, wanted)
        if number >= ALONE_TRIALS and too_much < math.inf:
            break
        wanted = next_wanted(greatest, too_much)
    return greatest


def next_wanted(greatest: float, too_much: float) -> float:
    """A rate to try: a little above the greatest that came, and below one that was too much."""
    return min(ALONE_STEP * greatest, (greatest + too_much) / 2)


def hold(
    source: LiveSource,
    sinks: Mapping[str, SinkTable],
    backlog: float,
    capacity: float,
    seconds: float,
    problem: Callable[[], str | None],
    say: Callable[[str], None],
) -> Sustained:
    """Find a share of the capture's rate, `capacity`, that both sinks hold with a flat lag.

    Raises:
        DataError: a sink is not equal to the source at the end.
        UnavailableError: something stops.
    """
    tried: list[tuple[float, bool, float]] = []

    def attempt(share: float, limit_s: float) -> Trial:
        trial = _try(source, sinks, capacity * share, limit_s, problem)
        tried.append((round(share, 3), trial.held, limit_s))
        say(
            f"{trial.rate:,.0f} changes/s ({share:.0%} of capture): {'held' if trial.held else 'not held'} "
            f"for {trial.seconds:.0f} s, made {trial.made:,.0f}/s, at most {trial.worst:,.0f} changes behind"
        )
        return trial

    warm = _try(source, sinks, capacity * WARM_SHARE, min(WARM_S, seconds), problem)
    say(f"warmed up with {warm.made:,.0f} changes/s for {warm.seconds:.0f} s")
    share = greatest_share(lambda one: attempt(one, min(SEARCH_S, seconds / 3)).held)
    held = None
    for _ in range(TRIALS):
        trial = attempt(share, seconds)
        if trial.held:
            held = trial
            break
        share = max(STEP * share, LEAST_SHARE)
    check_equal(source, sinks)
    if held is None:
        return Sustained(backlog, capacity, 0.0, 0.0, (), tuple(tried))
    return Sustained(backlog, capacity, held.made, held.seconds, held.lags, tuple(tried))


def greatest_share(holds: Callable[[float], bool]) -> float:
    """The greatest share that is held for a short time, found by halving what is between two shares."""
    low, high = LEAST_SHARE, FIRST_SHARE
    if holds(high):
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Trial:
    """One rate, tried.

    Attributes:
        made: changes a second that the source committed.
        lags: (seconds, changes behind) of the slowest sink.
    """

    rate: float
    made: float
    seconds: float
    lags: tuple[tuple[float, float], ...]
    held: bool

    @property
    def worst(self) -> float:
        """The greatest lag."""
        return max(lag for _, lag in self.lags)

    @property
    def carried(self) -> float:
        """Changes a second that the slowest sink showed."""
        return self.made - (self.lags[-1][1] - self.lags[0][1]) / self.seconds


def _try(
    source: LiveSource,
    sinks: Mapping[str, SinkTable],
    rate: float,
    seconds: float,
    problem: Callable[[], str | None],
    capture: Place | None = None,
) -> Trial:
    """With a capture's place its topic is watched, and what counts is what has come there."""
    load = source.load(rate, TIMES)
    probes = source.probes(sinks, load, LOOK_S)
    if capture is not None:
        probes.watch_topic(capture.bootstrap, capture.topic(ORDERS), TOPIC)
    probes.start()
    wait_until(probes.all_begun, lambda: problem() or probes.problem, START_LIMIT_S, "the first probe")
    load.start()
    time.sleep(LEAD_S)
    begun, before = time.monotonic(), load.made
    lags: list[tuple[float, float]] = []
    hopeless = False
    while (passed := time.monotonic() - begun) < seconds and not hopeless:
        said = problem() or probes.problem or load.problem
        if said is not None:
            raise UnavailableError(said)
        lags.append((passed, float(max(probes.lag(name) for name in probes.places))))
        hopeless = lags[-1][1] > rate * TOO_LATE_S
        hopeless |= passed > EARLY_S and not is_flat(lags, rate, 2.0)
        time.sleep(LOOK_S)
    made = (load.made - before) / passed
    load.stop()
    # All is visible before the next trial begins.
    probes.stop()
    source.used(load, probes)
    held = not hopeless and made >= 0.97 * rate and is_flat(lags, rate)
    return Trial(rate, made, passed, tuple(lags), held)
