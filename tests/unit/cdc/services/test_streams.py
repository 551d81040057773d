"""What is done about a stream's driver, and what state its tables are shown in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from cdc.clients.yarn import Application, YarnClient
from cdc.model.parking import ParkedTable
from cdc.ops import BatchProgress, Launch
from cdc.services.status import State, StreamFacts, backlog, stream_state
from cdc.services.streams import Restart, Reuse, Stopped, Submit, ensure_decision, live_applications
from cdc.spec import Pipeline

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP = Application(
    "application_1", "cdc-p-s", "RUNNING", "UNDEFINED", frozenset({"cdc-p-s", "cdc-p-s-spec-abc"}), NOW, "", 1
)
LAUNCH = Launch("p", "s", "running", NOW, "application_1", "abc", NOW)


def progress(sink: str, until: int = 5) -> BatchProgress:
    after = NOW + timedelta(seconds=9)
    return BatchProgress(
        "p", "s", sink, f"p.s.{sink}", 0, after, after, until_offsets={"t": {0: until}, "u": {0: 99}}
    )


BOTH = (progress("clickhouse"), progress("warehouse"))


def test_without_a_live_driver_one_is_submitted() -> None:
    assert ensure_decision(None, "cdc-p-s", "abc") == Submit()


def test_a_driver_with_this_spec_is_left_alone_and_another_is_replaced() -> None:
    assert ensure_decision(APP, "cdc-p-s", "abc") == Reuse(APP)
    assert ensure_decision(APP, "cdc-p-s", "abd") == Restart(APP)


def test_runs_of_a_streams_job_that_end_by_themselves_are_its_applications_too(pipeline: Pipeline) -> None:
    stream = pipeline.stream("orders")
    names = ("orders", "orders-repair", "orders-rebuild-orders_fact", "orders_2", "customers-replay")
    tags = [frozenset({f"cdc-{pipeline.name}-{name}"}) for name in names]
    yarn = SimpleNamespace(applications=lambda: [replace(APP, tags=tag) for tag in tags])
    assert [app.tags for app in live_applications(cast("YarnClient", yarn), stream)] == tags[:3]


@pytest.mark.parametrize(
    ("stopped", "said"),
    [
        (Stopped("s", None), "s: was not running"),
        (Stopped("s", "application_1"), "stopped after its batch"),
        (Stopped("s", "application_1", killed=True), "was killed"),
    ],
)
def test_a_stop_says_how_it_ended(stopped: Stopped, said: str) -> None:
    assert said in stopped.sentence


FACTS = StreamFacts(LAUNCH, (APP,), BOTH, ())
STATES: list[tuple[StreamFacts, State, str]] = [
    (FACTS, "running", ""),
    (replace(FACTS, progress=BOTH[:1]), "starting", "waits for its first batch"),
    (replace(FACTS, launch=replace(LAUNCH, launched_at=NOW + timedelta(hours=1))), "starting", "first batch"),
    (replace(FACTS, parked=(ParkedTable("customers", "warehouse", "why"),)), "parked", "in warehouse: why"),
    (replace(FACTS, parked=(ParkedTable("other", "warehouse", "why"),)), "running", ""),
    (StreamFacts(None, (), (), ()), "stopped", "never launched"),
    (replace(FACTS, applications=(), launch=replace(LAUNCH, desired="stopped")), "stopped", "was requested"),
    (replace(FACTS, applications=(), launch=replace(LAUNCH, desired="paused")), "paused", "since 2026-01-01"),
    (replace(FACTS, applications=()), "failed", "application_1 has ended"),
    (replace(FACTS, applications=(), launch=replace(LAUNCH, failure="boom")), "failed", "boom"),
    (replace(FACTS, applications=None), "running", "YARN was not asked"),
]


@pytest.mark.parametrize(("facts", "state", "said"), STATES)
def test_each_state_has_its_reason(pipeline: Pipeline, facts: StreamFacts, state: State, said: str) -> None:
    found, reason = stream_state(pipeline.table("customers"), facts, sinks=2)
    assert found == state
    assert said in reason


def test_the_backlog_is_that_of_the_slowest_sink() -> None:
    ends = {"t": {0: 10}}
    assert backlog("t", BOTH, ends, 2) == 5
    assert backlog("t", (progress("clickhouse", 9), progress("warehouse", 3)), ends, 2) == 7
    assert backlog("t", BOTH[:1], ends, 2) == 10
    assert backlog("t", BOTH, {}, 2) is None
