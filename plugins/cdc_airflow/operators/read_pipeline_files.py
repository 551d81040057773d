"""Fails while a pipeline file is not valid, so that somebody hears of it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from cdc.errors import SpecError
from cdc_airflow.pipelines import readable_pipelines


class ReadPipelineFilesOperator(BaseOperator):
    """Reads every pipeline file.

    The DAGs of a pipeline whose file is not valid are gone from Airflow until it is mended; its streams go on
    as they are, and so do the other pipelines' DAGs.
    """

    def execute(self, context: Any) -> int:
        """Read them; returns how many there are."""
        found, broken = readable_pipelines()
        for error in broken:
            self.log.error("%s", error)
        if broken:
            first = broken[0]
            more = f"; {len(broken) - 1} more file(s) are not valid" if broken[1:] else ""
            raise SpecError(
                first.file,
                first.line,
                first.field,
                f"{first.problem}{more}. Until it is mended, its pipeline has no DAGs, and nobody looks "
                "after it",
            )
        return len(found)
