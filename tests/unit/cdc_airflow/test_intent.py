"""Who asked for a run decides whether a stream that was stopped on request starts again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cdc_airflow.intent import asked_by_hand, context_asked_by_hand


@pytest.mark.parametrize(
    ("run_type", "extras", "meant"),
    [
        ("manual", [], True),
        ("operator_triggered", [], True),
        ("scheduled", [], False),
        ("backfill", [], False),
        ("asset_triggered", [{"by_hand": False}, {"by_hand": True}], True),
        ("asset_triggered", [{"by_hand": False}], False),
        ("asset_triggered", [{}], False),
    ],
)
def test_asked_by_hand(run_type: str, extras: list[dict[str, bool]], meant: bool) -> None:
    assert asked_by_hand(run_type, extras) is meant


def test_reads_it_from_a_task_s_context() -> None:
    event = SimpleNamespace(extra={"by_hand": True})
    woken = {
        "dag_run": SimpleNamespace(run_type="asset_triggered"),
        "triggering_asset_events": {"asset": [event]},
    }
    assert context_asked_by_hand(woken)
    assert not context_asked_by_hand({"dag_run": SimpleNamespace(run_type="scheduled")})
