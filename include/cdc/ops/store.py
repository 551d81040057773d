"""The ops store: the one door through which facts come up."""

from __future__ import annotations

from cdc.ops.bounded_runs import BoundedRunStore
from cdc.ops.dead_letters import DeadLetterStore
from cdc.ops.gaps import GapStore
from cdc.ops.horizons import HorizonStore
from cdc.ops.incidents import IncidentStore
from cdc.ops.leases import LeaseStore
from cdc.ops.maintenance import MaintenanceStore
from cdc.ops.parking import ParkingStore
from cdc.ops.progress import ProgressStore
from cdc.ops.reconciliations import ReconciliationStore
from cdc.ops.schemas import SchemaStore
from cdc.ops.topics import TopicStore
from cdc.ops.watermarks import WatermarkStore


class OpsStore(
    LeaseStore,
    ProgressStore,
    DeadLetterStore,
    ParkingStore,
    ReconciliationStore,
    SchemaStore,
    TopicStore,
    WatermarkStore,
    GapStore,
    HorizonStore,
    MaintenanceStore,
    BoundedRunStore,
    IncidentStore,
):
    """Everything the platform knows about itself, in schema `cdc_ops` of the control PostgreSQL.

    How it works: one connection for each process, made at the first call and again after a failure; threads
        take
    turns. It can be pickled, so executors can be handed one.

    What it does not do: buffer. A caller that can go on without the store (progress) keeps what could not be
    recorded; one that cannot (dead letters) lets the error through.

    Usage:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            lease = ops.acquire_lease("ecommerce.orders.warehouse", owner, ttl_s=60)
    """
