"""Submits a stream's job from this machine: to the cluster, or to run here until it has ended."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cdc.clients.spark_submit import run_spark_submit
from cdc.connections import Connections
from cdc.services.launch import Submission, build_py_files, command_line, submission
from cdc.settings import Settings
from cdc.spec import Pipeline, StreamSpec

SUBMISSION_LIMIT_S = 180.0


def submit(pipeline: Pipeline, stream: StreamSpec, pipeline_file: Path, settings: Settings) -> None:
    """Submit the stream to YARN, and return when the ResourceManager has accepted it.

    Raises:
        ConfigurationError: spark-submit refuses.
        UnavailableError: it takes too long.
    """
    with prepared(pipeline, stream, pipeline_file, settings) as described:
        run_spark_submit(command_line(described), described.env, settings.spark_home, SUBMISSION_LIMIT_S)


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
    with prepared(
        pipeline, stream, pipeline_file, settings, master="local[1]", arguments=arguments, purpose=purpose
    ) as described:
        run_spark_submit(command_line(described), described.env, settings.spark_home, timeout_s=None)


@contextlib.contextmanager
def prepared(
    pipeline: Pipeline,
    stream: StreamSpec,
    pipeline_file: Path,
    settings: Settings,
    *,
    master: str = "yarn",
    arguments: Sequence[str] = (),
    purpose: str = "",
) -> Iterator[Submission]:
    """What spark-submit is told, with the archives and those connections alone that the driver needs.

    They are there until the block ends: spark-submit copies what it is given before it returns, or runs the
    job meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="cdc-submit-") as name:
        folder, known = Path(name), Connections.from_file(settings.cdc_connections_file)
        yield submission(
            pipeline,
            stream,
            settings,
            known.write(folder, pipeline.driver_connection_ids),
            pipeline_file.absolute(),
            py_files=build_py_files(folder),
            master=master,
            extra_args=arguments,
            purpose=purpose,
        )
