"""A connector whose task stops, a slot that nobody reads, a poison message, and sinks that are away."""

from __future__ import annotations

import os
from typing import Any

from confluent_kafka import KafkaException, Producer
from psycopg import sql

from cdc.errors import UnavailableError
from local_stack.components.connect import GROUP
from local_stack.drill.fault import Fault
from local_stack.drill.limits import LIMITS
from local_stack.drill.stage import Stage
from local_stack.drill.watch import IncidentWatch
from local_stack.holding import stop_and_hold
from local_stack.supervisor.hold import release

STATE_LIMIT_S = 60.0
OUTAGE_S = 60.0
FILLER_PIECES, FILLER_BYTES = 8, 8 << 20
FILLER = sql.Identifier("public", "drill_filler")


class StoppedTask(Fault):
    """Somebody else takes the task's transactional id, so Kafka fences the task and it fails."""

    name = "connector-task"
    planted = "a connector task stopped: Kafka fences its producer, and it fails"
    mended_by = "itself: cdc_health restarts failed tasks"

    def plant(self, stage: Stage) -> None:
        """Take the id, and wait until Connect reports the task as failed."""
        connector = stage.pipeline.source.connector
        settings = {
            "bootstrap.servers": stage.session.env["KAFKA_BOOTSTRAP_SERVERS"],
            "transactional.id": f"{GROUP}-{connector}-0",
            "log_level": 0,
        }
        try:
            Producer(settings).init_transactions(30)
        except KafkaException as error:
            raise UnavailableError(f"the task of {connector} cannot be fenced: {error}") from error

        def failed() -> str:
            status = stage.connect.status(connector)
            return status.failed if status else ""

        stage.wait_for(failed, STATE_LIMIT_S, f"the fenced task of {connector} has not failed")

    def watch(self, stage: Stage) -> IncidentWatch:
        """The mail has the trace's first line."""
        return IncidentWatch(f"^connector {stage.pipeline.source.connector}$", "task 0 has failed")

    def undo(self, stage: Stage) -> None:
        """Restart it, should nobody have done so."""
        stage.connect.restart(stage.pipeline.source.connector)


class IdleSlot(Fault):
    """The connector is stopped and the source goes on writing: its log piles up behind the slot."""

    name = "idle-slot"
    planted = "the connector stopped while the source writes 64 MB: the slot is idle and grows"
    mended_by = "DAG cdc_connectors"

    def plant(self, stage: Stage) -> None:
        """Stop the connector on Connect, then write to a table that is not captured."""
        connector = stage.pipeline.source.connector
        stage.connect.stop(connector)

        def stopped() -> bool:
            status = stage.connect.status(connector)
            return status is not None and status.state == "STOPPED" and not status.tasks

        stage.wait_for(stopped, STATE_LIMIT_S, f"connector {connector} has not stopped")
        with stage.at_source() as source:
            source.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (filler bytea)").format(FILLER))
            source.execute(sql.SQL("ALTER TABLE {} ALTER filler SET STORAGE EXTERNAL").format(FILLER))
            for _ in range(FILLER_PIECES):
                source.execute(
                    sql.SQL("INSERT INTO {} VALUES (%s)").format(FILLER), (os.urandom(FILLER_BYTES),)
                )

    def watch(self, stage: Stage) -> IncidentWatch:
        """The mail says how much is held back: no less than was written."""
        slot = stage.pipeline.source.slot
        at_least = r"retained_mb = (6[4-9]|[7-9]\d|\d{3,})\.\d"
        return IncidentWatch(f"^replication slot {slot}$", at_least, LIMITS["max_slot_inactive_s"])

    def mend(self, stage: Stage) -> None:
        """What the mail says."""
        stage.run_dag("cdc_connectors")

    def undo(self, stage: Stage) -> None:
        """Resume the connector, and drop the table."""
        stage.connect.resume(stage.pipeline.source.connector)
        with stage.at_source() as source:
            source.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(FILLER))


class PoisonMessage(Fault):
    """A message in a table's topic that no parser can read."""

    name = "poison-message"
    planted = "a message in a table's topic that is no JSON"
    mended_by = "`cdc dead-letters discard`"

    def __init__(self) -> None:
        """Nothing is sent yet."""
        self._place: tuple[str, str, str] | None = None

    def plant(self, stage: Stage) -> None:
        """Send it as some other program would."""
        found: list[Any] = []
        producer = Producer(
            {"bootstrap.servers": stage.session.env["KAFKA_BOOTSTRAP_SERVERS"], "log_level": 0}
        )
        topic = stage.pipeline.topic(stage.table)
        producer.produce(topic, b"\x00\xff poison", b"drill", on_delivery=lambda *told: found.append(told))
        if producer.flush(30) or not found or found[0][0] is not None:
            raise UnavailableError(f"Kafka does not take a message for {topic}: {found}")
        message = found[0][1]
        self._place = (message.topic(), str(message.partition()), str(message.offset()))

    def watch(self, stage: Stage) -> IncidentWatch:
        """The mail says how many, of which table, in which sink."""
        sinks = [rf"1 of {stage.table.name} in {sink.name}" for sink in stage.pipeline.sinks]
        return IncidentWatch(f"^dead letters of {stage.pipeline.name}$", f"(?s){'.*'.join(sinks)}")

    def mend(self, stage: Stage) -> None:
        """Nothing can mend it, so a person gives it up."""
        if self._place is not None:
            stage.command("dead-letters", "discard", *self._place, "--reason", "planted by a drill", "--yes")

    def undo(self, stage: Stage) -> None:
        """Leave no alarm behind."""
        if self._place is not None:
            topic, partition, offset = self._place
            with stage.ops() as ops:
                planted = ops.dead_letters_at(stage.pipeline.name, topic, int(partition), int(offset))
                ops.discard_dead_letters(planted, "planted by a drill")


class SinkOutage(Fault):
    """A sink's server is stopped, and started again after a minute.

    Args:
        sink_type: the sink's, `clickhouse` or `postgres`.
        component: the server's name in the stack.
    """

    mended_by = "itself: the queries try again"
    lasts_s = OUTAGE_S

    def __init__(self, sink_type: str, component: str) -> None:
        """Nothing is stopped yet."""
        self._type, self._component = sink_type, component
        self.name = f"stop-{component}"
        self.planted = f"{component} stopped for {OUTAGE_S:.0f} s"

    def plant(self, stage: Stage) -> None:
        """Stop it through the supervisor, which starts it again by itself."""
        stop_and_hold(stage.stack, self._component, OUTAGE_S)

    def watch(self, stage: Stage) -> IncidentWatch:
        """The sink's queries fall silent, and only they."""
        sink = stage.sink(self._type).name
        query = stage.stream.query_name(sink)
        return IncidentWatch(f"^query {query}$", "has made no progress for", LIMITS["max_progress_age_s"])

    def undo(self, stage: Stage) -> None:
        """Let it start at once."""
        release(stage.stack.places.home, self._component)
