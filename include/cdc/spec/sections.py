"""The sections of a pipeline beside tables and sinks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from cdc.errors import DataError
from cdc.spec import names
from cdc.spec.base import ConnectionId, Slug, Spec
from cdc.spec.schedules import check_schedule

Schedule = Annotated[str, AfterValidator(check_schedule)] | None
Positive = Annotated[int, Field(gt=0)]


class SourceSpec(Spec):
    """The source database and what the platform owns in it.

    Attributes:
        connection: the role that Debezium logs in with.
        admin_connection: the tables' owner, for the publication, grants and discovery, and for what reads the
            source beside capture: comparisons, watermarks, the slot's check.
        signal_table, heartbeat_table: `schema.table`, made by `cdc apply`.
        poll_interval_ms: how often Debezium looks for changes; its own default is 500. Each look that finds
            some is a transaction in Kafka. 20 instead of 50 takes 0.035 s off an event's way to Kafka
            (docs/benchmarks).
    """

    connection: ConnectionId
    admin_connection: ConnectionId
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    connector: Slug
    slot: Slug
    publication: Slug
    signal_table: str = "cdc.signal"
    heartbeat_table: str = "cdc.heartbeat"
    heartbeat_interval_ms: Positive = 5000
    poll_interval_ms: Positive = 20

    @field_validator("signal_table", "heartbeat_table")
    @classmethod
    def _two_names(cls, value: str) -> str:
        try:
            return names.join_qualified(*names.split_qualified(value))
        except DataError as error:
            raise ValueError(str(error)) from None

    def topic(self, table: str) -> str:
        """The topic of a table that is named `schema.table`."""
        return names.topic_name(self.topic_prefix, *names.split_qualified(table))


class KafkaSpec(Spec):
    """Kafka, and how the pipeline's topics are made there."""

    connection: ConnectionId
    partitions: Positive = 3
    replication_factor: Positive = 1
    retention_hours: Positive = 168


class ServiceSpec(Spec):
    """A service that is only a connection: Kafka Connect, the ops store."""

    connection: ConnectionId


class StreamingSpec(Spec):
    """Spark's side: trigger, batch size and the size of each application."""

    trigger_ms: Annotated[int, Field(ge=0)] = 500
    max_offsets_per_trigger: Positive = 200_000
    driver_memory_mb: Annotated[int, Field(ge=384)] = 512
    executor_memory_mb: Annotated[int, Field(ge=384)] = 512
    executor_cores: Positive = 2
    executors: Positive = 1
    lease_s: Annotated[int, Field(ge=10)] = 60


class MaintenanceSpec(Spec):
    """What upkeep may use, and how long things are kept.

    Attributes:
        max_merge_gb: the most that one run merges in a ClickHouse sink, compressed.
        max_minutes: after so long no other merge or purge is begun.
        max_running_merges: so many merges that run already are enough.
        horizon_age_minutes: tombstones go only behind what Kafka's beginning was so long ago, which is longer
            than any replay, repair or batch takes.
        retention_days: of batches, alerts, reports and replayed dead letters in the ops store.
    """

    max_merge_gb: Annotated[float, Field(gt=0)] = 50
    max_minutes: Positive = 60
    max_running_merges: Positive = 4
    horizon_age_minutes: Annotated[int, Field(ge=0)] = 360
    retention_days: Positive = 30


class PoliciesSpec(Spec):
    """Service levels; a breach fails the health DAG and sends a mail.

    Schedules are cron expressions or Airflow's presets, in UTC. The default ones are minutes apart, so that a
    small machine is not asked for everything at once.

    Attributes:
        restart_schedule: when the pipeline's streams are restarted, one after the other; by default never.
        max_start_s: how long a launched stream may take until its first progress.
        max_slot_inactive_s: how long nothing may read the replication slot.
        min_slot_minutes_left: the least time until the source gives the slot up, at the present rate.
        max_watermark_minutes: how old what a table is complete up to may be.
        max_dead_letters: how many may wait open without an alert.
        connector_restarts_per_hour: how often failed connector tasks are restarted by themselves; 0: never.
        reminder_minutes: how long an alert that goes on is silent.
        reconcile_deadline_minutes, maintenance_deadline_minutes: a run that takes longer is an alert.
        reconcile_schedule: when source and sinks are compared; a run's data interval is the time since the
            one before.
        reconcile_windows: a run of the schedule compares only rows whose `event_time` lies in its interval,
            instead of every row; a backfill always does so.
        partitions_schedule: when tables whose partitions or definition changed without events are looked for.
        reconcile_repair: mend what is proven to differ, instead of only telling it.
    """

    max_progress_age_s: Positive = 120
    max_start_s: Positive = 300
    max_offsets_behind: Positive = 100_000
    max_checkpoint_lag: Positive = 100_000
    max_slot_retained_mb: Positive = 2048
    max_slot_inactive_s: Positive = 300
    min_slot_minutes_left: Positive = 120
    max_watermark_minutes: Positive = 30
    max_dead_letters: Annotated[int, Field(ge=0)] = 0
    connector_restarts_per_hour: Annotated[int, Field(ge=0, le=20)] = 3
    reminder_minutes: Positive = 60
    reconcile_deadline_minutes: Positive = 240
    maintenance_deadline_minutes: Positive = 180
    health_schedule: Schedule = "*/5 * * * *"
    connectors_schedule: Schedule = "@hourly"
    restart_schedule: Schedule = None
    reconcile_schedule: Schedule = "@daily"
    partitions_schedule: Schedule = "8-59/30 * * * *"
    reconcile_repair: bool = True
    reconcile_windows: bool = False
    watermarks_schedule: Schedule = "2-59/5 * * * *"
    maintenance_schedule: Schedule = "17 3 * * *"
    maintenance: MaintenanceSpec = MaintenanceSpec()
    schema_schedule: Schedule = "4-59/10 * * * *"


class AlertsSpec(Spec):
    """Who hears of a breach.

    Attributes:
        connection: the SMTP server's.
        webhook: the connection of a Slack-shaped webhook, which hears the same; its address is a secret, so
            it is in the connection, as Airflow's Slack webhooks have it (host, and the token as password).
    """

    connection: ConnectionId
    sender: Annotated[str, Field(alias="from", min_length=3)]
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    webhook: ConnectionId | None = None
