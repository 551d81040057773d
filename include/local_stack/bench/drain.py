"""Drains of a preloaded topic: ours and a peer in turn, each warm, over the same changes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Protocol

from cdc.errors import DataError
from local_stack.bench.driver import wait_until
from local_stack.bench.envelopes import Layout
from local_stack.bench.figures import Spread, fingerprint
from local_stack.bench.shapes import Shape
from local_stack.bench.sinks import SinkTable
from local_stack.bench.topics import Positions, Preload
from local_stack.bench.usage import cpu_by_program, cpu_s, idle_cores, peak_memory_mb
from local_stack.bench.workload import Workload

DRAIN_S = 900.0
LOOK_S = 0.02
IDLE_S = 10.0
SETTLE_S = 0.5
"""After the last row is visible: a micro-batch still commits, a sink connector still commits offsets."""


class Runner(Protocol):
    """What drains a topic: a driver, or a worker with a connector."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The roots of its processes."""

    def problem(self) -> str | None:
        """Why it cannot be waited for any longer."""


@dataclass(frozen=True)
class Side:
    """One contestant.

    Attributes:
        name: `ours`, or the peer's.
        topics: one for each shape.
        layout: how its events are written, by shape's name.
        tables: one for each shape, in the sink.
        sink_pids: the sink's own processes.
        tombstones: its topics have them.
    """

    name: str
    runner: Runner
    bootstrap: str
    topics: tuple[str, ...]
    layouts: tuple[Layout, ...]
    tables: tuple[SinkTable, ...]
    sink_pids: tuple[int, ...]
    tombstones: bool


@dataclass(frozen=True)
class Run:
    """One drain.

    Attributes:
        cpu_s, sink_cpu_s: CPU of the contestant, and of the sink's server.
        peak_mb: the most memory of the contestant.
        programs: the contestant's CPU by program.
    """

    events: int
    wall_s: float
    cpu_s: float
    sink_cpu_s: float
    peak_mb: float
    bytes_per_event: float
    programs: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.wall_s

    @property
    def cpu_per_million(self) -> float:
        """CPU-seconds of the contestant for a million events."""
        return self.cpu_s / self.events * 1e6


@dataclass
class DrainResult:
    """All drains of one contestant."""

    name: str
    runs: list[Run] = field(default_factory=list)
    idle_cpu: float = 0.0

    def document(self) -> dict[str, Any]:
        """Everything, for JSON: spreads over the runs, and the runs."""
        return {
            "rows_per_s": asdict(Spread.of([run.rate for run in self.runs])),
            "cpu_s_per_million": asdict(Spread.of([run.cpu_per_million for run in self.runs])),
            "sink_cpu_s_per_million": asdict(
                Spread.of([run.sink_cpu_s / run.events * 1e6 for run in self.runs])
            ),
            "peak_memory_mb": max(run.peak_mb for run in self.runs),
            "bytes_per_event": statistics.median(run.bytes_per_event for run in self.runs),
            "idle_cores": self.idle_cpu,
            "runs": [asdict(run) for run in self.runs],
        }


class Drains:
    """Several sides over one history of changes; every side gets the same changes in the same order."""

    def __init__(self, shapes: Sequence[Shape], sides: Sequence[Side], say: Callable[[str], None]) -> None:
        self._shapes, self._sides, self._say = tuple(shapes), tuple(sides), say
        self._workloads = [Workload(shape, seed) for seed, shape in enumerate(self._shapes, start=1)]
        self._positions = Positions()
        self._made = 0
        self.results = {side.name: DrainResult(side.name) for side in self._sides}

    def warm_up(self, events: int) -> None:
        """A drain that does not count: every side starts, compiles and connects in it."""
        self._round(events, count=False)

    def measure(self, events: int, repeats: int) -> None:
        """Drains that count; sides take turns, and begin in turn.

        Raises:
            DataError: an end state is not the one that the changes give.
            UnavailableError: a side does not get there.
        """
        for number in range(repeats):
            self._round(events, count=True, first=number)

    def idle(self, seconds: float = IDLE_S) -> None:
        """CPU of each side, in cores, while nothing comes."""
        cores = idle_cores([side.runner.pids for side in self._sides], seconds)
        for side, found in zip(self._sides, cores, strict=True):
            self.results[side.name].idle_cpu = found

    def _round(self, events: int, *, count: bool, first: int = 0) -> None:
        preloads, sentinels = self._preload(events)
        expected = [fingerprint(workload.lines()) for workload in self._workloads]
        turns = list(zip(self._sides, preloads, strict=True))
        turn = first % len(turns)
        for side, preload in turns[turn:] + turns[:turn]:
            run = self._drain(side, preload, sentinels)
            for table, shape, wanted in zip(side.tables, self._shapes, expected, strict=True):
                found = fingerprint(table.lines())
                if found != wanted:
                    raise DataError(
                        f"{side.name}: {shape.name} holds {found.rows:,} rows ({found.digest:x}) after "
                        f"the drain, the changes give {wanted.rows:,} ({wanted.digest:x}): its time does not "
                        "count"
                    )
            if count:
                self.results[side.name].runs.append(run)
            self._say(
                f"{side.name}{'' if count else ' (warm-up)'}: {run.events:,} events in {run.wall_s:.2f} s, "
                f"{run.rate:,.0f}/s, CPU {run.cpu_s:.1f} s (sink {run.sink_cpu_s:.1f} s), "
                f"{run.peak_mb:,.0f} MB; end state equal"
            )

    def _preload(self, events: int) -> tuple[list[Preload], list[list[int]]]:
        self._made += 1
        preloads = [
            Preload(
                side.bootstrap,
                f"{side.topics[0]}-{self._made}",
                dict(zip(side.topics, side.layouts, strict=True)),
                tombstones=side.tombstones,
            )
            for side in self._sides
        ]
        share = events // len(self._shapes)
        sentinels = []
        for number, workload in enumerate(self._workloads):
            last = workload.sentinels(3)
            changes = workload.take(share - len(last))
            for change in chain(changes, last):
                at = self._positions.next()
                for side, preload in zip(self._sides, preloads, strict=True):
                    preload.write(side.topics[number], change, change.key % 3, at)
            sentinels.append([change.key for change in last])
        for preload in preloads:
            preload.flush()
        return preloads, sentinels

    def _drain(self, side: Side, preload: Preload, sentinels: list[list[int]]) -> Run:
        before, sink = cpu_by_program(side.runner.pids), cpu_s(side.sink_pids)
        with peak_memory_mb(side.runner.pids) as memory:
            begun = preload.commit()
            waiting = list(zip(side.tables, sentinels, strict=True))

            def done() -> bool:
                while waiting and waiting[-1][0].seen(waiting[-1][1]) == set(waiting[-1][1]):
                    waiting.pop()
                return not waiting

            ended = wait_until(done, side.runner.problem, DRAIN_S, f"the end of {side.name}'s drain", LOOK_S)
            time.sleep(SETTLE_S)
        programs = {name: s - before.get(name, 0.0) for name, s in cpu_by_program(side.runner.pids).items()}
        return Run(
            events=preload.sizes.events,
            wall_s=ended - begun,
            cpu_s=sum(programs.values()),
            sink_cpu_s=cpu_s(side.sink_pids) - sink,
            peak_mb=max(memory),
            bytes_per_event=preload.sizes.per_event,
            programs=programs,
        )
