"""What DAG files ask about the pipelines: the YAML is read here, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from airflow.sdk import (
    Asset,
    AssetAlias,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    MultipleCronTriggerTimetable,
)

from cdc.errors import ConfigurationError, SpecError
from cdc.settings import Settings
from cdc.spec import Pipeline, load_pipeline, read_pipelines

ENSURE_SCHEDULE = "*/10 * * * *"
"""How often each stream's DAG looks whether its driver lives, beside being told by `cdc_connectors`."""

RECONCILIATION_DAG = "cdc_reconciliation"

ALL = "all"
"""What a DAG's form says for "not narrowed"."""

Schedule = CronTriggerTimetable | MultipleCronTriggerTimetable | None


def declared_pipelines() -> tuple[Pipeline, ...]:
    """Every pipeline of this process' folder and environment whose file is valid, for DAG files.

    What is wrong with another one stops nobody else's DAGs: `cdc_health` tells it.

    Raises:
        SpecError: no file is valid; Airflow shows the message (file, line, field) as the DAG's import error.
    """
    found, broken = readable_pipelines()
    if not found:
        raise broken[0]
    return found


def readable_pipelines() -> tuple[tuple[Pipeline, ...], tuple[SpecError, ...]]:
    """Every pipeline whose file is valid, and what is wrong with the others."""
    settings = Settings()
    return read_pipelines(settings.cdc_pipelines_dir, settings.cdc_env)


def find_pipeline(name: str) -> tuple[Pipeline, Path]:
    """The pipeline as its file says now, and that file; so an edit counts from the next task on.

    Raises:
        ConfigurationError: no file declares that name.
        SpecError: its file is invalid.
    """
    settings = Settings()
    folder = settings.cdc_pipelines_dir
    broken: SpecError | None = None
    for file in sorted(folder.glob("*.yaml")):
        try:
            pipeline = load_pipeline(file, settings.cdc_env)
        except SpecError as error:
            # Another pipeline's broken file must not stop this one.
            broken = error if broken is None or file.stem == name else broken
            continue
        if pipeline.name == name:
            return pipeline, file
    if broken is not None:
        raise broken
    raise ConfigurationError(f"no file in {folder} declares pipeline {name!r}: it was renamed or removed")


def table_names(pipelines: Iterable[Pipeline]) -> list[str]:
    """Every table's name in the sinks, for a form's list."""
    return sorted({table.name for pipeline in pipelines for table in pipeline.tables})


def stream_dag_ids(pipelines: Iterable[Pipeline]) -> dict[tuple[str, str], str]:
    """`cdc_stream_<stream>` by (pipeline, stream), with the pipeline's name where two have such a stream."""
    keys = [(pipeline.name, stream.name) for pipeline in pipelines for stream in pipeline.streams]
    uses = Counter(stream for _, stream in keys)
    return {
        (pipeline, stream): f"cdc_stream_{stream}" if uses[stream] == 1 else f"cdc_stream_{pipeline}_{stream}"
        for pipeline, stream in keys
    }


def applied_asset(pipeline: str) -> Asset:
    """What `cdc_connectors` updates once a pipeline is applied; its event wakes the streams' DAGs."""
    return Asset(name=f"cdc_{pipeline}_applied", uri=f"cdc://{pipeline}/applied", group="cdc")


def watermark_asset(pipeline: str, table: str, sink: str) -> Asset:
    """A table in a sink; its event says what the table is complete up to there.

    Schedule a DAG on these assets, and it runs when each of them has advanced.

    Args:
        pipeline: the pipeline's name.
        table: the table's name in the sinks.
        sink: the sink's name.
    """
    path = "/".join(quote(part, safe="") for part in (pipeline, sink, table))
    return Asset(name=f"cdc_{path.replace('/', '_')}", uri=f"cdc://{path}", group="cdc")


def watermark_alias(pipeline: str) -> AssetAlias:
    """Under which the proofs of a pipeline are told: only of the tables that were proven."""
    return AssetAlias(name=f"cdc_{pipeline}_watermarks", group="cdc")


def cron_schedule(crons: Iterable[str | None], *, run_immediately: bool = False) -> Schedule:
    """One schedule that fires whenever one of the pipelines' crons does; None when none of them has one.

    Args:
        crons: each pipeline's cron or preset; None is a pipeline that is only run by hand.
        run_immediately: a DAG that never ran starts at once instead of at the next tick.
    """
    distinct = sorted({cron for cron in crons if cron})
    if not distinct:
        return None
    if len(distinct) == 1:
        return CronTriggerTimetable(distinct[0], timezone="UTC", run_immediately=run_immediately)
    return MultipleCronTriggerTimetable(*distinct, timezone="UTC", run_immediately=run_immediately)


def reconciliation_dags(pipelines: Sequence[Pipeline]) -> dict[str, tuple[Pipeline, ...]]:
    """DAG ids with the pipelines that each reconciles.

    A DAG has one series of data intervals, so pipelines with other schedules have a DAG each.
    """
    if len({pipeline.policies.reconcile_schedule for pipeline in pipelines}) <= 1:
        return {RECONCILIATION_DAG: tuple(pipelines)}
    return {f"{RECONCILIATION_DAG}_{pipeline.name}": (pipeline,) for pipeline in pipelines}


def interval_schedule(cron: str | None) -> CronDataIntervalTimetable | None:
    """A schedule whose runs are about the time since the run before, so that it can be backfilled."""
    return CronDataIntervalTimetable(cron, timezone="UTC") if cron else None


def describe_tables(pipeline: Pipeline) -> Mapping[str, str]:
    """For each stream the tables it carries and where to, as a sentence for logs and DAG documentation."""
    sinks = " and ".join(sink.name for sink in pipeline.sinks)
    return {
        stream.name: f"{', '.join(f'{t.source} as {t.name}' for t in stream.tables)} → {sinks}"
        for stream in pipeline.streams
    }
