"""Runs a stream's job on this machine until it has ended: replays and resumes without a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cdc.clients.spark_submit import run_spark_submit
from cdc.services.launch import build_py_files, command_line, submission
from cdc.settings import Settings
from cdc.spec import Pipeline, StreamSpec


def run_here(
    pipeline: Pipeline,
    stream: StreamSpec,
    pipeline_file: Path,
    settings: Settings,
    purpose: str,
    arguments: Sequence[str],
) -> None:
    """Run `run_cdc_job.py` with a bounded run's arguments on one core.

    Raises:
        ConfigurationError: there is no Spark here, or the run failed; says why.
    """
    with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
        described = submission(
            pipeline,
            stream,
            settings,
            settings.cdc_connections_file.absolute(),
            pipeline_file.absolute(),
            py_files=build_py_files(Path(folder)),
            master="local[1]",
            extra_args=arguments,
            purpose=purpose,
        )
        run_spark_submit(command_line(described), described.env, settings.spark_home, timeout_s=None)
