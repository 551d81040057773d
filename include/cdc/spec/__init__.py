"""A pipeline: what a user declares in one YAML file."""

from cdc.spec.loader import load_pipeline, load_pipelines, read_pipelines
from cdc.spec.pipeline import Pipeline, StreamSpec
from cdc.spec.sections import (
    AlertsSpec,
    KafkaSpec,
    PoliciesSpec,
    SourceSpec,
    StreamingSpec,
)
from cdc.spec.sinks import ClickHouseSink, SinkSpec, WarehouseSink
from cdc.spec.tables import ColumnSpec, DerivedColumnSpec, TableSpec

__all__ = [
    "AlertsSpec",
    "ClickHouseSink",
    "ColumnSpec",
    "DerivedColumnSpec",
    "KafkaSpec",
    "Pipeline",
    "PoliciesSpec",
    "SinkSpec",
    "SourceSpec",
    "StreamSpec",
    "StreamingSpec",
    "TableSpec",
    "WarehouseSink",
    "load_pipeline",
    "load_pipelines",
    "read_pipelines",
]
