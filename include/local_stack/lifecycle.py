"""Starts and stops the stack in front of a person, with bars; a second Ctrl+C cannot break the stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from local_stack import streams
from local_stack.component import StackContext
from local_stack.job.airflow_api import AirflowApi
from local_stack.job.launch import stream_dag_ids
from local_stack.screen import StackProgress
from local_stack.stack import LocalStack
from local_stack.supervisor.policy import State

PIPE_WIDTH = 200


def start_stack(stack: LocalStack, console: Console) -> StackContext:
    """Start every component, with a bar for each, and want the streams again that a stop had ended.

    Raises:
        ConfigurationError: a prerequisite is missing.
        UnavailableError: a component does not start.
    """
    ctx = start_components(stack, console)
    resume_streams(ctx)
    return ctx


def start_components(stack: LocalStack, console: Console) -> StackContext:
    """Start every component, with a bar for each; streams stay as they are. Raises as `start_stack`."""
    ctx = stack.start(lambda sentence: say(console, sentence))
    with StackProgress(console, State.RUNNING).shown() as progress:
        stack.wait_until_ready(progress.follow)
    return ctx


def resume_streams(ctx: StackContext) -> None:
    """Have Airflow start the streams again that a stop of the stack had ended; does not wait for them."""
    again = streams.want_again(ctx)
    dag_ids = dict(zip(all_streams(ctx), stream_dag_ids(streams.pipelines_of(ctx)), strict=True))
    api = AirflowApi.from_env(ctx.stack_env())
    for _, stream in again:
        if api.is_parsed(dag_ids[stream.app_name]):
            api.trigger(dag_ids[stream.app_name])


def all_streams(ctx: StackContext) -> tuple[str, ...]:
    """Every stream's application name, in the order of `stream_dag_ids`."""
    return tuple(s.app_name for pipeline in streams.pipelines_of(ctx) for s in pipeline.streams)


def stop_stack(stack: LocalStack, console: Console) -> bool:
    """Stop streams and components in order, with a bar for each; False when nothing ran."""
    with _uninterrupted(console), StackProgress(console, State.STOPPED).shown() as progress:
        return stack.stop(progress.follow, lambda sentence: say(console, sentence))


def make_console(*, stderr: bool = False) -> Console:
    """The terminal as it is; a pipe or a file gets lines wide enough for the tables."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PIPE_WIDTH)


def say(console: Console, sentence: str) -> None:
    """Print a sentence as it is."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _uninterrupted(console: Console) -> Iterator[None]:
    """Answer Ctrl+C with a sentence: a stop that is broken off would leave the stack half up."""

    def answer(_signum: int, _frame: FrameType | None) -> None:
        say(console, "still stopping in order; the streams end their batch first")

    before = signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
