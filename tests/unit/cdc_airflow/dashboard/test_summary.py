"""A row of the first page: what is not known is said, what is old is grey, a stall is in the chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdc.model.health import Level
from cdc.model.incidents import Incident
from cdc.model.lag import WalPoint
from cdc.model.overview import SinkSample, Stage
from cdc.model.samples import ConnectorSample, SlotSample, TaskSample
from cdc.model.verdict import Alarm
from cdc.model.watermark import Watermark
from cdc.ops import BatchProgress, Launch
from cdc.ops.overview import Bucket, PastEvent, Reconciled
from cdc.services.overview import OpsFacts, PastFacts
from cdc.spec import Pipeline, load_pipeline
from cdc_airflow.dashboard.charts import Axis
from cdc_airflow.dashboard.events import marks_of
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.readings import Reading
from cdc_airflow.dashboard.runs import PastRun
from cdc_airflow.dashboard.summary import summarise

REPO = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
SHOP = load_pipeline(REPO / "include" / "pipelines" / "ecommerce.yaml")
EMPTY = PipelineFacts(
    SHOP, NOW, Reading(), Reading(), Reading(), Reading(), {s.name: Reading() for s in SHOP.sinks}, Reading(),
    Reading(), Reading(),
)  # fmt: skip


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def batches(pipeline: Pipeline, ended: datetime) -> dict[str, BatchProgress]:
    ends = {pipeline.topic(table): {0: 10} for table in pipeline.tables}
    return {
        stream.query_name(sink.name): BatchProgress(
            pipeline.name, stream.name, sink.name, stream.query_name(sink.name), 1,
            ended - timedelta(seconds=1), ended, until_offsets=ends,
            max_source_ts=ended - timedelta(seconds=2),
        )
        for stream in pipeline.streams
        for sink in pipeline.sinks
    }  # fmt: skip


def healthy() -> PipelineFacts:
    done = batches(SHOP, ago(2))
    proofs = [
        Watermark("ecommerce", t.name, s.name, 1, ago(40), ago(35)) for t in SHOP.tables for s in SHOP.sinks
    ]
    ops = OpsFacts(done, dict.fromkeys(done, ago(2)), {}, (), (), proofs, ())
    buckets = [Bucket("orders", "warehouse", "q", ago(600), 3, 30, 10, 10, 5, 0, 900.0, 50.0, 1.5)]
    return PipelineFacts(
        SHOP,
        NOW,
        Reading(SlotSample("s", ago(1), active=True, retained_bytes=1, wal_status="reserved"), ago(1)),
        Reading(ConnectorSample("c", ago(1), "RUNNING", (TaskSample(0, "RUNNING"),)), ago(1)),
        Reading({SHOP.topic(table): {0: 10} for table in SHOP.tables}, ago(1)),
        Reading(ops, ago(1)),
        {sink.name: Reading(SinkSample(sink.name, ago(1)), ago(1)) for sink in SHOP.sinks},
        Reading({}, ago(1)),
        Reading(PastFacts(ago(3600), NOW, 60, buckets, (), ()), ago(1)),
        Reading([], ago(1)),
        wal=(WalPoint(ago(1), 10, 10),),
    )


def test_a_healthy_pipeline() -> None:
    found = summarise(healthy())
    assert {dot.level for dot in found.dots} == {Level.OK}
    assert (found.lag.value, found.lag.stale) == (2.0, False)
    assert found.rows_in.value == 30
    assert dict(found.rows_out)["warehouse"].value == 25
    assert found.last_batch.text == "2.0 s ago"
    assert (found.watermark.text, found.unproven) == ("11:59:20", 0)
    assert found.reconciled.text == "never"


def test_nothing_known_yet_is_no_green_dot_and_no_number() -> None:
    found = summarise(EMPTY)
    assert {dot.level for dot in found.dots} == {Level.UNKNOWN}
    assert found.lag.value is None
    assert found.lag.stale
    assert found.unproven == len(SHOP.tables) * len(SHOP.sinks)


def test_figures_of_an_ops_store_that_went_away_turn_grey_and_its_dot_red() -> None:
    facts = healthy()
    away = replace(facts, ops=replace(facts.ops, at=ago(300), problem="refused"))
    found = summarise(away)
    assert found.last_batch.stale
    assert found.lag.stale
    query = next(dot for dot in found.dots if dot.stage is Stage.QUERY)
    assert (query.level, query.stale) == (Level.UNKNOWN, True)
    assert "refused" in query.sentence


def test_capture_that_is_slower_than_the_queries_is_the_lag() -> None:
    facts = replace(healthy(), wal=(WalPoint(ago(91), 20, 5), WalPoint(ago(1), 30, 10)))
    assert summarise(facts).lag.value == pytest.approx(90)


def test_what_waits_for_a_paused_stream_is_no_lag_and_the_stream_is_named() -> None:
    facts = healthy()
    ops = facts.ops.value
    assert ops is not None
    stream = SHOP.streams[0]
    late = {stream.query_name(sink.name) for sink in SHOP.sinks}
    done = {
        name: replace(batch, started_at=ago(7201), finished_at=ago(7200), max_source_ts=ago(7202),
                      until_offsets={}) if name in late else batch
        for name, batch in ops.batches.items()
    }  # fmt: skip
    seen = {name: ago(7200) if name in late else at for name, at in ops.seen_at.items()}
    behind = replace(ops, batches=done, seen_at=seen)
    assert summarise(replace(facts, ops=replace(facts.ops, value=behind))).lag.value == pytest.approx(7202)
    pause = {stream.name: Launch("ecommerce", stream.name, "paused", ago(7000))}
    found = summarise(replace(facts, ops=replace(facts.ops, value=replace(behind, launches=pause))))
    assert found.lag.value == 2.0
    assert found.paused == (stream.name,)
    assert (found.worst.level, found.worst.meant) == (Level.WARN, True)


def test_open_incidents_are_counted() -> None:
    facts = healthy()
    assert facts.ops.value is not None
    one = Incident("slot s", Level.BREACH, Alarm.SLOT_LOST, "slot s is lost", ago(60), ago(60))
    ops = replace(facts.ops, value=replace(facts.ops.value, incidents=[one]))
    assert (summarise(facts).open_incidents, summarise(replace(facts, ops=ops)).open_incidents) == (0, 1)


def test_a_table_without_a_proof_is_counted_and_the_earliest_proof_is_shown_with_its_day() -> None:
    facts = healthy()
    assert facts.ops.value is not None
    first, second, *rest = facts.ops.value.watermarks
    marks = [replace(first, doubt="parked"), replace(second, complete_until=ago(90_000)), *rest]
    found = summarise(
        replace(facts, ops=replace(facts.ops, value=replace(facts.ops.value, watermarks=marks)))
    )
    assert found.unproven == 1
    assert found.watermark.text == "2026-01-01 11:00"


def test_a_comparison_that_found_a_difference_names_the_table() -> None:
    facts = healthy()
    assert facts.ops.value is not None
    reports = [Reconciled("products", ago(60), True), Reconciled("orders_fact", ago(7200), False)]
    found = summarise(
        replace(facts, ops=replace(facts.ops, value=replace(facts.ops.value, reconciled=reports)))
    )
    assert (found.reconciled.text, found.unequal) == ("2 h ago", ("orders_fact",))


def test_a_stall_is_in_the_chart_though_it_has_no_batches() -> None:
    seen = tuple((ago(300 - step), float(step)) for step in range(0, 300, 5))
    flat, stalled = (summarise(replace(healthy(), lags=lags)).lag_chart for lags in ((), seen))
    assert flat.lines[0].path.count("L") < stalled.lines[0].path.count("L")
    assert stalled.top == "8 min"


def test_events_and_telling_runs_are_marks_within_the_axis() -> None:
    axis = Axis(ago(100), NOW)
    runs = [
        PastRun("cdc_health", "a", "failed", ago(50), manual=False, newest=True),
        PastRun("cdc_health", "b", "success", ago(25), manual=True, newest=False),
        PastRun("cdc_health", "c", "success", ago(10), manual=False, newest=False),
    ]
    marks = marks_of([PastEvent(ago(75), "incident", "x"), PastEvent(ago(500), "incident", "y")], runs, axis)
    assert [(mark.x, mark.kind, mark.bad) for mark in marks] == [
        (0.75, "run by hand", False),
        (0.5, "failed run", True),
        (0.25, "incident", True),
    ]
