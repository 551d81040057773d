"""The text of a mail about a failed task: what, since when, with which figures, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from cdc.model.health import Level, Verdict, worst
from cdc_airflow.findings import CheckFailedError, Finding

_SUBJECT_LENGTH = 120
_STYLE = "font-family:sans-serif;font-size:14px"


@dataclass(frozen=True)
class Failure:
    """A failed task, as its callback sees it.

    Attributes:
        error: what the task raised.
        at: when it was found; a check without a better time of its own is bad since then.
    """

    pipelines: tuple[str, ...]
    dag_id: str
    task_id: str
    run_id: str
    log_url: str
    error: BaseException | str | None
    at: datetime


@dataclass(frozen=True)
class Message:
    """A mail's subject and its HTML body."""

    subject: str
    html: str


def build_message(failure: Failure) -> Message:
    """Build the mail about `failure`."""
    findings = _findings(failure)
    first = worst(tuple(finding.verdict for finding in findings))
    headline = first.sentence if first else f"{failure.task_id} failed"
    level = first.level.value.upper() if first else "FAILED"
    subject = f"[CDC {', '.join(failure.pipelines)}] {level}: {' '.join(headline.split())}"
    if len(subject) > _SUBJECT_LENGTH:
        subject = subject[: _SUBJECT_LENGTH - 1] + "…"
    blocks = "".join(_block(finding, failure.at) for finding in findings)
    where = (
        f"<p>DAG <b>{escape(failure.dag_id)}</b>, task <b>{escape(failure.task_id)}</b>, "
        f'run {escape(failure.run_id)} · <a href="{escape(failure.log_url, quote=True)}">task log</a></p>'
    )
    return Message(subject, f'<html><body style="{_STYLE}">{blocks}{where}</body></html>')


def _findings(failure: Failure) -> Sequence[Finding]:
    """The bad findings of a check, worst first; any other error is one finding of its own."""
    if isinstance(failure.error, CheckFailedError):
        order = (Level.BREACH, Level.UNKNOWN, Level.WARN)
        bad = [f for f in failure.error.findings if f.verdict.level in order]
        return sorted(bad, key=lambda f: order.index(f.verdict.level))
    said = str(failure.error or "the task ended without an error of its own; it may have been killed")
    first_line = next(iter(said.strip().splitlines()), "no message")
    verdict = Verdict(
        Level.BREACH,
        subject=f"task {failure.task_id}",
        sentence=f"{failure.task_id} failed: {first_line}",
        todo=f"Read the task's log, mend the cause, and run DAG {failure.dag_id} again.",
    )
    return [Finding(verdict, detail=said if len(said.splitlines()) > 1 else "")]


def _block(finding: Finding, at: datetime) -> str:
    verdict = finding.verdict
    since = verdict.since or at
    rows = [
        ("What", f"{verdict.sentence} ({verdict.level.value})"),
        ("Since", f"{since:%Y-%m-%d %H:%M:%S %Z}" + ("" if verdict.since else " (first seen)")),
        (
            "Figures",
            ", ".join(f"{n} = {'not known' if v is None else v}" for n, v in verdict.figures.items()),
        ),
        ("What to do", verdict.todo),
    ]
    cells = "".join(f"<tr><td><b>{name}</b></td><td>{escape(text)}</td></tr>" for name, text in rows if text)
    detail = f"<pre>{escape(finding.detail)}</pre>" if finding.detail else ""
    return f"<h3>{escape(verdict.subject)}</h3><table cellpadding='4'>{cells}</table>{detail}"
