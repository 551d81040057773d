"""The figures of the pages as plain JSON values. Pure."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from enum import Enum
from typing import Any

from cdc_airflow.dashboard.detail import Detail
from cdc_airflow.dashboard.summary import Summary


def summary_document(summary: Summary) -> dict[str, Any]:
    """One pipeline of the list; times are ISO 8601 in UTC, the charts' drawings are left out."""
    left_out = {"pipeline", "queries", "lag_chart"}
    values = {f.name: getattr(summary, f.name) for f in fields(summary) if f.name not in left_out}
    values["rows_out"] = dict(summary.rows_out)
    named = {"pipeline": summary.pipeline.name, "description": summary.pipeline.description}
    return named | {name: plain(value) for name, value in values.items()}


def detail_document(detail: Detail) -> dict[str, Any]:
    """One pipeline with its streams, tables, events, and what the ops store has recorded."""
    streams = [
        {f.name: plain(getattr(stream, f.name)) for f in fields(stream) if f.name != "charts"}
        for stream in detail.streams
    ]
    return summary_document(detail.summary) | {
        "since": plain(detail.axis.since),
        "until": plain(detail.axis.until),
        "streams": streams,
        "tables": plain(detail.tables),
        "slot": plain(dict(detail.slot)),
        "parked_tables": plain(detail.parked),
        "dead_letters": plain(detail.letters),
        "incidents": plain(detail.incidents),
        "past_incidents": plain(detail.past_incidents),
        "undelivered": plain(detail.untold),
        "approvals": plain(detail.approvals),
        "runs": plain(detail.runs),
        "reconciliations": plain(detail.reports),
        "maintenance": plain(detail.maintenance),
        "events": [
            {"at": plain(mark.at), "kind": mark.kind, "text": mark.text, "bad": mark.bad}
            for mark in detail.marks
        ],
        "problems": list(detail.problems),
    }


def plain(value: Any) -> Any:
    """Dataclasses, moments and enumerations as JSON has them."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return plain(asdict(value))
    return value
