"""A bounded run says how far it is, never that it is done before it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cdc.model.bounded_run import BoundedRun, RunKind
from cdc_airflow.dashboard.run_rows import RunRow, run_rows

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUN = BoundedRun(
    UUID(int=1), "shop", "orders", RunKind.BACKFILL, {}, ["warehouse"], "running",
    NOW - timedelta(minutes=90), NOW - timedelta(minutes=1), 2000, 500,
)  # fmt: skip


def row(run: BoundedRun) -> RunRow:
    (found,) = run_rows([run], NOW)
    return found


def test_a_run_that_goes_on_has_a_share_and_takes_until_now() -> None:
    found = row(RUN)
    assert (found.state, found.share, found.took, found.unit) == ("running", 0.25, "1 h 30 min", "rows")


def test_more_than_the_estimate_is_not_done_yet() -> None:
    assert row(replace(RUN, done=9000)).share == 0.99
    assert row(replace(RUN, done=9000, state="done")).share == 1.0


def test_without_an_estimate_there_is_no_share() -> None:
    assert row(replace(RUN, estimate=None)).share is None
    assert row(replace(RUN, estimate=0, done=0)).share == 0.0


def test_one_that_was_killed_took_until_its_last_word() -> None:
    found = row(replace(RUN, touched_at=NOW - timedelta(minutes=70)))
    assert (found.state, found.took) == ("broken off", "20 min")
