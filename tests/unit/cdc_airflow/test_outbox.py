"""What is sent in one run, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from cdc.ops import Delivery, Draft
from cdc_airflow.notifications import outbox

if TYPE_CHECKING:
    from cdc.ops import OpsStore
    from cdc.spec import AlertsSpec

AT = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)


class Ops:
    def __init__(self) -> None:
        self.outcomes: list[tuple[int, str]] = []

    def record_outcome(self, delivery: Delivery, error: str) -> None:
        self.outcomes.append((delivery.id, error))


def due(number: int, channel: str, minutes_ago: int) -> Delivery:
    tried_at = AT - timedelta(minutes=minutes_ago)
    return Delivery(number, "p", Draft(channel, "x", f"s{number}", ""), AT, tried_at=tried_at)


@pytest.fixture
def ops(monkeypatch: pytest.MonkeyPatch) -> Ops:
    def send(draft: Draft, _: object) -> None:
        if draft.channel == "mail" and draft.subject != "s3":
            raise TimeoutError("timed out")

    monkeypatch.setattr(outbox, "_send", send)
    return Ops()


def deliver(ops: Ops, *deliveries: Delivery) -> list[str]:
    return outbox.deliver(cast("OpsStore", ops), deliveries, cast("AlertsSpec", SimpleNamespace(webhook="x")))


def test_the_first_failure_of_a_channel_ends_it_and_no_other(ops: Ops) -> None:
    why = "mail to x: TimeoutError: timed out"
    assert deliver(ops, due(1, "mail", 9), due(2, "mail", 9), due(4, "webhook", 9)) == [why, why]
    assert ops.outcomes == [(1, why), (4, "")]


def test_what_was_not_tried_lately_goes_before_what_failed(ops: Ops) -> None:
    assert len(deliver(ops, due(1, "mail", 5), due(3, "mail", 10))) == 1
    assert [number for number, _ in ops.outcomes] == [3, 1]
