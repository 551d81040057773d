"""Submits a stream's job from this machine: to the cluster, or to run here until it has ended."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cdc.clients.spark_submit import run_spark_submit
from cdc.connections import Connections
from cdc.services.launch import build_py_files, command_line, submission
from cdc.settings import Settings
from cdc.spec import Pipeline, StreamSpec

SUBMISSION_LIMIT_S = 180.0


def submit(pipeline: Pipeline, stream: StreamSpec, pipeline_file: Path, settings: Settings) -> None:
    """Submit the stream to YARN, and return when the ResourceManager has accepted it.

    Raises:
        ConfigurationError: spark-submit refuses.
        UnavailableError: it takes too long.
    """
    _spark_submit(pipeline, stream, pipeline_file, settings, timeout_s=SUBMISSION_LIMIT_S)


def run_here(
    pipeline: Pipeline,
    stream: StreamSpec,
    pipeline_file: Path,
    settings: Settings,
    purpose: str,
    arguments: Sequence[str],
) -> None:
    """Run `run_cdc_job.py` with a bounded run's arguments on one core, however long it takes.

    Raises:
        ConfigurationError: there is no Spark here, or the run failed; says why.
    """
    _spark_submit(
        pipeline,
        stream,
        pipeline_file,
        settings,
        master="local[1]",
        arguments=arguments,
        purpose=purpose,
        timeout_s=None,
    )


def driver_connections(pipeline: Pipeline, settings: Settings, folder: Path) -> Path:
    """Write what a driver needs of this process' connections into `folder`; returns the file."""
    known = Connections.from_file(settings.cdc_connections_file)
    return known.write(folder, pipeline.driver_connection_ids)


def _spark_submit(
    pipeline: Pipeline,
    stream: StreamSpec,
    pipeline_file: Path,
    settings: Settings,
    *,
    master: str = "yarn",
    arguments: Sequence[str] = (),
    purpose: str = "",
    timeout_s: float | None,
) -> None:
    with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
        # spark-submit copies what it is given before it returns, or runs the job meanwhile.
        described = submission(
            pipeline,
            stream,
            settings,
            driver_connections(pipeline, settings, Path(folder)),
            pipeline_file.absolute(),
            py_files=build_py_files(Path(folder)),
            master=master,
            extra_args=arguments,
            purpose=purpose,
        )
        run_spark_submit(command_line(described), described.env, settings.spark_home, timeout_s)
