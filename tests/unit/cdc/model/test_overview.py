"""A pipeline is judged by how far it is behind at each of five stages, not by what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level
from cdc.model.lag import (
    LastBatch,
    QueryView,
    WalPoint,
    capture_lag,
    duration,
    growth,
    lag_of,
    pipeline_lag,
    seconds_to_invalidation,
)
from cdc.model.overview import PipelineSamples, SinkSample, Stage, dots, headline
from cdc.model.samples import ConnectorSample, QuerySample, SlotSample, TaskSample
from cdc.spec import PoliciesSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = PoliciesSpec(max_progress_age_s=120, max_offsets_behind=1000)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def query(
    *, ended: float = 3, newest: float | None = 5, seen: float | None = None, backlog: int | None = 0
) -> QueryView:
    seen_at = ago(ended if seen is None else seen)
    last = LastBatch(ago(ended + 1), ago(ended), None if newest is None else ago(newest))
    sample = QuerySample(
        "p.orders.warehouse", NOW, launched_at=ago(9000), seen_at=seen_at, offsets_behind=backlog
    )
    return QueryView("orders", "warehouse", sample, last, seen_at, backlog)


HEALTHY = PipelineSamples(
    slot=SlotSample("s", NOW, active=True, retained_bytes=2**20, wal_status="reserved"),
    connector=ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "RUNNING"),)),
    queries=(query(),),
    sinks=(SinkSample("warehouse", NOW),),
    wal=(WalPoint(NOW, 100, 100),),
    kafka_at=NOW,
    ops_at=NOW,
)


def levels(samples: PipelineSamples) -> dict[Stage, Level]:
    return {dot.stage: dot.level for dot in dots(samples, POLICY, NOW, 30)}


def worst(samples: PipelineSamples):
    return headline(dots(samples, POLICY, NOW, 30))


def test_a_healthy_pipeline_has_five_green_dots_in_the_order_of_the_way() -> None:
    found = dots(HEALTHY, POLICY, NOW, 30)
    assert [dot.stage.value for dot in found] == ["slot", "connector", "topic backlog", "query", "sink"]
    assert {dot.level for dot in found} == {Level.OK}
    assert not any(dot.stale for dot in found)


def test_a_query_that_runs_and_is_hours_behind_is_a_breach_though_its_driver_makes_progress() -> None:
    late = replace(HEALTHY, queries=(query(ended=1, newest=3 * 3600, backlog=900),))
    assert levels(late)[Stage.QUERY] is Level.OK, "it makes progress and is within its offsets"
    dot = worst(late)
    assert (dot.stage, dot.level) == (Stage.TOPIC, Level.BREACH)
    assert "900 events wait" in dot.sentence
    assert "3 h" in dot.sentence
    assert dot.todo


def test_a_connector_that_says_running_and_confirms_nothing_is_a_breach() -> None:
    stuck = replace(HEALTHY, wal=(WalPoint(ago(600), 100, 50), WalPoint(NOW, 2**27, 50)))
    dot = worst(stuck)
    assert (dot.stage, dot.level) == (Stage.CONNECTOR, Level.BREACH)
    assert "capture is at least 10 min behind the source: 128.0 MB" in dot.sentence


@pytest.mark.parametrize(
    ("change", "stage", "level", "said"),
    [
        (
            {"connector": ConnectorSample("c", NOW, unreachable="refused")},
            Stage.CONNECTOR,
            Level.UNKNOWN,
            "refused",
        ),
        ({"connector": None}, Stage.CONNECTOR, Level.UNKNOWN, "no answer yet"),
        ({"slot": SlotSample("s", NOW, wal_status="lost")}, Stage.SLOT, Level.BREACH, "is lost"),
        ({"queries": (query(ended=300, seen=300),)}, Stage.QUERY, Level.BREACH, "no progress for 300 s"),
        ({"queries": (query(backlog=1001),)}, Stage.TOPIC, Level.BREACH, "limit 1,000"),
        ({"queries": (query(newest=90, backlog=5),)}, Stage.TOPIC, Level.WARN, "up to 90 s"),
        ({"kafka_at": None, "kafka_problem": "refused"}, Stage.TOPIC, Level.UNKNOWN, "refused"),
        (
            {"sinks": (SinkSample("warehouse", NOW, "refused"),)},
            Stage.SINK,
            Level.BREACH,
            "does not answer: refused",
        ),
        ({"dead_letters": {"warehouse": 7}}, Stage.SINK, Level.WARN, "7 event(s) could not be written"),
    ],
)
def test_each_stage_is_named_with_its_reason(change, stage, level, said) -> None:
    samples = replace(HEALTHY, **change)
    dot = next(dot for dot in dots(samples, POLICY, NOW, 30) if dot.stage is stage)
    assert dot.level is level
    assert said in dot.sentence
    assert dot.todo


def test_an_ops_store_that_never_answered_leaves_no_green_dot_behind_the_topics() -> None:
    found = levels(replace(HEALTHY, queries=(), ops_at=None, ops_problem="refused"))
    assert found[Stage.QUERY] is Level.UNKNOWN
    assert found[Stage.TOPIC] is Level.UNKNOWN


def test_a_look_that_is_too_old_is_not_believed_when_it_was_good() -> None:
    old = replace(HEALTHY, ops_at=ago(31), late={Stage.QUERY: "no answer for 5 s"})
    dot = next(dot for dot in dots(old, POLICY, NOW, 30) if dot.stage is Stage.QUERY)
    assert dot.stale
    assert dot.level is Level.UNKNOWN
    assert dot.sentence.endswith("31 s ago; no answer for 5 s")


def test_of_equally_bad_dots_the_one_nearest_to_the_source_is_named() -> None:
    both = replace(
        HEALTHY,
        slot=SlotSample("s", NOW, wal_status="lost"),
        sinks=(SinkSample("warehouse", NOW, "refused"),),
    )
    assert worst(both).stage is Stage.SLOT


class TestLag:
    def test_of_a_query_at_the_end_of_its_topics_is_what_its_last_batch_took(self) -> None:
        lag = lag_of(query(ended=3600, newest=3602, seen=2, backlog=0), NOW)
        assert lag is not None
        assert (lag.seconds, lag.before_batch_s, lag.in_batch_s, lag.behind) == (2, 1, 1, False)
        assert lag.at == ago(2)

    def test_of_a_query_that_has_nothing_to_do_is_not_that_of_its_last_batch(self) -> None:
        lag = lag_of(query(ended=60, newest=260, seen=4, backlog=0), NOW)
        assert lag is not None
        assert (lag.seconds, lag.before_batch_s) == (4, 199)

    def test_of_a_query_that_is_behind_counts_up_to_now(self) -> None:
        lag = lag_of(query(ended=3600, newest=3602, backlog=1), NOW)
        assert lag is not None
        assert (lag.seconds, lag.behind) == (3602, True)

    def test_counts_from_when_there_was_nothing_to_do(self) -> None:
        lag = lag_of(query(ended=3600, newest=3602, seen=4, backlog=1), NOW)
        assert lag is not None
        assert lag.seconds == 4

    def test_without_kafka_an_idle_query_is_not_behind_and_a_busy_one_may_be(self) -> None:
        idle, busy = (
            query(ended=60, newest=61, seen=2, backlog=None),
            query(ended=60, newest=61, backlog=None),
        )
        assert [lag.behind for one in (idle, busy) if (lag := lag_of(one, NOW))] == [False, True]

    def test_of_a_batch_without_a_time_of_its_source_counts_from_its_beginning(self) -> None:
        lag = lag_of(query(ended=3, newest=None), NOW)
        assert lag is not None
        assert (lag.before_batch_s, lag.seconds) == (0, 1)

    def test_is_none_before_the_first_batch(self) -> None:
        assert lag_of(replace(query(), last=None), NOW) is None

    def test_of_a_pipeline_is_that_of_its_slowest_part(self) -> None:
        lags = [lag_of(query(), NOW), lag_of(query(newest=50, backlog=1), NOW), None]
        assert pipeline_lag(lags, 7.0) == 50
        assert pipeline_lag(lags, 700.0) == 700
        assert pipeline_lag([], None) is None


class TestCapture:
    def test_lag_is_the_time_since_the_log_was_first_seen_beyond_what_is_confirmed(self) -> None:
        points = (
            WalPoint(ago(90), 10, 5),
            WalPoint(ago(60), 20, 5),
            WalPoint(ago(30), 30, 5),
            WalPoint(NOW, 40, 25),
        )
        assert capture_lag(points) == 30

    def test_of_a_log_that_is_confirmed_to_its_end_there_is_no_lag(self) -> None:
        assert capture_lag((WalPoint(ago(60), 10, 10), WalPoint(NOW, 40, 40))) == 0

    def test_a_page_that_nobody_has_looked_at_for_long_does_not_make_capture_seem_late(self) -> None:
        points = (WalPoint(ago(3600), 10, 10), WalPoint(NOW, 40, 39))
        assert capture_lag(points) == 0

    def test_nothing_confirmed_since_the_first_look_is_at_least_as_old_as_that(self) -> None:
        assert capture_lag((WalPoint(ago(90), 10, 5), WalPoint(NOW, 40, 5))) == 90
        assert capture_lag(()) is None

    def test_time_to_invalidation_follows_from_the_rate(self) -> None:
        points = (WalPoint(ago(10), 1000, 0), WalPoint(NOW, 2000, 0))
        assert growth(points) == 100
        assert seconds_to_invalidation(6000, growth(points)) == 60
        assert seconds_to_invalidation(None, 100) is None
        assert seconds_to_invalidation(6000, growth(points[:1])) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (356400, "4 d 3 h"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_backlog_of_a_paused_stream_is_shown_and_is_no_breach() -> None:
    late = query(ended=9000, newest=9000, backlog=10**6)
    assert levels(replace(HEALTHY, queries=(late,)))[Stage.TOPIC] is Level.BREACH
    paused = replace(late, sample=replace(late.sample, wanted=False, paused_at=ago(8000)))
    found = levels(replace(HEALTHY, queries=(paused,)))
    assert (found[Stage.TOPIC], found[Stage.QUERY]) == (Level.WARN, Level.WARN)
    said = worst(replace(HEALTHY, queries=(paused,))).sentence
    assert "1,000,000 events wait in its topics while its stream is paused" in said


def test_a_pause_is_meant_and_what_is_not_comes_first() -> None:
    paused = query(ended=9000, newest=9000, backlog=5)
    paused = replace(paused, sample=replace(paused.sample, wanted=False, paused_at=ago(8000)))
    found = {dot.stage: dot for dot in dots(replace(HEALTHY, queries=(query(), paused)), POLICY, NOW, 30)}
    assert found[Stage.QUERY].meant
    assert found[Stage.TOPIC].meant
    assert not found[Stage.SINK].meant
    stopped = replace(query(), sample=replace(query().sample, wanted=False))
    both = replace(HEALTHY, queries=(paused, stopped))
    first = next(dot for dot in dots(both, POLICY, NOW, 30) if dot.stage is Stage.QUERY)
    assert not first.meant
    assert "is stopped on request (and 1 more)" in first.sentence
    letters = replace(HEALTHY, queries=(paused,), dead_letters={"warehouse": 1})
    assert worst(letters).stage is Stage.SINK
