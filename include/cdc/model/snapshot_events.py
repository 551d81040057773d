"""The events of a changelog's snapshot: Debezium's envelopes with values as PostgreSQL's own text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

CONNECTOR = "cdc"
"""`source.connector` of the platform's own events; Debezium's is `postgresql`."""


class SnapshotPoint(NamedTuple):
    """The moment of a snapshot: its table, the log's position, and the source's time in microseconds."""

    schema: str
    table: str
    lsn: int
    at_us: int


def begin_event(point: SnapshotPoint) -> dict[str, Any]:
    """What comes first: the rows that follow have all that happened to the table below this position."""
    return _envelope(point, "t", None, "first")


def row_event(point: SnapshotPoint, texts: Mapping[str, str | None]) -> dict[str, Any]:
    """A row."""
    return _envelope(point, "r", dict(texts), "true")


def is_ours(source: Mapping[str, Any]) -> bool:
    """Whether an envelope's `source` says that the platform made the event."""
    return source.get("connector") == CONNECTOR


def _envelope(point: SnapshotPoint, op: str, after: dict[str, Any] | None, snapshot: str) -> dict[str, Any]:
    source = {
        "connector": CONNECTOR,
        "snapshot": snapshot,
        "schema": point.schema,
        "table": point.table,
        "lsn": point.lsn,
        "ts_us": point.at_us,
    }
    return {"before": None, "after": after, "source": source, "op": op, "ts_us": point.at_us}
