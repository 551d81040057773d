"""`cdc submit`: spark-submit by hand, what `scripts/submit_job.sh` calls."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from cdc.cli.context import Target, errors
from cdc.errors import ConflictError
from cdc.services.launch import build_py_files, command_line, submission
from cdc.services.start import start_stream
from cdc.services.submit import driver_connections


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
    home = target.settings.local_stack_home
    folder = (home / "run" if home else target.file.parent / ".submit") / "py-files"
    with tempfile.TemporaryDirectory(prefix="cdc-submit-") as private:
        described = submission(
            target.pipeline,
            stream,
            target.settings,
            target.settings.cdc_connections_file.absolute()
            if dry_run
            else driver_connections(target.pipeline, target.settings, Path(private)),
            target.file.absolute(),
            py_files=[folder / "cdc.zip", folder / "cdc_spark.zip"] if dry_run else build_py_files(folder),
            master=master,
            extra_args=extra_args,
        )
        command = command_line(described)
        program = str(target.settings.spark_home / "bin" / command[0])
        if dry_run:
            words = [*(f"{name}={value}" for name, value in described.env.items()), program, *command[1:]]
            typer.echo(" ".join(map(shlex.quote, words)))
            errors.print("run by this command, the job gets only the connections that it needs of this file")
            return
        with subprocess.Popen([program, *command[1:]], env={**os.environ, **described.env}) as running:
            # The job ends in order, and then this command, so that no copy of the connections stays behind.
            signal.signal(signal.SIGTERM, lambda *_: running.terminate())
            code = running.wait()
    raise typer.Exit(code)
