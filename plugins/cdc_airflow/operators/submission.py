"""Fills a `SparkSubmitOperator` with what the library describes, shortly before it submits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowFailException

from cdc.errors import TERMINAL_EXIT_CODE
from cdc.settings import Settings
from cdc.spec import StreamSpec
from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.pipelines import find_pipeline

SPARK = "cdc_spark"
"""The Spark connection: `yarn`, cluster deploy mode, and the ResourceManager's web address."""


_EXITED = re.compile(r"exited with status (\d+)")


@contextmanager
def terminal_at_once(explain: Callable[[], str] = str) -> Iterator[None]:
    """Fail the task without another try when its application has ended by a terminal error.

    The provider raises the same error for every failed application; YARN's diagnostics have its exit code.

    Args:
        explain: says what the application has left as its reason; empty when that is not known.
    """
    try:
        yield
    except RuntimeError as error:
        found = _EXITED.search(str(error))
        if found is None or int(found[1]) != TERMINAL_EXIT_CODE:
            raise
        raise AirflowFailException(
            explain() or f"{error}\nIt ends so again until a person changes something: its log says what"
        ) from error


def describe(
    operator: SparkSubmitOperator,
    stream: StreamSpec,
    folder: Path,
    *,
    extra_args: Sequence[str] = (),
    purpose: str = "",
) -> None:
    """Set what is submitted: the stream's driver, or a run of its job that ends by itself.

    Args:
        operator: what submits.
        stream: the stream.
        folder: gets the archives and the connections, which must be there until spark-submit has copied them.
        extra_args: more arguments of `run_cdc_job.py`.
        purpose: of a run that ends by itself.
    """
    from cdc.services.launch import build_py_files, submission

    pipeline, file = find_pipeline(stream.pipeline)
    hook, ids = CdcHook(), pipeline.driver_connection_ids
    described = submission(
        pipeline,
        stream,
        Settings(),
        hook.connections(ids).write(folder, ids),
        file,
        py_files=build_py_files(folder),
        extra_args=extra_args,
        purpose=purpose,
    )
    operator.application = described.application
    operator.name = described.name
    operator.conf = dict(described.conf)
    operator.files = ",".join(described.files)
    operator.py_files = ",".join(described.py_files)
    operator.jars = ",".join(described.jars)
    operator.application_args = list(described.application_args)
    operator.env_vars = dict(described.env)
