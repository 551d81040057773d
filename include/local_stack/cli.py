"""`python -m local_stack.cli`: what the Makefile's targets call."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cdc.errors import CdcError, ConfigurationError, UnavailableError
from local_stack.screen import collect_status, status_json, status_table
from local_stack.stack import LocalStack

app = typer.Typer(
    help="The embedded stack: every component of the platform on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console()
errors = Console(stderr=True)

Seed = Annotated[int, typer.Option(help="The same seed makes the same changes.")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """Show the platform's own errors as sentences; anything else is a bug and keeps its traceback."""
    try:
        yield
    except CdcError as error:
        errors.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def say(sentence: str) -> None:
    """Print a sentence of the stack."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


@app.command()
def up() -> None:
    """Start every component and wait until all are ready; fine when they run already."""
    with one_sentence():
        from local_stack.lifecycle import start_stack

        start_stack(LocalStack.from_environment(), console)
        say("the stack is up; `make status` lists it, `make down` stops it, `. .local/activate` talks to it")


@app.command()
def down() -> None:
    """Stop streams and components in order."""
    with one_sentence():
        from local_stack.lifecycle import stop_stack

        say("the stack is down" if stop_stack(LocalStack.from_environment(), console) else "nothing runs")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="A JSON list.")] = False) -> None:
    """Show each component, driver and executor; exits 3 when the stack is down."""
    with one_sentence():
        stack = LocalStack.from_environment()
        record = stack.record()
        rows = collect_status(stack.context(), record) if record else []
        if as_json:
            typer.echo(json.dumps(status_json(rows), indent=1))
        elif record:
            console.print(status_table(rows, f"{stack.places.home}: {record.phase}"))
        else:
            say(f"the stack in {stack.places.home} is down; `make up` starts it")
        if record is None:
            raise typer.Exit(3)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A component, or `supervisor`.")] = "supervisor",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    lines: Annotated[int, typer.Option("-n", help="How many lines.")] = 100,
) -> None:
    """Show the end of a component's log."""
    with one_sentence():
        folder = LocalStack.from_environment().places.home / "logs"
        known = sorted(path.stem for path in folder.glob("*.log"))
        match = next((stem for stem in known if stem.lower() == name.lower()), None)
        if match is None:
            raise ConfigurationError(f"no log of {name!r}; there are: {', '.join(known) or 'none yet'}")
        tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(folder / f"{match}.log")]
        raise typer.Exit(subprocess.run(tail, check=False).returncode)


@app.command()
def env() -> None:
    """Print stack.env: addresses and passwords as KEY=VALUE lines."""
    with one_sentence():
        stack = LocalStack.from_environment()
        if stack.record() is None:
            raise UnavailableError(f"the stack in {stack.places.home} is down: `make up` starts it")
        typer.echo(stack.context().env_file.read_text(encoding="utf-8"), nl=False)


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Stop the stack first when it runs.")] = False,
) -> None:
    """Delete the stack's data, logs and checkpoints; the jars stay."""
    with one_sentence():
        stack = LocalStack.from_environment()
        if yes:
            from local_stack.lifecycle import stop_stack

            stop_stack(stack, console)
        deleted = stack.clean()
        names = ", ".join(path.name for path in deleted)
        say(f"deleted {names} in {stack.places.home}" if deleted else "nothing to delete")


@app.command()
def run(
    rate: Annotated[float, typer.Option(min=0.0, help="Changes per second at the source.")] = 20.0,
    seed: Seed = 1,
) -> None:
    """Start everything, make changes, and show how they arrive; Ctrl+C stops all in order."""
    with one_sentence():
        from local_stack.run import run_main_job

        _exit(run_main_job, rate=rate, seed=seed)


@app.command()
def check(
    changes: Annotated[int, typer.Option(min=1, help="How many changes to make.")] = 20_000,
    seed: Seed = 1,
    restart_in_the_middle: Annotated[bool, typer.Option(help="Stop and start the stack half-way.")] = False,
) -> None:
    """Make a number of changes and compare every row and column of source and sinks."""
    with one_sentence():
        from local_stack.check import run_check

        _exit(run_check, changes=changes, seed=seed, restart_in_the_middle=restart_in_the_middle)


@app.command()
def chaos(
    seed: Seed = 1,
    rounds: Annotated[int, typer.Option(min=0, help="How many kills; 0 for each component once.")] = 0,
    component: Annotated[str, typer.Option(help="Only this one.")] = "",
) -> None:
    """Kill components while changes flow, and compare all rows at the end."""
    with one_sentence():
        from local_stack.chaos import run_chaos

        _exit(run_chaos, seed=seed, rounds=rounds, component=component or None)


@app.command()
def drill(
    only: Annotated[list[str] | None, typer.Option(help="Only this fault; may be given again.")] = None,
    seed: Seed = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the table as Markdown into this file.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the faults and plant none.")] = False,
) -> None:
    """Plant faults while changes flow, and see each noticed, told by mail, mended, and nothing lost."""
    with one_sentence():
        from local_stack.drill.runner import list_faults, run_drill

        if list_:
            list_faults(console)
            return
        _exit(run_drill, only=only or (), seed=seed, as_json=as_json, report=report)


@app.command()
def case(
    files: Annotated[list[Path], typer.Argument(help="Case files, or folders of *.sql.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave pipelines, databases and topics for looking.")] = False,
    delivery: Annotated[list[str] | None, typer.Option(help="Only this delivery.")] = None,
) -> None:
    """Run SQL cases through the platform in four deliveries, and compare every row after each."""
    with one_sentence():
        from local_stack.cases.runner import run_cases

        _exit(run_cases, paths=files, as_json=as_json, keep=keep, only=delivery or ())


@app.command()
def bench(
    full: Annotated[
        bool, typer.Option("--full", help="The long plan; goes on where it was broken off.")
    ] = False,
    rows: Annotated[int, typer.Option(min=0, help="Of each drain or table, instead of the plan's.")] = 0,
    repeats: Annotated[int, typer.Option(min=0, help="Of each drain, instead of the plan's.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Under load, instead of the plan's.")] = 0.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only steps that begin so: drain.clickhouse, reconcile, …")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write docs/benchmarks.")] = True,
) -> None:
    """Measure drains, freshness and sustained throughput beside the connectors that people use today."""
    with one_sentence():
        from local_stack.bench.runner import run_bench

        _exit(
            run_bench, full=full, rows=rows, repeats=repeats, seconds=seconds, only=only or (), report=report
        )


def _exit(job: Callable[..., int], **options: object) -> None:
    raise typer.Exit(job(**options))


if __name__ == "__main__":
    # `make logs | head` must end without a traceback
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(app())
