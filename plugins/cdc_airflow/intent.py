"""Whether a person asked for a run: only then does a stream that was stopped on request start again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BY_HAND = "by_hand"
"""The key in the extra of an asset event that says so for the run which emitted it."""


def asked_by_hand(run_type: str, triggered_by: Iterable[Mapping[str, Any]] = ()) -> bool:
    """True for a run from the form, the API or another DAG, and for one that such a run has woken.

    Args:
        run_type: Airflow's: manual, scheduled, asset_triggered, …
        triggered_by: the extras of the asset events that woke this run.
    """
    if run_type == "asset_triggered":
        return any(bool(extra.get(BY_HAND)) for extra in triggered_by)
    return run_type not in ("scheduled", "backfill")


def context_asked_by_hand(context: Any) -> bool:
    """The same, from a task's context."""
    events = context.get("triggering_asset_events") or {}
    extras = [event.extra or {} for found in events.values() for event in found]
    return asked_by_hand(
        str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type)), extras
    )
