"""A parked table built anew in its sinks, by the stream's job on this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from cdc.services.submit import run_here
from cdc.settings import Settings
from cdc.spec import Pipeline, TableSpec


def rebuild_arguments(table: str, approved: str = "") -> list[str]:
    """What `run_cdc_job.py` is told.

    Args:
        table: its name in the sinks.
        approved: the difference that was approved; empty builds the table whatever has changed. It is
            percent-encoded, since YARN passes arguments through a shell and it has the source's names.
    """
    return ["--rebuild", table, *(["--approved", quote(approved, safe="")] if approved else [])]


def rebuild_table(pipeline: Pipeline, table: TableSpec, pipeline_file: Path, settings: Settings) -> None:
    """Build it, exchange it, and let the stream write it again; the stream may run or not.

    Raises:
        ConfigurationError: Spark cannot be started, or the table cannot be built; says why.
    """
    stream = pipeline.stream(table.stream)
    run_here(pipeline, stream, pipeline_file, settings, "rebuild", rebuild_arguments(table.name))
