"""The ops store: progress, leases, dead letters, generations and incidents, on the control PostgreSQL."""

from cdc.ops.records import (
    AppliedTable,
    BatchProgress,
    DeadLetter,
    Delivery,
    Draft,
    Launch,
    Repair,
    TableSchema,
)
from cdc.ops.store import OpsStore

__all__ = [
    "AppliedTable",
    "BatchProgress",
    "DeadLetter",
    "Delivery",
    "Draft",
    "Launch",
    "OpsStore",
    "Repair",
    "TableSchema",
]
