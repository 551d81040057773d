"""An incident is told when it begins, at a set gap while it goes on, and once when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.health import evaluate
from cdc.model.incidents import Incident, News, follow
from cdc.model.samples import CheckpointSample, QuerySample, Sample
from cdc.model.verdict import Alarm, Level, Verdict
from cdc.spec import PoliciesSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GAP = timedelta(minutes=60)
OK = Verdict(Level.OK, "slot s", "slot s is active")
WARN = Verdict(Level.WARN, "slot s", "slot s is not in use", todo="wait")
BREACH = Verdict(Level.BREACH, "slot s", "slot s holds back 9 MB", {"mb": 9}, "look", NOW, Alarm.SLOT_RETAINS)
LOST = replace(BREACH, sentence="slot s is lost", alarm=Alarm.SLOT_LOST)
UNKNOWN = Verdict(Level.UNKNOWN, "slot s", "slot s could not be checked", todo="wait", alarm=Alarm.UNCHECKED)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def run(looks: Sequence[tuple[float, Verdict]]) -> list[tuple[float, News, Incident]]:
    """What people hear, over looks at these minutes."""
    open_: dict[str, Incident] = {}
    heard = []
    for minute, verdict in looks:
        for turn in follow(open_, [verdict], GAP, after(minute)):
            open_.pop(turn.incident.subject, None)
            if turn.incident.over_at is None:
                open_[turn.incident.subject] = turn.incident
            if turn.news is not None:
                heard.append((minute, turn.news, turn.incident))
    return heard


def news(*looks: tuple[float, Verdict]) -> list[tuple[float, News]]:
    return [(minute, kind) for minute, kind, _ in run(looks)]


def test_begins_once_and_ends_once() -> None:
    looks = ((0, BREACH), (5, BREACH), (10, BREACH), (15, OK), (20, OK))
    assert news(*looks) == [(0, News.BEGUN), (15, News.OVER)]


def test_a_warning_is_no_incident_and_no_end_of_one() -> None:
    assert news((0, WARN), (5, WARN)) == []
    assert news((0, BREACH), (5, WARN), (10, OK)) == [(0, News.BEGUN), (10, News.OVER)]


@pytest.mark.parametrize(
    ("bad", "paused"),
    [
        (
            QuerySample("q", NOW, seen_at=NOW - GAP * 24),
            QuerySample("q", NOW, wanted=False, seen_at=NOW - GAP * 24, paused_at=NOW),
        ),
        (
            CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 10**9}}),
            CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 10**9}}, paused=True),
        ),
    ],
    ids=lambda sample: type(sample).__name__,
)
def test_a_pause_ends_the_incident_of_its_stream(bad: Sample, paused: Sample) -> None:
    begin, end = (evaluate(sample, PoliciesSpec()) for sample in (bad, paused))
    assert news((0, begin), (5, end), (90, end)) == [(0, News.BEGUN), (5, News.OVER)]


def test_what_goes_on_is_told_again_after_the_gap() -> None:
    looks = [(minute, BREACH) for minute in range(0, 200, 5)]
    assert news(*looks) == [(0, News.BEGUN), (60, News.REMINDER), (120, News.REMINDER), (180, News.REMINDER)]


def test_another_alarm_of_the_same_thing_is_told_at_once_and_once() -> None:
    looks = ((0, BREACH), (5, LOST), (10, BREACH), (15, LOST), (20, UNKNOWN))
    assert news(*looks) == [(0, News.BEGUN), (5, News.CHANGED), (20, News.CHANGED)]


def test_keeps_the_earliest_since_and_says_what_was_wrong_and_what_is_well() -> None:
    later = replace(BREACH, since=after(3))
    *_, (_, _, incident) = run([(1, BREACH), (5, later), (10, OK)])
    assert incident.since == NOW
    assert incident.bad_since == NOW
    assert incident.over_at == after(10)
    assert (incident.sentence, incident.ending) == ("slot s holds back 9 MB", "slot s is active")


def test_what_is_looked_at_no_more_is_over() -> None:
    (begun,) = follow({}, [BREACH], GAP, NOW)
    (turn,) = follow({"slot s": begun.incident}, [], GAP, after(5))
    assert turn.news is News.OVER
    assert turn.incident.ending == "slot s is checked no more"


def test_each_subject_has_its_own() -> None:
    other = replace(BREACH, subject="slot t")
    turns = follow({}, [BREACH, other, replace(OK, subject="slot u")], GAP, NOW)
    assert [(turn.incident.subject, turn.news) for turn in turns] == [
        ("slot s", News.BEGUN),
        ("slot t", News.BEGUN),
    ]


class TestAnySeriesOfLooks:
    looks = st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([OK, WARN, BREACH, LOST, UNKNOWN])), max_size=60
    )

    @staticmethod
    def at(looks: Sequence[tuple[int, Verdict]]) -> list[tuple[float, Verdict]]:
        minute, found = 0, []
        for pause, verdict in looks:
            minute += pause
            found.append((float(minute), verdict))
        return found

    @given(looks=looks)
    def test_beginnings_and_ends_take_turns(self, looks) -> None:
        heard = [kind for _, kind, _ in run(self.at(looks))]
        marks = [kind for kind in heard if kind in (News.BEGUN, News.OVER)]
        assert marks == [News.BEGUN, News.OVER] * (len(marks) // 2) + [News.BEGUN] * (len(marks) % 2)
        assert not heard or heard[0] is News.BEGUN
        for one, other in pairwise(heard):
            assert (one is News.OVER) == (other is News.BEGUN)

    @given(looks=looks)
    def test_reminders_keep_the_gap_and_nothing_is_silent_for_longer_than_one_look_more(self, looks) -> None:
        series = self.at(looks)
        heard = {minute: kind for minute, kind, _ in run(series)}
        last: float | None = None
        for minute, _ in series:
            kind = heard.get(minute)
            if kind is News.REMINDER:
                assert last is not None
                assert minute - last >= 60
            elif last is not None and kind is None:
                assert minute - last < 60
            if kind is not None:
                last = None if kind is News.OVER else minute

    @given(looks=looks)
    def test_an_alarm_is_told_once_an_incident(self, looks) -> None:
        told: list[Alarm] = []
        for _, kind, incident in run(self.at(looks)):
            if kind is News.BEGUN:
                told = [incident.alarm]
            elif kind is News.CHANGED:
                assert incident.alarm not in told
                told.append(incident.alarm)
            assert set(incident.told) == set(told)

    @given(looks=looks)
    def test_nobody_hears_of_what_never_was_bad(self, looks) -> None:
        fine = [(minute, verdict) for minute, verdict in self.at(looks) if verdict.healthy]
        assert run(fine) == []

    @given(looks=looks)
    def test_the_same_look_made_twice_tells_nothing_new(self, looks) -> None:
        series = self.at(looks)
        twice = [look for look in series for _ in range(2)]
        assert [kind for _, kind, _ in run(twice)] == [kind for _, kind, _ in run(series)]


@pytest.mark.parametrize("level", [Level.BREACH, Level.UNKNOWN])
def test_an_incident_says_what_the_verdict_says(level: Level) -> None:
    (turn,) = follow({}, [replace(BREACH, level=level)], GAP, after(2))
    one = turn.incident
    assert (one.level, one.sentence, one.figures, one.todo) == (level, BREACH.sentence, {"mb": 9}, "look")
    assert (one.began_at, one.told_at, one.told, one.over_at) == (after(2), after(2), (BREACH.alarm,), None)
