"""From arguments to a running driver, or to a bounded re-read."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from pyspark.sql import SparkSession

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import CdcError, ConfigurationError
from cdc.ops import OpsStore
from cdc.settings import Settings
from cdc.spec import Pipeline, SinkSpec, StreamSpec, load_pipeline, load_pipelines
from cdc_spark.application import Driver, DriverOptions
from cdc_spark.batch import BatchProcessor, QueryContext
from cdc_spark.cli import parse_arguments
from cdc_spark.jobs import BaseJob, job_for
from cdc_spark.leases import LeaseKeeper
from cdc_spark.owner import this_driver
from cdc_spark.progress import ProgressBuffer, ProgressListener, QueryIdentity
from cdc_spark.query import QueryPlan, Services, SinkQuery, checked_generations
from cdc_spark.readers.bounds import parse_bounds
from cdc_spark.readers.kafka import KafkaReader
from cdc_spark.session import open_session

log = structlog.get_logger(__name__)
ONCE_PATIENCE_S = 180.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code, after one sentence on standard error when something is wrong."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    configure_logs(debug=arguments.debug)
    try:
        return run(arguments)
    except CdcError as error:
        log.error("job failed", error=str(error), kind=type(error).__name__)
        print(f"run_cdc_job: {error}", file=sys.stderr)  # noqa: T201 the sentence for the person
        return 1


@dataclass(frozen=True)
class JobRun:
    """One stream with what it needs, ready to run.

    Attributes:
        debug: beside the stream, which is not disturbed.
        once: everything that is there, then end.
    """

    spark: SparkSession
    pipeline: Pipeline
    stream: StreamSpec
    sinks: tuple[SinkSpec, ...]
    connections: Connections
    ops: OpsStore
    job: BaseJob
    debug: bool = False
    once: bool = False


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments ask for.

    Raises:
        CdcError: it cannot begin, or a bounded re-read failed.
    """
    settings = Settings()
    env = arguments.env or settings.cdc_env
    pipeline = find_pipeline(arguments.pipeline, env, settings.cdc_pipelines_dir)
    stream = pipeline.stream(arguments.job_type)
    sinks, job = choose_sinks(pipeline, arguments.sinks), job_for(stream)
    connections = Connections.from_file(settings.cdc_connections_file)
    root = arguments.checkpoint_root or settings.checkpoint_root
    spark = open_session(f"debug-{stream.app_name}" if arguments.debug else stream.app_name, settings)
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            once, debug = arguments.once, arguments.debug
            prepared = JobRun(spark, pipeline, stream, sinks, connections, ops, job, debug=debug, once=once)
            if arguments.since:
                return reread(prepared, arguments.since, arguments.until or "latest")
            return drive(prepared, root)
    finally:
        spark.stop()


def drive(run: JobRun, root: str) -> int:
    """Run the stream's queries with checkpoints below `root`."""
    owner = this_driver(run.spark)
    leases = LeaseKeeper(run.ops, owner, run.connections, run.pipeline.streaming.lease_s)
    services = Services(run.spark, run.connections, run.ops, leases, run.job)
    queries = {plan.name: SinkQuery(plan, services) for plan in query_plans(run, root)}
    buffer = ProgressBuffer(None if run.debug else run.ops)
    identities = {name: query.plan.identity for name, query in queries.items()}
    listener = ProgressListener(identities, lambda name, batch: queries[name].take_outcome(batch), buffer)
    run.spark.streams.addListener(listener)
    options = DriverOptions(
        run.pipeline.name, run.stream.name, run.once, obeys_ops=not run.debug, patience_s=ONCE_PATIENCE_S
    )
    try:
        return Driver(options, tuple(queries.values()), leases, buffer, run.ops, owner).run()
    finally:
        run.spark.streams.removeListener(listener)


def query_plans(run: JobRun, root: str) -> tuple[QueryPlan, ...]:
    """One query for each sink."""
    base = f"{root.rstrip('/')}/debug" if run.debug else root
    plans = []
    for sink in run.sinks:
        query = run.stream.query_name(sink.name)
        name = f"debug.{query}" if run.debug else query
        identity = QueryIdentity(run.pipeline.name, run.stream.name, sink.name, name)
        checkpoint = run.stream.checkpoint(base, sink.name)
        plans.append(QueryPlan(run.pipeline, run.stream, sink, identity, checkpoint, run.once))
    return tuple(plans)


def reread(run: JobRun, since_text: str, until_text: str) -> int:
    """Read a stretch of the topics again into each sink; needs no lease, since versions do not change.

    Raises:
        CdcError: a sink refused, or the events do not fit.
    """
    topics = tuple(run.pipeline.topic(table) for table in run.stream.tables)
    since, until = parse_bounds(since_text, topics), parse_bounds(until_text, topics)
    bootstrap = run.connections.get(run.pipeline.kafka.connection).bootstrap_servers()
    generations = checked_generations(topics, KafkaClient(bootstrap), run.ops)
    frame = KafkaReader(bootstrap, topics).batch(run.spark, since, until)
    for sink in run.sinks:
        query, deadline_s = run.stream.query_name(sink.name), run.pipeline.streaming.lease_s / 3
        context = QueryContext(
            run.pipeline, run.stream, sink, query, run.connections, generations, None, deadline_s
        )
        outcome = BatchProcessor(context, run.job, run.ops).reread(frame)
        for table, summary in outcome.items():
            figures = {"events": summary.events, "bad": summary.bad, "until": summary.until}
            log.info("read again", sink=sink.name, table=table, **figures)
    return 0


def find_pipeline(name: str, env: str, folder: Path) -> Pipeline:
    """The pipeline of that name: `<name>.yaml`, else whichever file has it.

    Raises:
        ConfigurationError: there is none.
        SpecError: its file is invalid.
    """
    if (folder / f"{name}.yaml").is_file():
        return load_pipeline(folder / f"{name}.yaml", env)
    pipelines = load_pipelines(folder, env)
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    known = ", ".join(pipeline.name for pipeline in pipelines)
    raise ConfigurationError(f"{folder} has no pipeline {name!r}; it has: {known}")


def choose_sinks(pipeline: Pipeline, names: str | None) -> tuple[SinkSpec, ...]:
    """The named sinks, or all.

    Raises:
        ConfigurationError: there is no sink of such a name.
    """
    if not names:
        return pipeline.sinks
    return tuple(pipeline.sink(name.strip()) for name in names.split(",") if name.strip())


def configure_logs(*, debug: bool) -> None:
    """JSON lines on standard error; readable ones for a person who debugs."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # A failed batch is told once, by the query; py4j would add two stack traces.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if debug
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
