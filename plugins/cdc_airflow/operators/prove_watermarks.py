"""Proves what the tables of a pipeline are complete up to, and tells the DAGs that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import find_pipeline, watermark_alias, watermark_asset

if TYPE_CHECKING:
    from cdc.model.watermark import Watermark


class ProveWatermarksOperator(BaseOperator):
    """Does what `cdc watermarks --prove` does, with an asset event for each table and sink that was proven.

    How it works: `cdc.services.watermarks` waits until Debezium has confirmed what the source's log has now,
    and until the sinks have written what Kafka has then. Each event carries the LSN, the time before which
    every transaction is there, and the time of the proof.

    What it does not do: fail because a table has none. A parked table, open dead letters and a snapshot that
    is under way are in the log, and other DAGs see to them.

    Args:
        pipeline: the pipeline's name.
        capture_patience_s: how long Debezium may take to confirm what the source's log has now.
        sink_patience_s: how long the sinks may take to write what Kafka has then.
    """

    template_fields: Sequence[str] = ("capture_patience_s", "sink_patience_s")

    def __init__(
        self,
        *,
        pipeline: str,
        capture_patience_s: float | str = 60,
        sink_patience_s: float | str = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(outlets=[watermark_alias(pipeline)], **kwargs)
        self.pipeline = pipeline
        self.capture_patience_s = capture_patience_s
        self.sink_patience_s = sink_patience_s

    def execute(self, context: Any) -> dict[str, str]:
        """Prove, log, tell; returns what was found, by `table in sink`."""
        from cdc.services.watermarks import prove

        pipeline, _ = find_pipeline(self.pipeline)
        found = prove(
            pipeline,
            CdcHook().connections(connection_ids(pipeline)),
            capture_patience_s=float(self.capture_patience_s),
            sink_patience_s=float(self.sink_patience_s),
        )
        events = context["outlet_events"][watermark_alias(self.pipeline)]
        for one in found:
            log = self.log.info if one.holds else self.log.warning
            log("%s in %s: %s", one.table, one.sink, one.text)
            if one.holds:
                events.add(watermark_asset(one.pipeline, one.table, one.sink), extra=event_extra(one))
        return {f"{one.table} in {one.sink}": one.text for one in found}


def event_extra(watermark: Watermark) -> dict[str, Any]:
    """What a watermark's event says; times are ISO 8601 in UTC."""
    from cdc.model.watermark import lsn_text

    return {
        "lsn": lsn_text(watermark.lsn or 0),
        "complete_until": watermark.complete_until.isoformat() if watermark.complete_until else None,
        "proven_at": watermark.proven_at.isoformat() if watermark.proven_at else None,
    }
