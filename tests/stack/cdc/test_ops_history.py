"""The lists of a screen, from a real ops store: a flood of equal reports hides no difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdc.model.bounded_run import RunKind
from cdc.ops import Draft
from cdc.ops.overview import OverviewStore

HOUR = timedelta(hours=1)
WINDOW = {"window": ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"]}


@pytest.fixture
def ops(postgres: Any) -> Iterator[OverviewStore]:
    name = f"history_{datetime.now(UTC).timestamp():.6f}".replace(".", "_")
    with OverviewStore(postgres.create_database(name).dsn()) as store:
        store.ensure_schema()
        yield store


def compare(ops: OverviewStore, table: str, *, equal: bool, report: dict[str, Any] | None = None) -> None:
    ops.record_reconciliation("p", table, datetime.now(UTC), equal=equal, report=report or {})


def test_the_last_report_of_each_whole_table_and_the_last_differences_are_listed(ops: OverviewStore) -> None:
    compare(ops, "a", equal=True)
    compare(ops, "b", equal=False, report={"lsn": 7})
    compare(ops, "b", equal=True)
    for _ in range(30):
        compare(ops, "c", equal=True, report=WINDOW)
    compare(ops, "c", equal=True)
    found = [(one.table, one.equal) for one in ops.reports("p", limit=3)]
    assert found == [*[("c", True)] * 3, ("b", True), ("b", False), ("a", True)]
    assert ops.reports("p")[-2].report == {"lsn": 7}
    assert ops.reports("q") == []


def test_messages_are_those_about_the_incidents_and_all_that_did_not_get_there(ops: OverviewStore) -> None:
    names = ("about the first", "about the second", "about none", "failed")
    drafts = [Draft("mail", "a@b", name, "<p>text</p>") for name in names]
    made = ops.record_deliveries("p", drafts)
    for delivery in made:
        ops.record_outcome(delivery, "refused" if delivery.draft.subject == "failed" else "")
    for number, delivery in enumerate(made[:2], start=1):
        statement = "UPDATE cdc_ops.deliveries SET incidents = %s WHERE id = %s"
        ops.rows(statement, ([number], delivery.id))
    failed, about = ops.told("p", [1])
    assert (failed.subject, failed.failed, failed.error, failed.given_up) == (
        "failed",
        True,
        "refused",
        False,
    )
    assert (about.subject, about.failed, list(about.incidents)) == ("about the first", False, [1])
    ops.rows("UPDATE cdc_ops.deliveries SET created_at = now() - interval '25 hours'")
    assert ops.told("p", [])[0].given_up


def test_a_message_that_was_given_up_is_not_said_to_be_sent_again(ops: OverviewStore) -> None:
    (delivery,) = ops.record_deliveries("p", [Draft("webhook", "hook", "it broke", "{}")])
    ops.record_outcome(delivery, "HTTP 500")
    assert [(one.failed, one.given_up) for one in ops.told("p", [])] == [(True, False)]
    ops.give_up(delivery, "there is no webhook any more")
    assert [(one.failed, one.given_up) for one in ops.told("p", [])] == [(True, True)]


def test_runs_differences_and_messages_that_were_lost_are_events(ops: OverviewStore) -> None:
    compare(ops, "a", equal=True)
    compare(ops, "b", equal=False)
    run = ops.begin_run("p", "a", RunKind.BACKFILL, {}, ["warehouse"])
    ops.end_run(run.id, "refused", failed=True)
    (delivery,) = ops.record_deliveries("p", [Draft("webhook", "hook", "it broke", "{}")])
    ops.record_outcome(delivery, "HTTP 500")
    found = {(event.kind, event.text) for event in ops.past_events("p", datetime.now(UTC) - HOUR)}
    assert found == {
        ("difference", "b differed from the source"),
        ("run", "backfill of a began"),
        ("failed run", "backfill of a: failed"),
        ("not told", "a message could not be delivered: it broke"),
    }
