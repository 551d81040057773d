"""`make chaos`: kill -9 of each component while changes flow; afterwards every row and column is compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from cdc.errors import CdcError
from local_stack.check import converge, open_session
from local_stack.job.dashboard import clock
from local_stack.job.kills import Kill, Killer, plan_kills
from local_stack.job.session import JobSession
from local_stack.lifecycle import make_console, say, stop_stack
from local_stack.run import GeneratorThread, interruptible
from local_stack.stack import LocalStack

RATE = 150.0
FLOW_AFTER_S = 3.0


@dataclass(frozen=True)
class RoundReport:
    """One kill and what came of it.

    Attributes:
        back_s: until another process did the work; None when none came back.
        changes: row changes that were committed meanwhile.
        equal: whether source and sinks were equal afterwards.
        drivers_stayed: whether every driver that was not the victim is still the same process.
        problem: why the round failed, in words.
    """

    kill: Kill
    victim: str
    back_s: float | None
    changes: int
    equal: bool
    drivers_stayed: bool
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Back, equal, and Airflow's processes did not take a stream with them."""
        undisturbed = self.drivers_stayed or not self.kill.target.startswith("airflow-")
        return self.back_s is not None and self.equal and undisturbed


def run_chaos(seed: int, rounds: int = 0, component: str | None = None) -> int:
    """Kill, wait, compare, for each kill of the plan.

    Returns:
        0 when every round passed, else 1.

    Raises:
        ConfigurationError: `component` is no target.
        CdcError: the stack does not start.
    """
    plan = plan_kills(seed, rounds, component)
    console, stack = make_console(), LocalStack.from_environment()
    ran_before = stack.record() is not None
    try:
        with interruptible(), open_session(stack, console) as session:
            reports = kill_in_turn(stack, session, console, plan, seed)
    finally:
        if not ran_before:
            stop_stack(stack, console)
    console.print(chaos_table(reports, seed))
    return 0 if all(report.passed for report in reports) else 1


def kill_in_turn(
    stack: LocalStack, session: JobSession, console: Console, plan: Sequence[Kill], seed: int
) -> list[RoundReport]:
    """One round for each kill; a round that fails does not end the others."""
    reports = []
    for number, kill in enumerate(plan, start=1):
        say(
            console,
            f"round {number} of {len(plan)}: {kill.target} dies {kill.moment_s:.1f} s into the changes",
        )
        report = play_round(stack, session, console, kill, seed * 1_000 + number)
        verdict = "passed" if report.passed else f"FAILED {report.problem}"
        back = "never" if report.back_s is None else f"after {report.back_s:.1f} s"
        say(console, f"  {report.victim} was back {back}; {report.changes:,} changes; {verdict}")
        reports.append(report)
    return reports


def play_round(
    stack: LocalStack, session: JobSession, console: Console, kill: Kill, seed: int
) -> RoundReport:
    """Let changes flow, kill, wait until it is back, end the changes, wait until all sides are equal."""
    killer = Killer(stack)
    generator = GeneratorThread(session.source_dsn, RATE, seed)
    generator.start()
    victim_name, back_s, problem = kill.target, None, ""
    drivers: dict[str, int | None] = {}
    try:
        time.sleep(kill.moment_s)
        drivers = _drivers(killer)
        victim = killer.strike(kill)
        victim_name = victim.name
        drivers.pop(victim.name, None)
        back_s = killer.wait_until_back(victim)
        time.sleep(FLOW_AFTER_S)
    except CdcError as error:
        problem = str(error)
    totals = generator.finish()
    problem = problem or generator.problem or ""
    reports = converge(session, console)
    equal = all(report.equal for report in reports) and generator.problem is None
    if not equal:
        examples = [d.sentence() for report in reports for table in report.tables for d in table.examples[:3]]
        problem = "; ".join(filter(None, [problem, *examples]))
    now = _drivers(killer)
    stayed = all(now.get(name) == pid for name, pid in drivers.items())
    return RoundReport(kill, victim_name, back_s, totals.changes, equal, stayed, problem)


def _drivers(killer: Killer) -> dict[str, int | None]:
    return {row.name: row.pid for row in killer.rows() if row.name.startswith("driver:")}


def chaos_table(reports: Sequence[RoundReport], seed: int) -> Table:
    """A row for each round."""
    table = Table(title=f"chaos, seed {seed}: kill -9 while changes flow", title_justify="left")
    for heading in ("killed", "moment", "back after", "changes", "drivers", "all rows equal"):
        table.add_column(heading, justify="left" if heading == "killed" else "right")
    for report in reports:
        table.add_row(
            report.victim,
            f"{report.kill.moment_s:.1f} s",
            "[red]never[/]" if report.back_s is None else clock_tenths(report.back_s),
            f"{report.changes:,}",
            "stayed" if report.drivers_stayed else "started again",
            "[green]yes[/]" if report.equal else "[red]NO[/]",
        )
    return table


def clock_tenths(seconds: float) -> str:
    """Seconds with a tenth, minutes beyond one hundred."""
    return f"{seconds:.1f} s" if seconds < 100 else clock(seconds)
