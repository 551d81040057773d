"""Health is judged by the age and lag of progress, with the figures, the limit and what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level, evaluate, worst
from cdc.model.samples import (
    CheckpointSample,
    ConnectorSample,
    DeadLettersSample,
    QuerySample,
    Sample,
    SlotSample,
    TaskSample,
    WatermarkAge,
    WatermarksSample,
    lag,
)
from cdc.spec import PoliciesSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = PoliciesSpec(max_progress_age_s=120, max_offsets_behind=100, max_checkpoint_lag=100)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def age(proven: float, complete: float, doubt: str = "", launched: float | None = None) -> WatermarkAge:
    began = None if launched is None else ago(launched)
    return WatermarkAge("t", "ch", ago(proven), ago(complete), doubt, began)


CASES: list[tuple[Sample, Level, str]] = [
    (ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "RUNNING"),)), Level.OK, "running with 1 task"),
    (ConnectorSample("c", NOW), Level.BREACH, "not registered"),
    (ConnectorSample("c", NOW, expected=False), Level.WARN, "was never registered"),
    (ConnectorSample("c", NOW, "RUNNING", ()), Level.WARN, "0 of 0 task"),
    (ConnectorSample("c", NOW, "PAUSED", (TaskSample(0, "PAUSED"),)), Level.BREACH, "is PAUSED"),
    (
        ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED", "boom: x\n\tat y"),)),
        Level.BREACH,
        "task 0 has failed: boom: x",
    ),
    (
        ConnectorSample(
            "c", NOW, "RUNNING", (TaskSample(0, "FAILED", "outer\n\tat y\nCaused by: X: inner\n\tat z"),)
        ),
        Level.BREACH,
        "task 0 has failed: X: inner$",
    ),
    (ConnectorSample("c", NOW, unreachable="refused"), Level.UNKNOWN, "could not be checked: refused"),
    (QuerySample("q", NOW, seen_at=ago(5), offsets_behind=3), Level.OK, "5 s ago, 3 events behind"),
    (QuerySample("q", NOW, seen_at=ago(121)), Level.BREACH, r"no progress for 121 s \(limit 120 s\)"),
    (QuerySample("q", NOW, seen_at=ago(5), offsets_behind=101), Level.BREACH, "101 events behind"),
    (QuerySample("q", NOW), Level.WARN, "was never launched"),
    (QuerySample("q", NOW, launched_at=ago(30)), Level.WARN, "starting for 30 s"),
    (QuerySample("q", NOW, launched_at=ago(200)), Level.WARN, "starting for 200 s"),
    (
        QuerySample("q", NOW, launched_at=ago(500)),
        Level.BREACH,
        r"since its launch for 500 s \(limit 300 s\)",
    ),
    (QuerySample("q", NOW, launched_at=ago(9), seen_at=ago(900)), Level.WARN, "starting for 9 s"),
    (
        QuerySample("q", NOW, launched_at=ago(9), seen_at=ago(9000), waiting_since=ago(1200)),
        Level.BREACH,
        r"since its launch for 1200 s \(limit 300 s\)",
    ),
    (QuerySample("q", NOW, wanted=False, seen_at=ago(9000)), Level.WARN, "stopped on request"),
    (
        QuerySample("q", NOW, wanted=False, seen_at=ago(9000), paused_at=ago(8000)),
        Level.WARN,
        "is paused since 2025-12-31 21:46 UTC",
    ),
    (QuerySample("q", NOW, seen_at=ago(5), parked=("t",)), Level.BREACH, "t is parked"),
    (QuerySample("q", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
    (CheckpointSample("q", NOW, {"t": {0: 90}}, {"t": {0: 100}}), Level.OK, "10 offsets behind"),
    (CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 101}}), Level.BREACH, "101 offsets behind"),
    (
        CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 101}}, paused=True),
        Level.WARN,
        "101 offsets behind Kafka; its stream is paused",
    ),
    (CheckpointSample("q", NOW, None, {"t": {0: 5}}), Level.WARN, "does not exist yet"),
    (CheckpointSample("q", NOW, None, {"t": {0: 500}}), Level.BREACH, "500 offsets behind"),
    (CheckpointSample("q", NOW, {"t": {0: 9}}, {"t": {0: 5}}), Level.BREACH, "ahead of Kafka"),
    (SlotSample("s", NOW, active=True, retained_bytes=2**20, wal_status="reserved"), Level.OK, "1.0 MB"),
    (SlotSample("s", NOW, exists=False, expected=False), Level.WARN, "was never made"),
    (SlotSample("s", NOW, active=False, retained_bytes=0), Level.WARN, "not in use"),
    (SlotSample("s", NOW, active=True, retained_bytes=2**32), Level.BREACH, "holds back 4096.0 MB"),
    (SlotSample("s", NOW, wal_status="lost"), Level.BREACH, "is lost"),
    (SlotSample("s", NOW, exists=False), Level.BREACH, "does not exist"),
    (SlotSample("s", NOW, inactive_since=ago(60), retained_bytes=0), Level.WARN, "not in use, 0.0 MB"),
    (SlotSample("s", NOW, inactive_since=ago(301), retained_bytes=0), Level.BREACH, "not in use since 5 min"),
    (
        SlotSample("s", NOW, active=True, retained_bytes=2**20, safe_bytes=2**30, retained_per_s=2**20),
        Level.BREACH,
        r"invalidated in 17 min at the present rate: 1.0 MB .* 60.0 MB/min more, 1024.0 MB are left",
    ),
    (
        SlotSample("s", NOW, active=True, retained_bytes=2**20, safe_bytes=2**33, retained_per_s=2**18),
        Level.OK,
        r"active, 1.0 MB retained, invalidated in 9 h 6 min at the present rate",
    ),
    (
        SlotSample("s", NOW, active=True, retained_bytes=2**20, safe_bytes=2**20, retained_per_s=-5.0),
        Level.OK,
        "active, 1.0 MB retained$",
    ),
    (SlotSample("s", NOW, retained_bytes=2**30, wal_status="unreserved"), Level.BREACH, "next checkpoint"),
    (SlotSample("s", NOW, retained_bytes=2**30, safe_bytes=0), Level.BREACH, "next checkpoint"),
    (DeadLettersSample("p", NOW), Level.OK, "none is open"),
    (
        DeadLettersSample("p", NOW, {("t", "warehouse"): 2}, ago(5), "numeric overflow"),
        Level.BREACH,
        r"2 event\(s\) could not be written \(2 of t in warehouse\); the newest: numeric overflow",
    ),
    (DeadLettersSample("p", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
    (WatermarksSample("p", NOW, (), scheduled=False), Level.OK, "by hand only"),
    (WatermarksSample("p", NOW), Level.OK, "are not proven: every stream is paused"),
    (WatermarksSample("p", NOW, (WatermarkAge("t", "ch"),)), Level.WARN, "never proven"),
    (WatermarksSample("p", NOW, (age(60, 70), age(60, 1700))), Level.OK, "28 min old at most"),
    (WatermarksSample("p", NOW, (age(60, 70), WatermarkAge("u", "ch"))), Level.WARN, "1 were never proven"),
    (
        WatermarksSample("p", NOW, (age(60, 70), age(60, 3700))),
        Level.BREACH,
        r"1 of 2: t in ch is complete up to 1 h 1 min ago \(limit 30 min\): a transaction .* is open",
    ),
    (
        WatermarksSample("p", NOW, (age(3600, 3600, doubt="the table is parked: x"),)),
        Level.BREACH,
        "the table is parked: x",
    ),
    (WatermarksSample("p", NOW, (age(3600, 3600),)), Level.BREACH, "cdc_watermarks has proven nothing since"),
    # What was proven before the stream's last launch is as old as that launch.
    (WatermarksSample("p", NOW, (age(9000, 9000, launched=60),)), Level.OK, "60 s old at most"),
    (WatermarksSample("p", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
    (SlotSample("s", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
]


@pytest.mark.parametrize(("sample", "level", "said"), CASES)
def test_each_sample_is_judged_with_its_reason(sample: Sample, level: Level, said: str) -> None:
    verdict = evaluate(sample, POLICY)
    assert verdict.level is level
    assert re.search(said, verdict.sentence), verdict.sentence
    assert verdict.healthy == (level in (Level.OK, Level.WARN))
    if level in (Level.BREACH, Level.UNKNOWN):
        assert verdict.todo, "a breach says what to do"
        assert verdict.alarm, "and the runbook has an entry about it"


def test_a_breach_says_since_when() -> None:
    assert evaluate(QuerySample("q", NOW, seen_at=ago(300)), POLICY).since == ago(300)


def test_a_breach_is_spoken_of_before_a_warning() -> None:
    verdicts = tuple(evaluate(sample, POLICY) for sample, _, _ in CASES)
    first = worst(verdicts)
    assert first is not None
    assert first.level is Level.BREACH
    assert worst(()) is None


def test_lag_counts_partitions_that_were_never_committed() -> None:
    assert lag({"t": {0: 5}}, {"t": {0: 7, 1: 10}, "u": {0: 1}}) == 2 + 10 + 1
