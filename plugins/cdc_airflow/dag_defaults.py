"""What every DAG of the platform gives its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule

from cdc.spec import Pipeline
from cdc_airflow.pipelines import table_names

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="cdc.errors.TerminalError",
            action=RetryAction.FAIL,
            reason="it fails again until a person changes something",
        ),
        RetryRule(
            exception="cdc.errors.TransientError",
            action=RetryAction.RETRY,
            # Without a delay of its own Airflow's back-off below counts.
            reason="a component did not answer, or somebody else held what was needed",
        ),
    ]
)

TASK_DEFAULTS: dict[str, Any] = {
    "owner": "cdc",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=20),
}


ANEW = Param(
    default=False,
    type="boolean",
    title="Anew",
    description="From the beginning, also where a run of the same part was broken off.",
)
"""The form field of a DAG whose runs go on where one was broken off."""


def seconds(default: int, title: str, description: str, *, minimum: int = 0) -> Param:
    """A form field for a number of seconds, up to an hour."""
    return Param(
        default, type="integer", minimum=minimum, maximum=3600, title=f"{title} (s)", description=description
    )


def one_table(pipelines: Sequence[Pipeline]) -> dict[str, Param]:
    """The form fields `pipeline` and `table` of a DAG whose every run is about one table."""
    names, tables = [pipeline.name for pipeline in pipelines], table_names(pipelines)
    return {
        "pipeline": Param(names[0], enum=names, title="Pipeline", description="Whose table it is."),
        "table": Param(tables[0], enum=tables, title="Table", description="Its name in the sinks."),
    }
