"""`cdc submit`: spark-submit by hand, what `scripts/submit_job.sh` calls."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence

import typer

from cdc.cli.context import Target, errors
from cdc.clients.spark_submit import program_call
from cdc.errors import ConflictError
from cdc.services.launch import build_py_files, command_line, submission
from cdc.services.start import start_stream
from cdc.services.submit import prepared
from cdc.spec import StreamSpec


def submit_stream(
    target: Target, stream_name: str, master: str, *, dry_run: bool, extra_args: Sequence[str]
) -> None:
    """Print or run the submission.

    On YARN the launch is the same as everywhere else: a live driver is found first, so a second submission
    does not start a second driver. On other masters spark-submit runs in the foreground.

    Raises:
        ConflictError: a driver of this stream lives on YARN and job arguments were given, which it cannot
            take.
    """
    stream = target.pipeline.stream(stream_name)
    if master == "yarn" and not dry_run and not extra_args:
        with target.ops() as ops:
            start_stream(
                target.pipeline,
                stream,
                target.file,
                target.settings,
                target.yarn,
                ops,
                lambda step: errors.print(step, highlight=False),
            )
        return
    if master == "yarn" and not dry_run and target.yarn.applications(tags=[stream.app_name]):
        raise ConflictError(
            f"{stream.app_name} runs on YARN already: `cdc stream stop {stream.name}` first, or use "
            "`--master local[*]`"
        )
    if dry_run:
        _print_command(target, stream, master, extra_args)
        return
    with prepared(
        target.pipeline, stream, target.file, target.settings, master=master, arguments=extra_args
    ) as described:
        argv = program_call(command_line(described), target.settings.spark_home)
        with subprocess.Popen(argv, env={**os.environ, **described.env}) as running:
            # The job ends in order, and then this command, so that no copy of the connections stays behind.
            signal.signal(signal.SIGTERM, lambda *_: running.terminate())
            code = running.wait()
    raise typer.Exit(code)


def _print_command(target: Target, stream: StreamSpec, master: str, extra_args: Sequence[str]) -> None:
    """The command, and the archives that it names."""
    home = target.settings.local_stack_home
    folder = (home / "run" if home else target.file.absolute().parent / ".submit") / "py-files"
    described = submission(
        target.pipeline,
        stream,
        target.settings,
        target.settings.cdc_connections_file.absolute(),
        target.file.absolute(),
        py_files=build_py_files(folder),
        master=master,
        extra_args=extra_args,
    )
    words = [f"{name}={value}" for name, value in described.env.items()]
    words += program_call(command_line(described), target.settings.spark_home)
    typer.echo(" ".join(map(shlex.quote, words)))
    errors.print("run by this command, the job gets only the connections that it needs of this file")
