"""Ends drivers and leases that belong to no stream of any pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import YARN, CdcHook
from cdc_airflow.pipelines import ALL, readable_pipelines


class EndOrphansOperator(BaseOperator):
    """Does what `cdc stream orphans --end` does, and tells what it has ended.

    A driver of a stream that was taken out of its pipeline file ends between two batches; a second driver of
    one stream is killed; a lease of a driver that YARN reports ended is given back. An application that
    neither the ops store's launches nor its leases name may belong to somebody else: it is told only.

    Args:
        only: `all`, or the one pipeline that this run is about; then the task is skipped.
        plan_only: true (or the text of it) tells what is found, and ends nothing.
    """

    template_fields: Sequence[str] = ("only", "plan_only")

    def __init__(self, *, only: str = ALL, plan_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.only = only
        self.plan_only = plan_only

    def execute(self, context: Any) -> list[str]:
        """Find and end; returns the sentences."""
        if self.only != ALL:
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        from cdc.services.orphans import orphans_of
        from cdc.services.reach import yarn_of

        pipelines, broken = readable_pipelines()
        if broken:
            # Whatever a file that cannot be read declares would be taken for an orphan.
            raise broken[0]
        connections = CdcHook().connections([YARN, *{pipeline.ops.connection for pipeline in pipelines}])
        with orphans_of(pipelines, connections, yarn_of(connections)) as orphans:
            found = orphans.find()
            ended = [] if str(self.plan_only).lower() == "true" else orphans.end(found)
        for orphan in found:
            self.log.warning("%s: %s", "ended" if orphan in ended else "left alone", orphan.sentence)
        if not found:
            self.log.info("every driver and every lease belongs to a stream")
        return [orphan.sentence for orphan in found]
