"""From arguments to a running driver, or to a bounded re-read."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
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
from cdc_spark.jobs import job_for
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


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments ask for.

    Raises:
        CdcError: it cannot begin, or a bounded re-read failed.
    """
    settings = Settings()
    pipeline = find_pipeline(
        arguments.pipeline, arguments.env or settings.cdc_env, settings.cdc_pipelines_dir
    )
    stream = pipeline.stream(arguments.job_type)
    sinks = choose_sinks(pipeline, arguments.sinks)
    job = job_for(stream)
    connections = Connections.from_file(settings.cdc_connections_file)
    name = f"debug-{stream.app_name}" if arguments.debug else stream.app_name
    spark = open_session(name, settings)
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            if arguments.since:
                return reread(spark, pipeline, stream, sinks, connections, ops, arguments)
            root = arguments.checkpoint_root or settings.checkpoint_root
            return drive(spark, pipeline, stream, sinks, connections, ops, arguments, root)
    finally:
        spark.stop()


def drive(
    spark: SparkSession,
    pipeline: Pipeline,
    stream: StreamSpec,
    sinks: Sequence[SinkSpec],
    connections: Connections,
    ops: OpsStore,
    arguments: argparse.Namespace,
    root: str,
) -> int:
    """Run the stream's queries."""
    owner = this_driver(spark)
    leases = LeaseKeeper(ops, owner, connections, pipeline.streaming.lease_s)
    services = Services(spark, connections, ops, leases, job_for(stream))
    plans = query_plans(pipeline, stream, sinks, root, debug=arguments.debug, once=arguments.once)
    queries = {plan.name: SinkQuery(plan, services) for plan in plans}
    buffer = ProgressBuffer(None if arguments.debug else ops)
    identities = {plan.name: plan.identity for plan in plans}
    spark.streams.addListener(
        ProgressListener(identities, lambda query, batch: queries[query].take_outcome(batch), buffer)
    )
    options = DriverOptions(
        pipeline.name, stream.name, arguments.once, obeys_ops=not arguments.debug, patience_s=ONCE_PATIENCE_S
    )
    return Driver(options, tuple(queries.values()), leases, buffer, ops, owner).run()


def query_plans(
    pipeline: Pipeline, stream: StreamSpec, sinks: Sequence[SinkSpec], root: str, *, debug: bool, once: bool
) -> tuple[QueryPlan, ...]:
    """One query for each sink."""
    base = f"{root.rstrip('/')}/debug" if debug else root
    plans = []
    for sink in sinks:
        query = stream.query_name(sink.name)
        identity = QueryIdentity(pipeline.name, stream.name, sink.name, f"debug.{query}" if debug else query)
        plans.append(QueryPlan(pipeline, stream, sink, identity, stream.checkpoint(base, sink.name), once))
    return tuple(plans)


def reread(
    spark: SparkSession,
    pipeline: Pipeline,
    stream: StreamSpec,
    sinks: Sequence[SinkSpec],
    connections: Connections,
    ops: OpsStore,
    arguments: argparse.Namespace,
) -> int:
    """Read a stretch of the topics again into each sink; needs no lease, since versions do not change.

    Raises:
        CdcError: a sink refused, or the events do not fit.
    """
    topics = tuple(pipeline.topic(table) for table in stream.tables)
    since = parse_bounds(arguments.since, topics)
    until = parse_bounds(arguments.until or "latest", topics)
    bootstrap = connections.get(pipeline.kafka.connection).bootstrap_servers()
    generations = checked_generations(topics, KafkaClient(bootstrap), ops)
    frame = KafkaReader(bootstrap, topics).batch(spark, since, until)
    for sink in sinks:
        context = QueryContext(
            pipeline,
            stream,
            sink,
            stream.query_name(sink.name),
            connections,
            generations,
            None,
            pipeline.streaming.lease_s / 3,
        )
        outcome = BatchProcessor(context, job_for(stream), ops).reread(frame)
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
