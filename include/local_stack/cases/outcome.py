"""What became of a case in a delivery: facts about its tables, judged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdc.comparison.report import TableReport
from local_stack.cases.case_file import Case, Outcome


@dataclass(frozen=True)
class TableFacts:
    """One table after a check.

    Attributes:
        parked: the reason, by sink.
        letters: open dead letters by sink, and one of their messages.
        sinks: every sink of the pipeline.
        report: the comparison, None when it could not be made.
        problem: why not.
        mended: rows by sink that the platform has read again, since no event had told them.
    """

    table: str
    parked: Mapping[str, str] = field(default_factory=dict)
    letters: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    report: TableReport | None = None
    problem: str = ""
    mended: Mapping[str, int] = field(default_factory=dict)
    sinks: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """It was not compared, and is not parked in every sink: of a sink that goes on nothing is known."""
        return self.report is None and not (self.parked and set(self.sinks) <= set(self.parked))

    def differing(self, sink: str) -> int:
        """Rows of a sink that are not as the source has them; differences where rows are not counted."""
        if self.report is None:
            return 0
        return self.report.differing.get(sink) or sum(self.report.counts.get(sink, {}).values())

    @property
    def dead_letters(self) -> str:
        """How many there are, in words."""
        return ", ".join(f"{count} in {sink}" for sink, (count, _) in sorted(self.letters.items()))

    @property
    def unexplained(self) -> tuple[str, ...]:
        """Sinks that are not parked, and in which more rows differ than there are dead letters.

        An event is about one row, so what was set aside excuses that many and no other.
        """
        sinks = self.report.counts if self.report else ()
        open_ = [sink for sink in sinks if sink not in self.parked]
        return tuple(sink for sink in open_ if self.differing(sink) > self.letters.get(sink, (0, ""))[0])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: rows on each side, and how many differ."""
        rows = dict(self.report.rows) if self.report else {}
        differing = {sink: self.differing(sink) for sink in (self.report.counts if self.report else {})}
        return {
            "table": self.table,
            "rows": rows,
            "differing": differing,
            "mended": dict(self.mended),
            "parked": dict(self.parked),
            "dead_letters": {sink: count for sink, (count, _) in self.letters.items()},
            "examples": [difference.sentence() for difference in self.report.examples] if self.report else [],
            "problem": self.problem,
        }


@dataclass(frozen=True)
class DeliveryResult:
    """A case in one delivery.

    Attributes:
        reason: of every outcome but `equal`.
        checks: each comparison that was made, and its outcome.
        tables: as the deciding check found them.
    """

    delivery: str
    outcome: Outcome
    reason: str = ""
    checks: Mapping[str, Outcome] = field(default_factory=dict)
    tables: tuple[TableFacts, ...] = ()


@dataclass(frozen=True)
class CaseResult:
    """A case in every delivery."""

    case: Case
    deliveries: tuple[DeliveryResult, ...]

    @property
    def passed(self) -> bool:
        """Every outcome is the expected one."""
        return bool(self.deliveries) and all(d.outcome == self.case.expect for d in self.deliveries)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "file": self.case.file,
            "expect": self.case.expect,
            "steps": len(self.case.steps),
            "reconcile": self.case.reconcile,
            "passed": self.passed,
            "deliveries": [
                {
                    "delivery": d.delivery,
                    "outcome": d.outcome,
                    "reason": d.reason,
                    "checks": dict(d.checks),
                    "tables": [facts.as_dict() for facts in d.tables],
                }
                for d in self.deliveries
            ],
        }


def judge(tables: Sequence[TableFacts], problem: str = "") -> tuple[Outcome, str]:
    """The outcome and its reason; what was set aside excuses nothing but itself.

    Args:
        tables: every table of the case.
        problem: why the delivery as a whole may be incomplete; it explains what differs.
    """
    for facts in tables:
        if facts.unknown:
            return Outcome.FAILED, f"{facts.table}: {facts.problem or problem or 'was not compared'}"
    for facts in tables:
        if facts.report is not None and facts.unexplained:
            said = "; ".join(difference.sentence() for difference in facts.report.examples[:3])
            beside = f" beside {facts.dead_letters}" if facts.letters else ""
            reason = f"{facts.table}: {facts.report.differences} differences{beside}: {said}"
            return Outcome.DIFFERENT, f"{reason} ({problem})" if problem else reason
    for facts in tables:
        if facts.parked:
            sinks = ", ".join(sorted(facts.parked))
            return Outcome.PARKED, f"{facts.table} in {sinks}: {next(iter(facts.parked.values()))}"
    for facts in tables:
        if facts.letters:
            message = next(iter(facts.letters.values()))[1]
            return Outcome.DEAD_LETTERED, f"{facts.table}: {facts.dead_letters}: {message}"
    return Outcome.EQUAL, ""


def decide(delivery: str, checks: Mapping[str, tuple[tuple[TableFacts, ...], str]]) -> DeliveryResult:
    """Fold a delivery's checks, in their order, into its result: the first that is not equal counts."""
    outcomes: dict[str, Outcome] = {}
    deciding: tuple[Outcome, str, tuple[TableFacts, ...]] | None = None
    for name, (tables, problem) in checks.items():
        outcome, reason = judge(tables, problem)
        outcomes[name] = outcome
        if deciding is None or (deciding[0] is Outcome.EQUAL):
            said = f"{name}: {reason}" if reason else ""
            deciding = (outcome, said, tables)
    if deciding is None:
        return DeliveryResult(delivery, Outcome.FAILED, "nothing was compared")
    return DeliveryResult(delivery, deciding[0], deciding[1], outcomes, deciding[2])
