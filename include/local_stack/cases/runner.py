"""Runs case files: refusals first, then the four deliveries, each in a place of its own."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cdc.errors import CdcError, SpecError
from local_stack.cases.case_file import Case, Outcome, parse_case
from local_stack.cases.deliveries import DELIVERIES
from local_stack.cases.outcome import CaseResult, DeliveryResult
from local_stack.cases.place import Place
from local_stack.cases.remove import remove
from local_stack.cases.report import print_results, results_json
from local_stack.cases.stage import Stage
from local_stack.component import StackContext
from local_stack.lifecycle import say, start_components, stop_stack
from local_stack.run import interruptible
from local_stack.stack import LocalStack

Say = Callable[[str], None]


def run_cases(paths: Sequence[Path], as_json: bool, keep: bool, only: Sequence[str] = ()) -> int:
    """Run cases on the stack, which is started, and stopped again, when none is up.

    Args:
        paths: case files, and folders of `*.sql`.
        as_json: print JSON; progress goes to standard error in any case.
        keep: leave the pipelines, databases and topics of every delivery for looking.
        only: deliveries; all by default.

    Returns:
        0 when every outcome is the expected one, else 1.

    Raises:
        CdcError: a file is wrong, or the stack does not start.
    """
    cases = read_cases(paths)
    progress = Console(stderr=True, width=None if Console(stderr=True).is_terminal else 200)
    stack = LocalStack.from_environment()
    ran_before = stack.record() is not None
    if not ran_before:
        # Airflow would launch the streams of the stack's own pipelines beside the cases'.
        stack = replace(stack, components="local_stack.components:data_components")
    try:
        with interruptible():
            ctx = stack.context() if ran_before else start_components(stack, progress)
            results = CaseRun(ctx, lambda text: say(progress, text), keep, tuple(only)).run(cases)
    finally:
        if not ran_before:
            stop_stack(stack, progress)
    out = Console(soft_wrap=True)
    if as_json:
        out.print_json(data=results_json(results))
    else:
        print_results(results, out)
    return 0 if all(result.passed for result in results) else 1


def read_cases(paths: Sequence[Path]) -> tuple[Case, ...]:
    """Read files and folders, in the order in which they were named.

    Raises:
        SpecError: a file cannot be read, or is no case.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.sql")) if path.is_dir() else [path]
    if not files:
        raise SpecError(", ".join(map(str, paths)), 0, "-", "holds no *.sql file")
    cases = []
    for file in dict.fromkeys(files):
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(str(file), 0, "-", f"cannot be read: {error}") from None
        cases.append(parse_case(text, str(file)))
    return tuple(cases)


def grouped(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that can share a database: no table is in two of them."""
    groups: list[list[Case]] = []
    for case in cases:
        for group in groups:
            if not any(set(case.tables) & set(other.tables) for other in group):
                group.append(case)
                break
        else:
            groups.append([case])
    return groups


class CaseRun:
    """One run of some cases on a running stack."""

    def __init__(self, ctx: StackContext, say: Say, keep: bool, only: tuple[str, ...]) -> None:
        """Nothing is made yet."""
        self._ctx, self._say, self._keep = ctx, say, keep
        self._deliveries = {name: play for name, play in DELIVERIES.items() if not only or name in only}
        self._id, self._count = secrets.token_hex(3), 0

    def run(self, cases: Sequence[Case]) -> list[CaseResult]:
        """Every case's result, in the order of the cases."""
        found: dict[str, dict[str, DeliveryResult]] = {case.file: {} for case in cases}
        refusals = deque(grouped([case for case in cases if case.expect is Outcome.REFUSED]))
        while refusals:
            # Nothing is delivered of a table that is refused, so each delivery is the same.
            results, again = self._deliver("refusals", refusals.popleft(), judge_by_discovery)
            refusals.extend(again)
            for file, result in results.items():
                for name in self._deliveries:
                    found[file][name] = DeliveryResult(name, result.outcome, result.reason)
        others = deque(grouped([case for case in cases if case.expect is not Outcome.REFUSED]))
        while others:
            group = others.popleft()
            for name, play in self._deliveries.items():
                if not group:
                    break
                results, again = self._deliver(name, group, play)
                others.extend(again)
                group = [case for case in group if case.file in results]
                for file, result in results.items():
                    found[file][name] = result
        return [CaseResult(case, tuple(found[case.file][n] for n in self._deliveries)) for case in cases]

    def _deliver(
        self, delivery: str, cases: Sequence[Case], play: Callable[[Stage], None]
    ) -> tuple[dict[str, DeliveryResult], list[list[Case]]]:
        """Results by file, and groups of cases without one, which failed perhaps for another's sake."""
        self._count += 1
        name = f"case_{self._id}_{self._count}_{delivery.replace('-', '_')}"
        place, begun = Place(self._ctx, name), time.monotonic()
        self._say(f"{delivery}: {len(cases)} case(s) in pipeline and database {name}")
        try:
            with Stage(delivery, place, cases, self._say) as stage:
                try:
                    stage.set_up()
                    play(stage)
                except CdcError as error:
                    stage.end_all(str(error))
                results = stage.results()
        finally:
            if not self._keep:
                remove(place, self._say)
        alone = [[case] for case in cases if case.file in stage.broken] if len(cases) > 1 else []
        spoiled = [case for case in cases if case.file in stage.spoiled]
        again = [*alone, spoiled] if spoiled else alone
        for case in (case for group in again for case in group):
            del results[case.file]
            self._say(f"{delivery}: {case.file} is tried again without what has failed beside it")
        counts = [r.outcome for r in results.values()]
        told = ", ".join(f"{counts.count(outcome)} {outcome}" for outcome in dict.fromkeys(counts))
        self._say(f"{delivery}: {told or 'nothing'} after {time.monotonic() - begun:.0f} s")
        return results, again


def judge_by_discovery(stage: Stage) -> None:
    """Ask whether tables are refused before anything is captured."""
    stage.discover()
    for case in stage.active:
        stage.end(case, Outcome.FAILED, f"{', '.join(case.tables)} would be captured: nothing refuses it")
