"""Which processes chaos kills and when: a plan that its seed repeats, and the kill itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.screen import StatusRow, collect_status
from local_stack.stack import LocalStack

TARGETS = (
    "kafka",
    "connect",
    "driver",
    "executor",
    "nodemanager",
    "resourcemanager",
    "clickhouse",
    "source",
    "warehouse",
    "control",
    "airflow-scheduler",
    "airflow-triggerer",
    "airflow-dag-processor",
)
# These are run by YARN, under names that carry the application.
SPARK_TARGETS = ("driver", "executor")
LATEST_MOMENT_S = 8.0
BACK_LIMIT_S = 180.0
# Another kill may have taken it along: Airflow's components end when their database does.
RUNNING_LIMIT_S = 120.0
POLL_S = 0.5


@dataclass(frozen=True)
class Kill:
    """One kill: of what, how long after changes began to flow, and which one of several."""

    target: str
    moment_s: float
    choice: float


def plan_kills(seed: int, rounds: int = 0, component: str | None = None) -> tuple[Kill, ...]:
    """The kills of a run; `rounds` 0 kills each target once, in an order of the seed's.

    Raises:
        ConfigurationError: `component` is no target; lists those that are.
    """
    if component is not None and component not in TARGETS:
        raise ConfigurationError(f"{component!r} cannot be killed by chaos; one of: {', '.join(TARGETS)}")
    rng = Random(seed)  # noqa: S311 - a test's choice, not a secret
    if component is not None:
        order: Sequence[str] = [component] * max(1, rounds)
    else:
        order = rng.sample(TARGETS, k=len(TARGETS))
        if rounds:
            order = [order[index % len(order)] for index in range(rounds)]
    return tuple(Kill(name, round(rng.uniform(0.5, LATEST_MOMENT_S), 2), rng.random()) for name in order)


def candidates(rows: Iterable[StatusRow], target: str) -> list[StatusRow]:
    """The running processes that a target means: a component, or all drivers, or all executors."""
    if target in SPARK_TARGETS:
        return sorted((r for r in rows if r.name.split(":")[0] == target), key=lambda row: row.name)
    return [row for row in rows if row.name == target]


class Killer:
    """Kills processes of a running stack with SIGKILL, and sees them come back.

    Args:
        stack: the stack.
        clock, sleep: as in `time`.
    """

    def __init__(
        self,
        stack: LocalStack,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is killed before `strike`."""
        self._stack, self._clock, self._sleep = stack, clock, sleep

    def rows(self) -> list[StatusRow]:
        """Every component, driver and executor.

        Raises:
            UnavailableError: the stack is down.
        """
        record = self._stack.record()
        if record is None:
            raise UnavailableError(f"the stack in {self._stack.places.home} is down: `make up` starts it")
        return collect_status(self._stack.context(), record)

    def strike(self, kill: Kill) -> StatusRow:
        """Kill one process of the target as soon as one runs; returns what it was.

        Raises:
            UnavailableError: nothing of that kind runs, or comes to run in time.
        """
        begun = self._clock()
        while not (found := self._running(kill.target)):
            if self._clock() - begun > RUNNING_LIMIT_S:
                raise UnavailableError(f"no {kill.target} runs that could be killed: see `make status`")
            self._sleep(POLL_S)
        victim = found[int(kill.choice * len(found))]
        os.kill(int(victim.pid or 0), signal.SIGKILL)
        return victim

    def _running(self, target: str) -> list[StatusRow]:
        return [row for row in candidates(self.rows(), target) if row.pid and row.state == "running"]

    def wait_until_back(self, victim: StatusRow) -> float:
        """Wait until another process does the victim's work; returns the seconds it took.

        Raises:
            UnavailableError: nothing came back in time.
        """
        begun = self._clock()
        while self._clock() - begun < BACK_LIMIT_S:
            if any(_replaces(row, victim) for row in self.rows()):
                return self._clock() - begun
            self._sleep(POLL_S)
        raise UnavailableError(
            f"{victim.name} (pid {victim.pid}) did not come back within {BACK_LIMIT_S:.0f} s"
        )


def _replaces(row: StatusRow, victim: StatusRow) -> bool:
    # A new executor of an application has another number.
    same = row.name.split(":")[:2] == victim.name.split(":")[:2]
    return same and row.state == "running" and row.pid is not None and row.pid != victim.pid
