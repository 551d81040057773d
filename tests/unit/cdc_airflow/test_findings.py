"""What a finding says, how it travels in an event, and how long a check waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.health import Alarm, Level, Verdict
from cdc_airflow.findings import CheckFailedError, Finding, Patience, Step

SINCE = datetime(2026, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC)


def finding(level: Level, **more: object) -> Finding:
    values = {"subject": "query a.b.c", "sentence": "query a.b.c is late", "todo": "look"} | more
    return Finding(Verdict(level=level, **values))  # type: ignore[arg-type]


class TestFinding:
    @given(
        level=st.sampled_from(list(Level)),
        sentence=st.text(),
        todo=st.text(),
        figures=st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        alarm=st.sampled_from(list(Alarm)),
        meant=st.booleans(),
        detail=st.text(),
    )
    def test_survives_the_way_through_an_event(
        self, level, sentence, todo, figures, since, alarm, meant, detail
    ) -> None:
        sent = Finding(Verdict(level, "s", sentence, figures, todo, since, alarm, meant), detail)
        assert Finding.from_payload(json.loads(json.dumps(sent.to_payload()))) == sent

    def test_a_good_one_is_one_line(self) -> None:
        assert finding(Level.OK).lines() == ("ok: query a.b.c is late",)

    def test_a_bad_one_says_since_when_and_what_to_do_and_gives_the_trace(self) -> None:
        bad = Finding(finding(Level.BREACH, since=SINCE).verdict, detail="line 1\nline 2")
        assert bad.lines() == (
            "BREACH: query a.b.c is late",
            "  since: 2026-03-01 12:30:05 UTC",
            "  to do: look",
            "  | line 1",
            "  | line 2",
        )


class TestCheckFailedError:
    def test_speaks_of_the_bad_findings_only(self) -> None:
        error = CheckFailedError([finding(Level.OK, sentence="fine"), finding(Level.BREACH)])
        assert str(error) == "query a.b.c is late. To do: look"
        assert len(error.findings) == 2


class TestPatience:
    HEALTH = Patience(grace_s=30, timeout_s=60, accept_warnings=True)
    WAIT = Patience(grace_s=30, timeout_s=60)

    @pytest.mark.parametrize(
        ("patience", "levels", "waited_s", "step"),
        [
            (HEALTH, [Level.OK, Level.OK], 0, Step.DONE),
            (HEALTH, [Level.OK, Level.WARN], 0, Step.DONE),
            (WAIT, [Level.OK, Level.WARN], 0, Step.WAIT),
            (WAIT, [Level.OK, Level.WARN], 60, Step.FAIL),
            (HEALTH, [Level.OK, Level.BREACH], 29.9, Step.WAIT),
            (HEALTH, [Level.OK, Level.BREACH], 30, Step.FAIL),
            (HEALTH, [Level.UNKNOWN], 30, Step.WAIT),
            (HEALTH, [Level.UNKNOWN], 60, Step.FAIL),
            (Patience(0, 0, accept_warnings=True), [Level.BREACH], 0, Step.FAIL),
            (WAIT, [], 0, Step.DONE),
        ],
    )
    def test_decides(self, patience: Patience, levels: list[Level], waited_s: float, step: Step) -> None:
        assert patience.decide([finding(level) for level in levels], waited_s) is step

    @given(
        levels=st.lists(st.sampled_from(list(Level)), min_size=1),
        grace=st.floats(0, 1000),
        timeout=st.floats(0, 1000),
        accept=st.booleans(),
    )
    def test_never_waits_longer_than_both_limits(self, levels, grace, timeout, accept) -> None:
        patience = Patience(grace, timeout, accept)
        assert patience.decide([finding(level) for level in levels], max(grace, timeout)) is not Step.WAIT
