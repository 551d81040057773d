"""`make drill`: plants one fault after the other while changes flow, and says what came of each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cdc.errors import CdcError, ConfigurationError, UnavailableError
from local_stack.check import converge, open_session
from local_stack.check import report_table as compared_table
from local_stack.drill.components import IdleSlot, PoisonMessage, SinkOutage, StoppedTask
from local_stack.drill.fault import Fault
from local_stack.drill.limits import LIMITS, StricterLimits
from local_stack.drill.outcome import Ending, Outcome, Report, Sighting, report_markdown, report_table
from local_stack.drill.rows import RowFault
from local_stack.drill.stage import Stage
from local_stack.drill.streams import KilledDriver, StalledQuery
from local_stack.drill.watch import HEALTH, Moment, await_well
from local_stack.envfile import write_atomically
from local_stack.lifecycle import make_console, say, stop_stack
from local_stack.run import GeneratorThread, interruptible
from local_stack.stack import LocalStack

RATE = 50.0
SINKS = {"clickhouse": "clickhouse", "warehouse": "postgres"}
FIRST_CHANGES_S = 30.0
# What a run of the checks may take on a busy machine.
LOOK_S = 30.0


def all_faults() -> tuple[Fault, ...]:
    """Every fault, in the order in which they are planted; each can be planted once."""
    rows = [
        RowFault(kind, sink_type, word)
        for word, sink_type in SINKS.items()
        for kind in ("altered", "missing", "ghost")
    ]
    outages = [SinkOutage(sink_type, component) for component, sink_type in SINKS.items()]
    return (StoppedTask(), KilledDriver(), StalledQuery(), IdleSlot(), *rows, PoisonMessage(), *outages)


def choose_faults(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names, in their own order; all of them when none is named.

    Raises:
        ConfigurationError: there is none of a name; lists those there are.
    """
    faults = all_faults()
    known = [fault.name for fault in faults]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"received the fault {name!r}; expected one of: {', '.join(known)}")
    return tuple(fault for fault in faults if not names or fault.name in names)


def list_faults(console: Console) -> None:
    """Print every fault, and what mends it."""
    for fault in all_faults():
        say(console, f"{fault.name}: {fault.planted}; mended by {fault.mended_by}")


def run_drill(only: Sequence[str], seed: int, as_json: bool, report: Path | None) -> int:
    """Plant, wait until it is noticed and mended, compare, for each fault.

    A stack that does not run is started, and stopped again at the end.

    Args:
        only: names of faults; all by default.
        seed: of the generator.
        as_json: print JSON; progress then goes to standard error.
        report: a file that gets the table as Markdown.

    Returns:
        0 when every fault is green and the end is equal, else 1.

    Raises:
        ConfigurationError: there is no such fault.
        CdcError: the stack does not start, or is not well before the first fault.
    """
    faults = choose_faults(only)
    progress = make_console(stderr=as_json)
    stack = LocalStack.from_environment()
    ran_before = stack.record() is not None
    try:
        with interruptible(), open_session(stack, progress) as session:
            found = Drill(Stage(stack, session, lambda text: say(progress, text)), progress, seed).run(faults)
    except KeyboardInterrupt:
        say(progress, "interrupted; what was planted is taken back")
        raise
    finally:
        if not ran_before:
            stop_stack(stack, progress)
    out = make_console()
    if as_json:
        out.print_json(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        out.print(report_table(found))
        say(out, found.verdict)
    if report is not None:
        write_atomically(report, report_markdown(found))
    return 0 if found.green else 1


@dataclass
class _Seen:
    """What was seen of a fault so far."""

    sighting: Sighting | None = None
    ending: Ending | None = None
    problem: str = ""


class Drill:
    """One drill on a running stack."""

    def __init__(self, stage: Stage, console: Console, seed: int) -> None:
        """Nothing is planted yet."""
        self._stage, self._console, self._seed = stage, console, seed
        self._say = stage.say

    def run(self, faults: Sequence[Fault]) -> Report:
        """Every fault in turn; one that is not green does not end the others.

        Raises:
            UnavailableError: something is wrong before the first fault.
        """
        begun, stage = time.monotonic(), self._stage
        kept = stage.ctx.state_dir / "drill"
        file, env = stage.pipeline_file, stage.session.env["CDC_ENV"]
        with StricterLimits(file, env, kept, self._say):
            self._say(f"{file} has stricter limits until the drill ends")
            self._require_well()
            outcomes = []
            for number, fault in enumerate(faults, start=1):
                self._say(f"{number} of {len(faults)}, {fault.name}: {fault.planted}")
                outcome = self._play(fault, self._seed * 1_000 + number)
                self._say(f"  {'green' if outcome.green else f'NOT GREEN: {outcome.problem}'}")
                outcomes.append(outcome)
        reports = converge(stage.session, self._console)
        for compared in reports:
            self._console.print(compared_table(compared))
        equal = all(compared.equal for compared in reports)
        return Report(self._seed, outcomes, equal, time.monotonic() - begun, LIMITS)

    def _require_well(self) -> None:
        """Have `cdc_health` look until no incident is open, such as one of an earlier drill."""
        self._say("looking whether all is well before the first fault")
        try:
            await_well(self._stage)
        except UnavailableError as error:
            wrong = "; ".join(one.sentence for one in self._stage.incidents(only_open=True))
            raise UnavailableError(f"a drill begins when all is well; now {wrong or error}") from None

    def _play(self, fault: Fault, seed: int) -> Outcome:
        """One fault; what it has left behind is taken back in any case."""
        stage = self._stage
        generator = GeneratorThread(stage.session.source_dsn, RATE, seed)
        generator.start()
        seen = _Seen()
        try:
            try:
                self._wait_for_changes(generator)
                self._follow(fault, seen)
            except Exception as error:  # noqa: BLE001 - whatever a client raises, the other faults are planted
                seen.problem = str(error) if isinstance(error, CdcError) else repr(error)
                self._take_back(fault)
            totals = generator.finish()
            reports = converge(stage.session, self._console)
        finally:
            self._take_back(fault)
            generator.finish()
        equal = all(report.equal for report in reports)
        examples = [d.sentence() for r in reports for table in r.tables for d in table.examples[:3]]
        problem = "; ".join(filter(None, [seen.problem, generator.problem, *examples]))
        if problem:
            self._settle()
        return Outcome(
            fault.name,
            fault.planted,
            fault.mended_by,
            seen.sighting,
            seen.ending,
            equal,
            totals.changes,
            problem,
        )

    def _follow(self, fault: Fault, seen: _Seen) -> None:
        """From planting to the end; what was seen is kept also when it goes no further."""
        stage = self._stage
        if fault.lasts_s:
            # A run of the schedule, with its grace, would keep the drill's own from looking until it is over.
            stage.await_room(HEALTH, fault.lasts_s + LOOK_S)
        planted = Moment.now(stage)
        fault.plant(stage)
        watch = fault.watch(stage)
        self._say("  planted; now somebody has to notice")
        seen.sighting = sighting = watch.detect(stage, planted)
        by = f"{sighting.place} (run by {sighting.begun_by})"
        self._say(f"  noticed after {sighting.after_s:.0f} s by {by}; mail: {sighting.mail}")
        self._say(f"  mended by {fault.mended_by}")
        fault.mend(stage)
        seen.ending = ending = watch.await_end(stage, planted)
        self._say(f"  over after {ending.after_s:.0f} s; mail: {ending.mail}")

    def _wait_for_changes(self, generator: GeneratorThread) -> None:
        self._stage.wait_for(
            lambda: generator.totals.changes or bool(generator.problem), FIRST_CHANGES_S, "no change was made"
        )

    def _take_back(self, fault: Fault) -> None:
        try:
            fault.undo(self._stage)
        except Exception as error:  # noqa: BLE001 - the rest of the drill is still to be ended in order
            self._say(f"  {fault.name} could not be taken back: {error}")

    def _settle(self) -> None:
        """After a fault that went wrong: its incidents must not count for the next one."""
        try:
            await_well(self._stage)
        except UnavailableError as error:
            self._say(f"  {error}")
