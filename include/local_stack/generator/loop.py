"""The two modes of the generator: an exact number of row changes, and a rate until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import Random

from local_stack.generator import planner
from local_stack.generator.session import ShopSession
from local_stack.generator.totals import Totals

LARGEST_TRANSACTION = 120
_TRANSACTIONS_PER_SECOND = 4
OnProgress = Callable[[Totals], None]


def run_bounded(dsn: str, changes: int, seed: int, on_progress: OnProgress = lambda _totals: None) -> Totals:
    """Make exactly `changes` row changes and return their counts; three or more have all three kinds.

    The number is exact as long as nobody else deletes the lines of an order at the same moment.

    Raises:
        UnavailableError: the source stayed away.
    """
    rng = Random(seed)  # noqa: S311 - sample data, not a secret
    session = ShopSession(dsn)
    done = Totals()
    try:
        while done.changes < changes:
            budget = changes - done.changes
            session.ensure_ids(2 * LARGEST_TRANSACTION)
            if done.changes == 0:
                plan = planner.opening(rng, session.state, budget)
            else:
                plan = planner.transaction(rng, session.state, rng.randint(1, LARGEST_TRANSACTION), budget)
            done += session.commit(plan)
            on_progress(done)
    finally:
        session.close()
    return done


def run_endless(
    dsn: str,
    rate: float,
    seed: int,
    stop: threading.Event,
    on_progress: OnProgress = lambda _totals: None,
    clock: Callable[[], float] = time.monotonic,
) -> Totals:
    """Make about `rate` row changes a second until `stop` is set, and return their counts.

    After the source was away, the rate goes on as before; what was missed is not made up for.

    Raises:
        UnavailableError: the source stayed away.
    """
    if rate <= 0:
        raise ValueError(f"the rate is {rate}; it must be above 0 row changes a second")
    rng = Random(seed)  # noqa: S311 - sample data, not a secret
    session = ShopSession(dsn)
    done, due = Totals(), clock()
    size = max(1, min(LARGEST_TRANSACTION, round(rate / _TRANSACTIONS_PER_SECOND)))
    try:
        while not stop.wait(max(0.0, due - clock())):
            session.ensure_ids(2 * LARGEST_TRANSACTION)
            plan = planner.transaction(rng, session.state, rng.randint(1, 2 * size - 1), 10**9)
            due = max(due, clock() - 1.0) + planner.changes(plan) / rate
            done += session.commit(plan)
            on_progress(done)
    finally:
        session.close()
    return done
