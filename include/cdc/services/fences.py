"""The fences of a reconciliation: topic ends, what the source has delivered, what a sink has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.generations import Generations, check_topic
from cdc.model.reconcile import fence_version
from cdc.ops import OpsStore
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline, TableSpec

Ends = Mapping[int, int]
"""The end offset of each partition of one topic."""

_POLL_S = 0.2
_SLOT = (
    "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots "
    "WHERE slot_name = %s AND slot_type = 'logical'"
)


@dataclass(frozen=True)
class Patience:
    """How long a fence is waited for.

    Attributes:
        capture_s: until the source's changes are in Kafka.
        sink_s: until a sink has written what is in Kafka.
    """

    capture_s: float = 120.0
    sink_s: float = 300.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Fences:
    """The fences of one table.

    Raises (each method):
        UnavailableError: something does not answer, or is not passed in time.
        ConfigurationError: the pipeline's replication slot does not exist.
        GenerationError: the topic is not the recorded one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        table: TableSpec,
        patience: Patience | None = None,
    ) -> None:
        self._pipeline, self._connections, self._ops = pipeline, connections, ops
        self._table, self._patience = table, patience or Patience()
        self._kafka = kafka_of(pipeline, connections)
        self.topic = pipeline.topic(table)

    def ends(self) -> Ends:
        """The topic's ends now, open transactions included."""
        return self._kafka.end_offsets([self.topic], "read_uncommitted").get(self.topic, {})

    def generations(self) -> Generations:
        """The topic's generations, once it is known to be the recorded topic."""
        actual = self._kafka.topic_identity(self.topic)
        if actual is None:
            raise ConfigurationError(f"Kafka has no topic {self.topic}: run `cdc apply`")
        check_topic(self._ops.topic_identity(self.topic), actual)
        return self._ops.generations([self.topic])

    def versions(self, ends: Ends) -> dict[int, int]:
        """By partition, the version above every event before these ends."""
        generations = self.generations()
        return {p: fence_version(generations.of(self.topic, p, end), end) for p, end in ends.items()}

    def wait_captured(self, lsn: int) -> None:
        """Wait until every transaction that ended at or before this position is in Kafka."""
        source = self._pipeline.source
        connection = self._connections.get(source.admin_connection)
        with connect_postgres(connection, autocommit=True, application_name="cdc-reconcile") as session:

            def confirmed() -> str:
                try:
                    row = session.execute(_SLOT, (source.slot,)).fetchone()
                except psycopg.OperationalError as error:
                    raise UnavailableError(f"the source does not answer: {error}") from error
                if row is None:
                    raise ConfigurationError(
                        f"the source has no replication slot {source.slot!r}, so nothing is captured and "
                        "nothing can be proven: run `cdc apply`"
                    )
                return "" if (row[0] or 0) >= lsn else f"slot {source.slot!r} has confirmed {row[0]} of {lsn}"

            self._wait(confirmed, self._patience.capture_s, "is the connector running? `cdc status` says so")

    def wait_written(self, sink: str, ends: Ends) -> None:
        """Wait until the sink's query has committed up to these ends."""

        def written() -> str:
            newest = self._ops.latest_progress(self._pipeline.name, self._table.stream, sink)
            until = newest[0].until_offsets.get(self.topic, {}) if newest else {}
            behind = {p: end - until.get(p, 0) for p, end in ends.items() if until.get(p, 0) < end}
            return f"{sink} is {sum(behind.values())} offsets behind" if behind else ""

        todo = f"is stream {self._table.stream!r} running? `cdc status` says so"
        self._wait(written, self._patience.sink_s, todo)

    def _wait(self, what: Callable[[], str], limit_s: float, todo: str) -> None:
        patience = self._patience
        deadline = patience.clock() + limit_s
        while why := what():
            if patience.clock() > deadline:
                raise UnavailableError(f"{self._table.source}: {why} after {limit_s:.0f} s; {todo}")
            patience.sleep(_POLL_S)
