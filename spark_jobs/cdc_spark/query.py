"""One stream into one sink: started, watched, started again after a failure, stopped between batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.ops import OpsStore
from cdc.services.gaps import record_gaps
from cdc.spec import Pipeline, SinkSpec, StreamSpec
from cdc_spark.batch import BatchProcessor, Outcome
from cdc_spark.contexts import QueryContext
from cdc_spark.failures import Broken, Leave, Next, cause_of, next_step
from cdc_spark.jobs import BaseJob
from cdc_spark.leases import LeaseKeeper
from cdc_spark.progress import QueryIdentity, unreported
from cdc_spark.readers.beginnings import beginnings
from cdc_spark.readers.checkpoint import OffsetLog
from cdc_spark.readers.generations import checked_generations
from cdc_spark.readers.kafka import KafkaReader
from cdc_spark.writers.factory import fence

log = structlog.get_logger(__name__)
SETTLE_S = 5.0
"""How long a stop waits for Spark to write the commit of the batch that has just ended."""


class StopRequestedError(Exception):
    """A batch that Spark began after the stop was asked for; it is not committed and comes again."""


@dataclass(frozen=True)
class QueryPlan:
    """What a query is, before it runs.

    Attributes:
        checkpoint: the folder of its checkpoint.
        once: read what there is, then end.
    """

    pipeline: Pipeline
    stream: StreamSpec
    sink: SinkSpec
    identity: QueryIdentity
    checkpoint: str
    once: bool = False

    @property
    def name(self) -> str:
        """The query's name in Spark, lease, fence and ledger."""
        return self.identity.query


@dataclass(frozen=True)
class Services:
    """What the queries of a driver share."""

    spark: SparkSession
    connections: Connections
    ops: OpsStore
    leases: LeaseKeeper
    job: BaseJob
    clock: Callable[[], float] = time.monotonic


class SinkQuery:
    """A query and its restarts.

    `tick` is called about every second by the driver's loop and does whatever is due; nothing here waits
    for a sink that is down, so the other sink's query goes on.
    """

    def __init__(self, plan: QueryPlan, services: Services) -> None:
        self.plan = plan
        self.failure: BaseException | None = None
        self.broken: BaseException | None = None
        self.leave: BaseException | None = None
        self.done = False
        self._services = services
        self._query: StreamingQuery | None = None
        self._processor: BatchProcessor | None = None
        self._offsets: OffsetLog | None = None
        self._outcomes: dict[int, Outcome] = {}
        self._error: BaseException | None = None
        self._failures = 0
        self._due = 0.0
        self._stopping = threading.Event()
        self._between_batches = threading.Lock()

    def tick(self) -> None:
        """Start the query when that is due, or look at how it ended."""
        if self.done or self.leave is not None:
            return
        if self._query is None:
            if self._services.clock() >= self._due:
                self._try_start()
        elif not self._query.isActive:
            self._ended()

    def take_outcome(self, batch_id: int) -> Outcome | None:
        """The summaries of a batch, once; None when nothing was due."""
        return self._outcomes.pop(batch_id, None)

    @property
    def reports_due(self) -> bool:
        """Spark has not reported every batch yet; it does so a moment after the commit."""
        return bool(self._outcomes)

    def stop(self) -> None:
        """End after the batch that is running."""
        self._stopping.set()
        with self._between_batches:
            query = self._query
        if query is None:
            return
        deadline = self._services.clock() + SETTLE_S
        while query.isActive and query.status["isTriggerActive"] and self._services.clock() < deadline:
            time.sleep(0.05)
        query.stop()
        self._query = None

    def _try_start(self) -> None:
        try:
            self._start()
        except CdcError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 whatever Spark raises, the other query goes on
            self._failed(cause_of(str(error)) or error)

    def _start(self) -> None:
        plan, services = self.plan, self._services
        self._error = None
        lease = services.leases.acquire(plan.name)
        fence(plan.sink, services.connections, plan.name, lease.epoch)
        bootstrap = services.connections.get(plan.pipeline.kafka.connection).bootstrap_servers()
        topics = tuple(plan.pipeline.topic(table) for table in plan.stream.tables)
        kafka = KafkaClient(bootstrap)
        generations = checked_generations(topics, kafka, services.ops)
        deadline_s = plan.pipeline.streaming.lease_s / 3
        context = QueryContext(
            plan.pipeline,
            plan.stream,
            plan.sink,
            plan.name,
            services.connections,
            generations,
            lease.epoch,
            deadline_s,
        )
        offsets = OffsetLog(services.spark, plan.checkpoint)
        others = services.ops.read_until(plan.pipeline.name, plan.sink.name, but=plan.name)
        begins = beginnings(offsets, kafka, topics, generations, others)
        self._record_removed(offsets, kafka)
        if self._offsets is None:
            # Not before: what was reported of a topic that was made anew has been struck out.
            self._record_unreported(offsets)
        self._offsets = offsets
        self._processor = BatchProcessor(context, services.job, services.ops)
        reader = KafkaReader(bootstrap, topics, plan.pipeline.streaming.max_offsets_per_trigger)
        # Tasks read the records themselves, so a batch's frame need not have any column.
        writer = reader.stream(services.spark, begins).select().writeStream.queryName(plan.name)
        writer = writer.option("checkpointLocation", plan.checkpoint).foreachBatch(self._on_batch)
        if plan.once:
            writer = writer.trigger(availableNow=True)
        else:
            writer = writer.trigger(processingTime=f"{plan.pipeline.streaming.trigger_ms} milliseconds")
        # A pool for each sink: in one pool jobs queue up, and a backlog of one sink would hold up the other.
        services.spark.sparkContext.setLocalProperty("spark.scheduler.pool", plan.sink.name)
        self._query = writer.start()
        log.info("query started", query=plan.name, epoch=lease.epoch, checkpoint=plan.checkpoint)

    def _record_removed(self, offsets: OffsetLog, kafka: KafkaClient) -> None:
        """A sink that reads a topic for the first time lacks what Kafka has removed by then."""
        ops, plan = self._services.ops, self.plan
        if plan.identity.query != plan.stream.query_name(plan.sink.name) or offsets.committed() is not None:
            return
        read = ops.read_until(plan.pipeline.name, plan.sink.name)
        tables = {plan.pipeline.topic(table): table for table in plan.stream.tables}
        for topic, earliest in kafka.earliest_offsets([t for t in tables if t not in read]).items():
            if any(earliest.values()):
                said = f"Kafka had removed records of {topic} when this sink began to read it"
                # It has no rows yet that could be taken for later ones.
                record_gaps(plan.pipeline, [tables[topic]], [plan.sink.name], 0, said, ops)

    def _record_unreported(self, offsets: OffsetLog) -> None:
        """A driver that was killed between a commit and its report leaves a batch that nobody knows of."""
        ops, identity = self._services.ops, self.plan.identity
        if identity.query != self.plan.stream.query_name(self.plan.sink.name):
            return  # a run beside the stream, of which the ops store knows nothing
        committed = offsets.committed()
        newest = next(iter(ops.progress_history(identity.query, limit=1)), None)
        if committed is not None and (newest is None or newest.until_offsets != committed[1]):
            ops.record_progress(unreported(identity, *committed))

    def _on_batch(self, frame: DataFrame, batch_id: int) -> None:
        if self._processor is None or self._offsets is None:
            raise StopRequestedError
        with self._between_batches:
            if self._stopping.is_set():
                # Spark would tell of it with two stack traces, though nothing is wrong.
                self._services.spark.sparkContext.setLogLevel("OFF")
                raise StopRequestedError
            try:
                self._outcomes[batch_id] = self._processor.process(
                    frame.sparkSession, self._offsets.ranges(batch_id)
                )
            except Exception as error:
                self._error = error
                raise
            self._failures = 0
            self.failure = self.broken = None

    def _ended(self) -> None:
        query, self._query = self._query, None
        failure = query.exception() if query is not None else None
        if failure is None:
            self.done = self.plan.once
            self._due = self._services.clock() + 1
            return
        known = self._error if isinstance(self._error, CdcError) else None
        self._failed(known or cause_of(str(failure)) or self._error or failure)

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        self.failure = error
        step: Next = next_step(error, self._failures)
        log.error(
            "query failed",
            query=self.plan.name,
            error=str(error)[:2000],
            kind=type(error).__name__,
            next=step,
        )
        if isinstance(step, Leave):
            self.leave = error
            return
        if isinstance(step, Broken):
            self.broken = error
        self._due = self._services.clock() + step.delay_s
