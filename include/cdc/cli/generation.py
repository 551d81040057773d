"""`cdc generation raise`: begin a topic's next generation, after it was made anew or got more partitions."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc.cli.context import Target, find_target, out
from cdc.clients.postgres import read_log_end
from cdc.errors import ConfigurationError, ConflictError
from cdc.services.gaps import mending
from cdc.services.reach import connect_of, kafka_of
from cdc.services.streams import live_applications
from cdc.services.topics import raise_generation

app = typer.Typer(no_args_is_help=True, help="Generations of topics.")


@app.callback()
def _group() -> None:
    """Keep `raise` a command of its own though it is the only one."""


@app.command("raise")
def raise_(
    topic: Annotated[str, typer.Argument(help="The topic, as its error message names it.")],
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="The pipeline's name.")] = None,
) -> None:
    """Record that a topic's offsets begin anew; connector, stream and runs of it must have ended."""
    target = find_target(pipeline, None)
    declared = {target.pipeline.topic(table): table for table in target.pipeline.tables}
    if topic not in declared:
        raise ConfigurationError(
            f"pipeline {target.pipeline.name} has no topic {topic!r}; it has: {', '.join(declared)}"
        )
    table = declared[topic]
    _check_stopped(target, table.stream)
    kafka = kafka_of(target.pipeline, target.connections)
    actual = kafka.topic_identity(topic)
    if actual is None:
        raise ConfigurationError(
            f"Kafka has no topic {topic!r}: run `cdc apply` once the connector may start"
        )
    ends = kafka.end_offsets([topic], isolation="read_uncommitted")[topic]
    earliest = kafka.earliest_offsets([topic])[topic]
    end = read_log_end(target.connections.get(target.pipeline.source.connection), "cdc-gaps")
    with target.ops() as ops:
        raised = raise_generation(target.pipeline, table, actual, ends, earliest, end, ops)
    out.print(f"{topic}: generation {raised.generation} begins at {ends}", highlight=False)
    mend = mending(table)
    if raised.missing:
        out.print(
            f"[yellow]{table.name} is not proven complete in {', '.join(raised.missing)}[/] for now, since "
            f"changes of it may be missing there: {mend}",
            highlight=False,
        )
    if raised.gone:
        out.print(
            f"[yellow]{table.name} is parked in {', '.join(raised.gone)}[/]: what it had not written went "
            "with the topic that was there before. Start the connector and the stream, "
            f"`cdc table resume {table.name}`; then {mend}",
            highlight=False,
        )
    if raised.unread:
        said = ", ".join(f"{offsets:,} offsets of it into {sink}" for sink, offsets in raised.unread.items())
        out.print(
            f"[yellow]The stream has not read {said}[/]. What Kafka still has of them it reads when it "
            f"starts; what retention has removed is passed over from now on, and {mend}",
            highlight=False,
        )


def _check_stopped(target: Target, stream_name: str) -> None:
    connect = connect_of(target.pipeline, target.connections)
    status = connect.status(target.pipeline.source.connector)
    if status is not None and any(task.state == "RUNNING" for task in status.tasks):
        raise ConflictError(
            f"connector {status.name} runs: stop it first (PUT /connectors/{status.name}/stop on Kafka "
            "Connect)"
        )
    live = live_applications(target.yarn, target.pipeline.stream(stream_name))
    if live:
        names = ", ".join(f"{application.name} ({application.id})" for application in live)
        raise ConflictError(
            f"{names} runs, and would go on with the generations before: `cdc stream stop {stream_name}` "
            "ends the stream; a repair, backfill, replay, resume or resync of it ends by itself"
        )
