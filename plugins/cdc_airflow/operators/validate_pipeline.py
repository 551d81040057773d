"""Checks of a pipeline before anything is changed: its file, and the connector's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import describe_tables, find_pipeline


class ValidateSpecOperator(BaseOperator):
    """Reads the pipeline's file again; a mistake fails the task with file, line, field and what was expected.

    Args:
        pipeline: the pipeline's name.
        only: `all`, or the one pipeline that this run is about; the others' tasks are skipped.
    """

    template_fields: Sequence[str] = ("only",)

    def __init__(self, *, pipeline: str, only: str = "all", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.only = only

    def execute(self, context: Any) -> dict[str, str]:
        """Read, check, and say what the file declares."""
        if self.only not in ("all", self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        pipeline, file = find_pipeline(self.pipeline)
        self.log.info("%s is valid; environment %s", file.name, pipeline.environment)
        tables = dict(describe_tables(pipeline))
        for stream, sentence in tables.items():
            self.log.info("stream %s: %s", stream, sentence)
        return tables


class ValidateConnectorOperator(BaseOperator):
    """Lets Kafka Connect check Debezium's configuration; nothing is created or changed.

    Args:
        pipeline: the pipeline's name.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Any) -> None:
        """Ask Connect; an error it reports for a setting fails the task with that setting's name."""
        from cdc.clients.connect import ConnectClient
        from cdc.services.connector import connector_config

        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections(connection_ids(pipeline))
        config = connector_config(pipeline, connections)
        url = connections.get(pipeline.connect.connection).url()
        ConnectClient(url).validate(config)
        self.log.info("Kafka Connect at %s accepts the configuration of %s", url, pipeline.source.connector)
