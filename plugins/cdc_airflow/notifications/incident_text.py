"""The messages about incidents: begun, still going on, over. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cdc.model.incidents import Incident, News, Turn
from cdc.model.lag import duration
from cdc.model.verdict import Level
from cdc_airflow.notifications.message import Entry, Message, Place, runbook, subject_of, told_figures

_WORST = (Level.BREACH, Level.UNKNOWN, Level.WARN, Level.OK)


def build_news(
    pipeline: str, turns: Sequence[Turn], details: Mapping[str, str], place: Place, at: datetime
) -> list[tuple[Message, list[Turn]]]:
    """One message for each kind of news that a look brought, with the turns that it tells of.

    Args:
        pipeline: the pipeline's name.
        turns: what the look meant.
        details: what is too long for a sentence, by subject, such as the trace of a failed task.
        place: the task that looked.
        at: when.
    """
    groups = {news: [turn for turn in turns if turn.news is news] for news in News}
    return [
        (_message(pipeline, news, [turn.incident for turn in group], details, place, at), group)
        for news, group in groups.items()
        if group
    ]


def _message(
    pipeline: str,
    news: News,
    incidents: Sequence[Incident],
    details: Mapping[str, str],
    place: Place,
    at: datetime,
) -> Message:
    ordered = sorted(incidents, key=lambda one: _WORST.index(one.level))
    first = ordered[0]
    lasted = duration((at - first.bad_since).total_seconds())
    level = first.level.value.upper()
    more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
    if news is News.OVER:
        subject = subject_of([pipeline], f"OVER after {lasted}{more}", first.ending)
    elif news is News.REMINDER:
        subject = subject_of([pipeline], f"STILL {level} after {lasted}{more}", first.sentence)
    else:
        subject = subject_of([pipeline], f"{level}{more}", first.sentence)
    entry = _over if news is News.OVER else _going_on
    return Message(subject, [entry(one, details.get(one.subject, ""), at) for one in ordered], place)


def _going_on(one: Incident, detail: str, at: datetime) -> Entry:
    rows = [
        ("What", f"{one.sentence} ({one.level.value})"),
        ("Since", _since(one, at)),
        ("Figures", told_figures(one.figures)),
        ("What to do", one.todo),
        ("Runbook", runbook(one.alarm)),
    ]
    return Entry(one.subject, rows, detail)


def _over(one: Incident, _detail: str, at: datetime) -> Entry:
    rows = [
        ("Now", one.ending),
        ("It was", one.sentence),
        ("From", _second(one.bad_since)),
        ("Until", f"{_second(at)}, {duration((at - one.bad_since).total_seconds())}"),
        ("What to do", "Nothing."),
    ]
    return Entry(one.subject, rows)


def _since(one: Incident, at: datetime) -> str:
    lasted = duration((at - one.bad_since).total_seconds())
    return f"{_second(one.bad_since)}, {lasted}" if one.since else f"{_second(one.began_at)} (first seen)"


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
