"""Collects what a page shows of one pipeline, and remembers what only the dashboard itself has seen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cdc.clients.yarn import Application
from cdc.connections import Connections
from cdc.model.lag import WalPoint
from cdc.model.overview import SinkSample
from cdc.model.samples import ConnectorSample, Offsets, SlotSample
from cdc.ops.overview import OverviewStore
from cdc.services import health, overview
from cdc.services.overview import OpsFacts, PastFacts, RecordFacts
from cdc.spec import Pipeline
from cdc_airflow.dashboard.approvals import Approval, read_approvals
from cdc_airflow.dashboard.readings import Reading, Readings
from cdc_airflow.dashboard.runs import PastRun, read_runs
from cdc_airflow.dashboard.windows import Window
from cdc_airflow.hooks.cdc import YARN

PRESENT_S = 4.0
KEPT_POINTS = 2000
"""Looks at the slot, and lags, that are remembered: hours, at one every few seconds."""

Fetch = Callable[[Iterable[str]], Connections]


@dataclass(frozen=True)
class PipelineFacts:
    """What was read of one pipeline, each part with its time.

    Attributes:
        wal: looks at the source's log, oldest first.
        lags: end-to-end lags that were shown before, with their times, oldest first.
        runs: the newest runs of the DAGs that buttons trigger, and those of the window that tell something.
        records, approvals: of a page in detail only.
    """

    pipeline: Pipeline
    now: datetime
    slot: Reading[SlotSample]
    connector: Reading[ConnectorSample]
    ends: Reading[Offsets]
    ops: Reading[OpsFacts]
    sinks: Mapping[str, Reading[SinkSample]]
    applications: Reading[dict[str, Application]]
    past: Reading[PastFacts]
    runs: Reading[list[PastRun]]
    wal: tuple[WalPoint, ...] = ()
    lags: tuple[tuple[datetime, float], ...] = ()
    records: Reading[RecordFacts] = field(default_factory=Reading)
    approvals: Reading[list[Approval]] = field(default_factory=Reading)


class FactsCollector:
    """Asks every component at once, and waits for none longer than a moment.

    Args:
        fetch: gives connections by their ids.
        readings: where answers are kept.
    """

    def __init__(self, fetch: Fetch, readings: Readings | None = None) -> None:
        self._fetch = fetch
        self._readings = readings or Readings()
        self._stores: dict[str, OverviewStore] = {}
        self._wal: dict[str, deque[WalPoint]] = {}
        self._lags: dict[str, deque[tuple[datetime, float]]] = {}
        self._lock = threading.Lock()

    def collect(
        self, pipeline: Pipeline, window: Window, dag_ids: Iterable[str], *, detail: bool = False
    ) -> PipelineFacts:
        """Everything about a pipeline that is known within a moment."""
        questions = self._ask(pipeline, window, tuple(dag_ids), detail=detail)
        found: dict[str, Reading[object]] = {
            key: self._readings.get((pipeline.name, key), question, max_age_s)
            for key, (question, max_age_s) in questions.items()
        }
        past = found.pop(f"past {window.name} {detail}")
        runs = found.pop(f"runs {window.name}")
        sinks = {sink.name: found.pop(f"sink {sink.name}") for sink in pipeline.sinks}
        return PipelineFacts(
            pipeline,
            datetime.now(UTC),
            sinks=sinks,  # type: ignore[arg-type] # each key has one kind of answer
            past=past,  # type: ignore[arg-type]
            runs=runs,  # type: ignore[arg-type]
            wal=self._remember_wal(pipeline, found["slot"].value),
            lags=tuple(self._lags.get(pipeline.name, ())),
            **found,  # type: ignore[arg-type]
        )

    def ask(
        self, pipeline: Pipeline, window: Window, dag_ids: Iterable[str], *, detail: bool = False
    ) -> None:
        """Begin to ask everything, so that several pipelines are waited for together."""
        self._ask(pipeline, window, tuple(dag_ids), detail=detail)

    def remember_lag(self, pipeline: str, at: datetime, seconds: float | None) -> None:
        """Keep a lag that was shown: a stalled stretch has no batches that would tell of it later."""
        if seconds is None:
            return
        with self._lock:
            kept = self._lags.setdefault(pipeline, deque(maxlen=KEPT_POINTS))
            if not kept or (at - kept[-1][0]).total_seconds() >= PRESENT_S:
                kept.append((at, seconds))

    def _ask(
        self, pipeline: Pipeline, window: Window, dag_ids: tuple[str, ...], *, detail: bool
    ) -> dict[str, tuple[Callable[[], object], float]]:
        questions = self._questions(pipeline, window, dag_ids, detail=detail)
        for key, (question, max_age_s) in questions.items():
            self._readings.ask((pipeline.name, key), question, max_age_s)
        return questions

    def _questions(
        self, pipeline: Pipeline, window: Window, dag_ids: tuple[str, ...], *, detail: bool
    ) -> dict[str, tuple[Callable[[], object], float]]:
        source, ops = pipeline.source.admin_connection, pipeline.ops.connection
        asked: dict[str, tuple[Callable[[], object], float]] = {
            "slot": (lambda: health.sample_slot(pipeline, self._fetch([source, ops])), PRESENT_S),
            "connector": (
                lambda: health.sample_connector(pipeline, self._fetch([pipeline.connect.connection, ops])),
                PRESENT_S,
            ),
            "ends": (
                lambda: overview.read_ends(pipeline, self._fetch([pipeline.kafka.connection])),
                PRESENT_S,
            ),
            "ops": (lambda: overview.read_present(pipeline, self._store(ops)), PRESENT_S),
            "applications": (lambda: overview.read_applications(pipeline, self._fetch([YARN])), PRESENT_S),
            f"past {window.name} {detail}": (
                lambda: overview.read_past(
                    pipeline, self._store(ops), window.length, window.bucket_s, detail=detail
                ),
                window.refresh_s,
            ),
            f"runs {window.name}": (lambda: read_runs(dag_ids, window.length), PRESENT_S),
        }
        if detail:
            asked["records"] = (lambda: overview.read_records(pipeline, self._store(ops)), PRESENT_S)
            asked["approvals"] = (lambda: read_approvals(pipeline.name), PRESENT_S)
        for sink in pipeline.sinks:
            asked[f"sink {sink.name}"] = (
                lambda sink=sink: overview.sample_sink(sink, self._fetch([sink.connection])),  # type: ignore[misc]
                PRESENT_S,
            )
        return asked

    def _store(self, connection_id: str) -> OverviewStore:
        connection = self._fetch([connection_id]).get(connection_id)
        with self._lock:
            return self._stores.setdefault(connection.dsn(), OverviewStore(connection))

    def _remember_wal(self, pipeline: Pipeline, sample: object) -> tuple[WalPoint, ...]:
        with self._lock:
            kept = self._wal.setdefault(pipeline.name, deque(maxlen=KEPT_POINTS))
            if isinstance(sample, SlotSample) and sample.written_lsn is not None:
                point = WalPoint(sample.at, sample.written_lsn, sample.confirmed_lsn or 0)
                if kept and point.written < kept[-1].written:
                    # Another cluster counts its log from its own beginning.
                    kept.clear()
                if not kept or point.at > kept[-1].at:
                    kept.append(point)
            return tuple(kept)
