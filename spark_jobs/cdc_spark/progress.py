"""What each batch did, from Spark's own report and the writers' summaries, to the ops store and the log."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pyspark import SparkContext
from pyspark.sql.streaming.listener import (
    JStreamingQueryListener,
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from cdc.errors import CdcError
from cdc.model.bounds import Offsets
from cdc.ops import BatchProgress, OpsStore
from cdc_spark.writers.summary import Summary

log = structlog.get_logger(__name__)
KEPT = 10_000
"""Batches kept in memory while the ops store is away; the oldest go first."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class QueryIdentity:
    """Which query a report is about."""

    pipeline: str
    stream: str
    sink: str
    query: str


@dataclass(frozen=True)
class Touch:
    """A query that had nothing to do."""

    query: str
    at: datetime


class ProgressBuffer:
    """Holds reports until the ops store takes them; without a store they only go to the log."""

    def __init__(self, ops: OpsStore | None) -> None:
        self._ops = ops
        self._waiting: deque[BatchProgress | Touch] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: BatchProgress | Touch, durations_ms: Mapping[str, int] | None = None) -> None:
        """Take a report; never waits for the ops store.

        Args:
            report: what a batch did.
            durations_ms: of its steps, for the log.
        """
        if isinstance(report, BatchProgress):
            log.info("batch", **_loggable(report), durations_ms=durations_ms)
        if self._ops is not None:
            with self._lock:
                self._waiting.append(report)

    def flush(self) -> None:
        """Hand over what waits, in its order; what the store does not take now waits on."""
        while self._ops is not None and self._waiting:
            report = self._waiting[0]
            try:
                if isinstance(report, BatchProgress):
                    self._ops.record_progress(report)
                else:
                    self._ops.touch_query(report.query, report.at)
            except CdcError as error:
                log.warning("progress waits for the ops store", waiting=len(self._waiting), error=str(error))
                return
            with self._lock:
                if self._waiting and self._waiting[0] is report:
                    self._waiting.popleft()


class _TextReports(JStreamingQueryListener):
    """Takes Spark's report of a batch as its JSON text.

    That is one call to the JVM; pyspark's own object is made of about a hundred, which held reports up for a
    minute where the processor was busy.
    """

    pylistener: ProgressListener

    def onQueryProgress(self, jevent: Any) -> None:  # noqa: N802 Spark's name
        """Hand the text on."""
        self.pylistener.report(jevent.progress().json())


class ProgressListener(StreamingQueryListener):
    """Builds a record of each batch and hands it on.

    Args:
        identities: the queries of this driver by their Spark name.
        take_outcome: gives the summaries of a batch, once: (query, batch id) → by table, of which there
            is none when all its events wait; None when there was no batch.
    """

    def __init__(
        self,
        identities: Mapping[str, QueryIdentity],
        take_outcome: Callable[[str, int], Mapping[str, Summary] | None],
        buffer: ProgressBuffer,
    ) -> None:
        self._identities = identities
        self._take_outcome = take_outcome
        self._buffer = buffer
        self._by_id: dict[Any, str] = {}
        self._triggered: dict[str, datetime] = {}
        self._java: Any = None

    @property
    def _jlistener(self) -> Any:
        if self._java is None:
            jvm: Any = SparkContext._jvm  # noqa: SLF001 as pyspark's own listener does it
            self._java = jvm.PythonStreamingQueryListenerWrapper(_TextReports(self))
        return self._java

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 Spark's name
        """Remember the query's name, which later events do not have."""
        if event.name is not None:
            self._by_id[event.id] = event.name

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        """The same, from pyspark's object."""
        self.report(event.progress.json)

    def report(self, text: str) -> None:
        """Build the batch's record from Spark's report in JSON."""
        report = json.loads(text)
        identity = self._identities.get(report.get("name") or "")
        if identity is None:
            return
        outcome = self._take_outcome(identity.query, int(report["batchId"]))
        before = self._triggered.get(identity.query)
        self._triggered[identity.query] = datetime.fromisoformat(report["timestamp"])
        if outcome is not None:
            self._buffer.add(batch_progress(identity, report, outcome, before), report.get("durationMs"))
        else:
            self._buffer.add(Touch(identity.query, _ended(report)))

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        """No new data is not dead.

        The time is Spark's: by the time that this is called the query may be in its next batch.
        """
        identity = self._identities.get(self._by_id.get(event.id, ""))
        if identity is not None:
            self._buffer.add(Touch(identity.query, datetime.fromisoformat(event.timestamp)))

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        """The driver's own loop sees the end of a query, with its cause."""


def _latency_ms(report: Mapping[str, Any]) -> float:
    return float(report.get("batchDuration", report.get("durationMs", {}).get("triggerExecution", 0)))


def _ended(report: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(report["timestamp"]) + timedelta(milliseconds=_latency_ms(report))


def batch_progress(
    identity: QueryIdentity,
    report: Mapping[str, Any],
    outcome: Mapping[str, Summary],
    before: datetime | None = None,
) -> BatchProgress:
    """One record from Spark's report (the JSON form of StreamingQueryProgress) and the writers' summaries.

    Spark itself counts no rows, since tasks read Kafka themselves.

    Args:
        identity: the query.
        report: Spark's.
        outcome: by table.
        before: when the trigger before this one was; the rate of arrival is counted from then on.
    """
    durations = report.get("durationMs", {})
    latency = _latency_ms(report)
    started = datetime.fromisoformat(report["timestamp"])
    source: Mapping[str, Any] = next(iter(report.get("sources", ())), {})
    until, end = offsets_of(source.get("endOffset")), offsets_of(source.get("latestOffset"))
    events = sum(summary.events for summary in outcome.values())
    since = (started - before).total_seconds() if before is not None else 0.0
    bad = sum(summary.bad for summary in outcome.values())
    latest = max((s.max_source_ts for s in outcome.values() if s.max_source_ts is not None), default=None)
    return BatchProgress(
        **asdict(identity),
        batch_id=int(report["batchId"]),
        started_at=started,
        finished_at=_ended(report),
        input_rows=events,
        inserted=sum(summary.inserted for summary in outcome.values()),
        updated=sum(summary.updated for summary in outcome.values()),
        deleted=sum(summary.deleted for summary in outcome.values()),
        dead_letters=bad,
        latency_ms=latency,
        checkpoint_ms=float(durations.get("walCommit", 0) + durations.get("commitOffsets", 0)),
        input_rate=events / since if since > 0 else 0.0,
        processed_rate=events / (latency / 1000) if latency > 0 else 0.0,
        error_rate=bad / events if events else 0.0,
        until_offsets=until,
        end_offsets=end or until,
        offsets_behind=offsets_behind(until, end),
        max_source_ts=None if latest is None else _EPOCH + timedelta(microseconds=latest),
        tables={name: _figures(summary) for name, summary in outcome.items()},
    )


def unreported(identity: QueryIdentity, batch_id: int, until: Offsets) -> BatchProgress:
    """A record of a committed batch of which only the offsets are known, as if it had no rows."""
    source = {"endOffset": until, "latestOffset": until}
    report = {"batchId": batch_id, "timestamp": datetime.now(UTC).isoformat(), "sources": [source]}
    return batch_progress(identity, report, {})


def offsets_of(value: Any) -> Offsets:
    """Spark reports a source's offsets as an object, or as its JSON text."""
    document = json.loads(value) if isinstance(value, str) else value
    if not isinstance(document, Mapping):
        return {}
    return {topic: {int(p): int(o) for p, o in parts.items()} for topic, parts in document.items()}


def offsets_behind(until: Offsets, end: Offsets) -> int:
    """How many offsets of the topics are not read yet."""
    return sum(
        max(0, offset - until.get(topic, {}).get(partition, 0))
        for topic, parts in end.items()
        for partition, offset in parts.items()
    )


def _figures(summary: Summary) -> dict[str, int]:
    return {
        "inserted": summary.inserted,
        "updated": summary.updated,
        "deleted": summary.deleted,
        "dead_letters": summary.bad,
    }


def _loggable(progress: BatchProgress) -> dict[str, Any]:
    values = asdict(progress)
    for name in ("started_at", "finished_at", "max_source_ts"):
        values[name] = None if values[name] is None else values[name].isoformat()
    for name in ("end_offsets", "until_offsets"):
        values.pop(name)
    return values
