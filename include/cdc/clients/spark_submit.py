"""Runs spark-submit once: to the end of the submission, or of a run on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cdc.errors import ConfigurationError, UnavailableError

_LINES = 8
_TOLD = "run_cdc_job: "
"""What the job begins its one sentence for a person with."""


def program_call(command: Sequence[str], spark_home: Path) -> list[str]:
    """The command with its program's path.

    Raises:
        ConfigurationError: there is no such program.
    """
    program = spark_home / "bin" / command[0]
    if not program.exists():
        raise ConfigurationError(f"{program} does not exist: SPARK_HOME must name a Spark distribution")
    return [str(program), *command[1:]]


def run_spark_submit(
    command: Sequence[str], env: Mapping[str, str], spark_home: Path, timeout_s: float | None
) -> None:
    """Submit in cluster mode, until the resource manager has accepted; or run here, until the job has ended.

    Args:
        command: as `cdc.services.launch.command_line` makes it.
        env: variables that are added to this process' own.
        spark_home: where `bin/spark-submit` is.
        timeout_s: after which the submission counts as hung; None for a job that may take its time.

    Raises:
        ConfigurationError: there is no spark-submit, it refuses the submission, or the job failed.
        UnavailableError: it takes too long.
    """
    try:
        done = subprocess.run(
            program_call(command, spark_home),
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"spark-submit did not return within {timeout_s} s: is YARN up?") from None
    if done.returncode:
        # A driver in this process tree writes both of its outputs to spark-submit's standard output.
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        told = [line.removeprefix(_TOLD) for line in lines if line.startswith(_TOLD)]
        if told:
            raise ConfigurationError(told[-1])
        said = [line for line in done.stderr.splitlines() if line.strip() and "\tat " not in line][-_LINES:]
        raise ConfigurationError(f"spark-submit ended with {done.returncode}: {' | '.join(said)}")
