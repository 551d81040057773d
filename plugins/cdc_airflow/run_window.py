"""Which rows a run of a DAG is about: those of its data interval, or all. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdc.errors import ConfigurationError
from cdc.model.window import Window


@dataclass(frozen=True)
class Run:
    """A run of a DAG.

    Attributes:
        type: Airflow's: manual, scheduled, backfill, …
        interval: its data interval; None when it has none.
    """

    type: str
    interval: tuple[datetime, datetime] | None = None


def run_of(context: Any) -> Run:
    """The run that a task belongs to."""
    dag_run = context["dag_run"]
    begin, end = dag_run.data_interval_start, dag_run.data_interval_end
    run_type = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    return Run(run_type, (begin, end) if begin is not None and end is not None else None)


def chosen_window(asked: str, run: Run, *, windows: bool) -> Window | None:
    """The window whose rows are meant; None for all rows.

    Args:
        asked: `interval`, `all`, or `auto`.
        run: the run.
        windows: what the pipeline says of runs of the schedule.

    Raises:
        ConfigurationError: an interval was asked for, and the run has none.
    """
    by_interval = asked == "interval" or (
        asked == "auto" and (run.type == "backfill" or (windows and run.type == "scheduled"))
    )
    if not by_interval:
        return None
    if run.interval is None or run.interval[0] >= run.interval[1]:
        raise ConfigurationError(
            f"this {run.type} run has no data interval: give it a logical date, choose `window: all`, or "
            "`airflow backfill create`; `cdc reconcile --from … --to …` takes any window"
        )
    return Window(*run.interval)
