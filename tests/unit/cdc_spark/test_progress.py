"""When a query is said to have reported: by Spark's time of it, not by when the report is handled."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from pyspark.sql.streaming.listener import QueryIdleEvent, QueryStartedEvent

from cdc.ops import BatchProgress
from cdc_spark.progress import ProgressBuffer, ProgressListener, QueryIdentity, Touch

QUERY = "shop.orders.clickhouse"
ID = uuid.uuid4()


class Kept(ProgressBuffer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[BatchProgress | Touch] = []

    def add(self, report: BatchProgress | Touch, durations_ms: Mapping[str, int] | None = None) -> None:
        self.told.append(report)


def listener(kept: Kept) -> ProgressListener:
    identity = QueryIdentity("shop", "orders", "clickhouse", QUERY)
    made = ProgressListener({QUERY: identity}, lambda *_: None, kept)
    made.onQueryStarted(QueryStartedEvent(ID, ID, QUERY, "2026-01-02T03:04:00.000Z", set()))
    return made


def test_a_query_without_data_was_idle_when_spark_looked() -> None:
    kept = Kept()
    listener(kept).onQueryIdle(QueryIdleEvent(ID, ID, "2026-01-02T03:04:05.678Z"))
    assert kept.told == [Touch(QUERY, datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC))]


def test_a_trigger_without_a_batch_reported_when_it_ended() -> None:
    kept = Kept()
    report = {
        "name": QUERY,
        "batchId": 7,
        "timestamp": "2026-01-02T03:04:05.000Z",
        "durationMs": {"triggerExecution": 1500},
    }
    listener(kept).report(json.dumps(report))
    assert kept.told == [Touch(QUERY, datetime(2026, 1, 2, 3, 4, 6, 500_000, tzinfo=UTC))]
