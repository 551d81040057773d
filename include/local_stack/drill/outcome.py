"""What came of each fault: rows for a screen, for JSON and for a document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape
from rich.table import Table

HEADINGS = ("fault", "detected after", "by", "mail", "mended by", "after", "equal")


@dataclass(frozen=True)
class Sighting:
    """How a fault was noticed.

    Attributes:
        after_s: since it was planted.
        dag_id: the DAG that noticed it.
        task_id: its task.
        run_id: the run, whose name says who began it.
        mail: the subject of the mail that told of it.
    """

    after_s: float
    dag_id: str
    task_id: str
    run_id: str
    mail: str

    @property
    def begun_by(self) -> str:
        """Who began the run."""
        return "the schedule" if self.run_id.startswith("scheduled") else "the drill"

    @property
    def place(self) -> str:
        """DAG and task, without the task's group."""
        return f"{self.dag_id} / {self.task_id.rpartition('.')[2]}"


@dataclass(frozen=True)
class Ending:
    """How a fault ended.

    Attributes:
        after_s: since it was planted, until the platform says that all is well.
        mail: the subject of the mail that said so.
    """

    after_s: float
    mail: str


@dataclass(frozen=True)
class Outcome:
    """One fault and what came of it.

    Attributes:
        fault: its name.
        planted: what was done, in words.
        mended_by: `itself: …`, or the action that was taken.
        sighting: None when nobody noticed it.
        ending: None when it did not end.
        equal: whether every row and column of source and sinks was equal afterwards; None when not compared.
        changes: row changes that were committed at the source meanwhile.
        problem: why it is not green, in words.
    """

    fault: str
    planted: str
    mended_by: str
    sighting: Sighting | None = None
    ending: Ending | None = None
    equal: bool | None = None
    changes: int = 0
    problem: str = ""

    @property
    def green(self) -> bool:
        """Noticed, told, mended, and nothing was lost."""
        return (
            self.sighting is not None and self.ending is not None and self.equal is True and not self.problem
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        seen, end = self.sighting, self.ending
        return {
            "fault": self.fault,
            "planted": self.planted,
            "detected_after_s": round(seen.after_s, 1) if seen else None,
            "dag": seen.dag_id if seen else None,
            "task": seen.task_id if seen else None,
            "run": seen.run_id if seen else None,
            "run_begun_by": seen.begun_by if seen else None,
            "mail": seen.mail if seen else None,
            "mended_by": self.mended_by,
            "mended_after_s": round(end.after_s, 1) if end else None,
            "mail_at_the_end": end.mail if end else None,
            "changes": self.changes,
            "equal": self.equal,
            "green": self.green,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class Report:
    """A whole drill.

    Attributes:
        outcomes: in the order in which they were planted.
        equal: whether every row and column was equal at the very end.
        seconds: how long it took, without starting and stopping a stack.
        limits: the policies that were stricter meanwhile.
    """

    seed: int
    outcomes: Sequence[Outcome]
    equal: bool
    seconds: float
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def green(self) -> bool:
        """Every fault is, and the end is equal."""
        return bool(self.outcomes) and self.equal and all(outcome.green for outcome in self.outcomes)

    @property
    def caption(self) -> str:
        """Under which conditions."""
        changed = ", ".join(f"{name} {value}" for name, value in self.limits.items())
        return f"stricter than by default meanwhile: {changed}"

    @property
    def verdict(self) -> str:
        """The last line."""
        green = sum(outcome.green for outcome in self.outcomes)
        end = "every row and column is equal" if self.equal else "source and sinks are NOT equal"
        return f"{green} of {len(self.outcomes)} faults are green, {end}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "seed": self.seed,
            "green": self.green,
            "equal": self.equal,
            "seconds": round(self.seconds),
            "limits": dict(self.limits),
            "faults": [outcome.as_dict() for outcome in self.outcomes],
        }


def report_table(report: Report) -> Table:
    """A row for each fault, and below it why it is not green."""
    title = f"drill, seed {report.seed}: faults planted while changes flow"
    table = Table(title=title, caption=report.caption, title_justify="left", caption_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for outcome in report.outcomes:
        cells = [escape(text) for text in _cells(outcome)]
        cells[-1] = f"[{'green' if outcome.equal else 'red'}]{cells[-1]}[/]"
        table.add_row(f"[{'green' if outcome.green else 'red'}]{cells[0]}[/]", *cells[1:])
        if outcome.problem:
            table.add_row("", "", "", f"[red]{escape(outcome.problem)}[/]")
    return table


def report_markdown(report: Report) -> str:
    """The same as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_cells(outcome) for outcome in report.outcomes)]
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    problems = [f"{outcome.fault}: {outcome.problem}" for outcome in report.outcomes if outcome.problem]
    return "\n".join([*lines, "", f"{report.verdict}; {report.caption}.", *problems]) + "\n"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    seen, end = outcome.sighting, outcome.ending
    mails = dict.fromkeys(mail for mail in (seen.mail if seen else "", end.mail if end else "") if mail)
    return (
        outcome.fault,
        f"{seen.after_s:.0f} s" if seen else "never",
        f"{seen.place}, run by {seen.begun_by}" if seen else "nobody",
        "; ".join(mails) or "none",
        outcome.mended_by,
        f"{end.after_s:.0f} s" if end else "never",
        {True: "yes", False: "NO", None: "not compared"}[outcome.equal],
    )
