"""From arguments to a running driver, or to a run that ends by itself."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from cdc.connections import Connections
from cdc.errors import TERMINAL_EXIT_CODE, CdcError, ConfigurationError, TerminalError
from cdc.ops import OpsStore
from cdc.services.parked_tables import check_resumable
from cdc.settings import Settings
from cdc.spec import Pipeline, SinkSpec, StreamSpec, TableSpec, load_pipeline, load_pipelines
from cdc_spark.application import Driver, DriverOptions
from cdc_spark.bounded import repair, replay, reread, resume
from cdc_spark.cli import bounded, parse_arguments
from cdc_spark.failures import cause_of
from cdc_spark.job_run import JobRun
from cdc_spark.jobs import job_for
from cdc_spark.leases import LeaseKeeper
from cdc_spark.owner import this_driver
from cdc_spark.progress import ProgressBuffer, ProgressListener, QueryIdentity
from cdc_spark.query import QueryPlan, Services, SinkQuery
from cdc_spark.rebuild import rebuild
from cdc_spark.session import open_session, write_checkpoints_quickly
from cdc_spark.windows import carry_out

log = structlog.get_logger(__name__)
ONCE_PATIENCE_S = 180.0
STOPPED = 130
"""The exit code of a run that a signal ended before its work was done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code, after one sentence on standard error when something is wrong."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    configure_logs(debug=arguments.debug)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        say("stopped on request; what was under way can be run again")
        return STOPPED
    except CdcError as error:
        return fail(error)
    except Exception as error:
        # Spark wraps what is raised below it.
        cause = cause_of(str(error))
        if cause is None:
            raise
        return fail(cause)


@contextmanager
def deferred_signals() -> Iterator[list[int]]:
    """Collect requests to end; a JVM that is half started tells at length of a Python that has gone."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: asked.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def fail(error: CdcError) -> int:
    """Tell the error; returns the exit code."""
    log.error("job failed", error=str(error), kind=type(error).__name__)
    say(str(error))
    return TERMINAL_EXIT_CODE if isinstance(error, TerminalError) else 1


def say(sentence: str) -> None:
    """The one sentence for the person, as `cdc` finds it too."""
    print(f"run_cdc_job: {sentence}", file=sys.stderr)  # noqa: T201


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
    tables = choose_tables(stream, arguments.resume or arguments.rebuild or arguments.tables)
    connections = Connections.from_file(settings.cdc_connections_file)
    with deferred_signals() as asked:
        spark = open_session(
            f"debug-{stream.app_name}" if arguments.debug else stream.app_name,
            settings,
            local_master="local[1]" if bounded(arguments) else "local[2]",
        )
    try:
        if asked:
            raise KeyboardInterrupt
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            once, debug = arguments.once, arguments.debug
            prepared = JobRun(spark, pipeline, stream, sinks, connections, ops, job, debug=debug, once=once)
            if arguments.since:
                return reread(prepared, arguments.since, arguments.until or "latest")
            if arguments.replay_dead_letters:
                return replay(prepared, tables)
            if arguments.rebuild:
                return max(rebuild(prepared, t, approved=arguments.approved) for t in tables)
            if arguments.repair:
                return repair(prepared, arguments.repair, tables)
            if arguments.window:
                return carry_out(prepared, arguments.window)
            if arguments.resume:
                for table in tables:
                    check_resumable(pipeline, table, ops)
                return max(resume(prepared, t, accept_loss=arguments.accept_loss) for t in tables)
            return drive(prepared, arguments.checkpoint_root or settings.checkpoint_root)
    finally:
        spark.stop()


def drive(run: JobRun, root: str) -> int:
    """Run the stream's queries with checkpoints below `root`."""
    write_checkpoints_quickly(run.spark, root)
    owner = this_driver(run.spark)
    leases = LeaseKeeper(run.ops, owner, run.pipeline.streaming.lease_s)
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


def choose_tables(stream: StreamSpec, names: str | None) -> tuple[TableSpec, ...]:
    """The named tables of the stream, by their source name or their name in the sinks, or all.

    Raises:
        ConfigurationError: the stream has no such table.
    """
    if not names:
        return stream.tables
    known = {name: table for table in stream.tables for name in (table.source, table.name)}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    foreign = [name for name in wanted if name not in known]
    if foreign:
        raise ConfigurationError(
            f"stream {stream.name!r} has no table {', '.join(foreign)}; it has: "
            f"{', '.join(table.name for table in stream.tables)}"
        )
    return tuple(known[name] for name in wanted)


def configure_logs(*, debug: bool) -> None:
    """JSON lines on standard error; readable ones for a person who debugs."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # A failed batch is told once, by the query; py4j would add two stack traces.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    # It also tells the root logger of every call that a signal cuts short, with a stack trace.
    logging.getLogger().addFilter(lambda record: "while sending command" not in record.getMessage())
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
