"""The ops store: progress, leases, dead letters, generations and alerts, on the control PostgreSQL."""

from cdc.ops.records import AppliedTable, BatchProgress, DeadLetter, Launch, Repair, TableSchema
from cdc.ops.store import OpsStore

__all__ = ["AppliedTable", "BatchProgress", "DeadLetter", "Launch", "OpsStore", "Repair", "TableSchema"]
