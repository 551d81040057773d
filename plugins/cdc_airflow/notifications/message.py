"""A message about something that is wrong: what, since when, with which figures, what to do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from cdc.model.verdict import Alarm, Figure, Level, Verdict, worst
from cdc_airflow.findings import CheckFailedError, Finding

_SUBJECT_LENGTH = 120
_SLACK_HEADER, _SLACK_TEXT = 150, 2900
_STYLE = "font-family:sans-serif;font-size:14px"


@dataclass(frozen=True)
class Entry:
    """One thing that a message tells: rows of a name and a text, and what is too long for a row."""

    title: str
    rows: Sequence[tuple[str, str]] = ()
    detail: str = ""


@dataclass(frozen=True)
class Place:
    """Where in Airflow it was found."""

    dag_id: str
    task_id: str
    run_id: str
    url: str
    link: str = "task log"


@dataclass(frozen=True)
class Failure:
    """A failed task, as its callback sees it.

    Attributes:
        error: what the task raised.
        at: when it was found; a check without a better time of its own is bad since then.
    """

    pipelines: tuple[str, ...]
    place: Place
    error: BaseException | str | None
    at: datetime


@dataclass(frozen=True)
class Message:
    """What people are told, for any way of telling them. Texts are data, and never rendered."""

    subject: str
    entries: Sequence[Entry]
    place: Place

    @property
    def html(self) -> str:
        """The body of a mail."""
        place = self.place
        task = f", task <b>{escape(place.task_id)}</b>" if place.task_id else ""
        where = (
            f"<p>DAG <b>{escape(place.dag_id)}</b>{task}, run {escape(place.run_id)} · "
            f'<a href="{escape(place.url, quote=True)}">{escape(place.link)}</a></p>'
        )
        blocks = "".join(map(_html, self.entries))
        return f'<html><body style="{_STYLE}">{blocks}{where}</body></html>'

    @property
    def payload(self) -> str:
        """The JSON that Slack's incoming webhooks take."""
        place = self.place
        texts = [
            "\n".join([f"*{_slack(e.title)}*", *(f"*{n}*: {_slack(t)}" for n, t in e.rows if t)])
            for e in self.entries
        ]
        task = f", task {place.task_id}" if place.task_id else ""
        where = f"DAG {_slack(place.dag_id + task)} · <{place.url}|{_slack(place.link)}>"
        blocks = [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(self.subject, _SLACK_HEADER)}},
            *({"type": "section", "text": _mrkdwn(_cut(text, _SLACK_TEXT))} for text in texts[:20]),
            {"type": "context", "elements": [_mrkdwn(where)]},
        ]
        return json.dumps({"text": _slack(self.subject), "blocks": blocks}, ensure_ascii=False)


def subject_of(pipelines: Sequence[str], level: str, headline: str) -> str:
    """`[CDC pipeline] LEVEL: headline`, in one line of a length that mailboxes show."""
    return _cut(f"[CDC {', '.join(pipelines)}] {level}: {' '.join(headline.split())}", _SUBJECT_LENGTH)


def build_message(failure: Failure) -> Message:
    """Build the message about `failure`."""
    findings = _findings(failure)
    first = worst(tuple(finding.verdict for finding in findings))
    headline = first.sentence if first else f"{failure.place.task_id} failed"
    level = first.level.value.upper() if first else "FAILED"
    entries = [_entry(finding, failure.at) for finding in findings]
    return Message(subject_of(failure.pipelines, level, headline), entries, failure.place)


def told_figures(figures: Mapping[str, Figure]) -> str:
    """`name = value, …`."""
    return ", ".join(f"{name} = {'not known' if value is None else value}" for name, value in figures.items())


def runbook(alarm: Alarm) -> str:
    """Where the runbook speaks of it."""
    return f"docs/operations.md, “{alarm.value}”" if alarm else ""


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
        subject=f"task {failure.place.task_id}",
        sentence=f"{failure.place.task_id} failed: {first_line}",
        todo=f"Read the task's log, mend the cause, and run DAG {failure.place.dag_id} again.",
    )
    return [Finding(verdict, detail=said if len(said.splitlines()) > 1 else "")]


def _entry(finding: Finding, at: datetime) -> Entry:
    verdict = finding.verdict
    since = verdict.since or at
    rows = [
        ("What", f"{verdict.sentence} ({verdict.level.value})"),
        ("Since", f"{since:%Y-%m-%d %H:%M:%S %Z}" + ("" if verdict.since else " (first seen)")),
        ("Figures", told_figures(verdict.figures)),
        ("What to do", verdict.todo),
        ("Runbook", runbook(verdict.alarm)),
    ]
    return Entry(verdict.subject, rows, finding.detail)


def _html(entry: Entry) -> str:
    cells = "".join(
        f"<tr><td><b>{name}</b></td><td>{escape(text)}</td></tr>" for name, text in entry.rows if text
    )
    table = f"<table cellpadding='4'>{cells}</table>" if cells else ""
    detail = f"<pre>{escape(entry.detail)}</pre>" if entry.detail else ""
    return f"<h3>{escape(entry.title)}</h3>{table}{detail}"


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _slack(text: str) -> str:
    # Slack's own rule for text that is no markup: these three, and nothing else.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
