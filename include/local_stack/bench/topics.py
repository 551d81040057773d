"""Preloaded topics: the same changes in both encodings, each in one transaction that is committed at will.

Consumers read committed records only, as of Debezium's exactly-once topics. Records of an open transaction
are in the log and not visible, so the commit is the moment at which a backlog begins to be drained, by
consumers that run and are warm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Producer

from cdc.errors import UnavailableError
from local_stack.bench.envelopes import Layout, Position
from local_stack.bench.workload import Change

FLUSH_S = 120.0
FULL_S = 0.05
_LSN = 1 << 33


@dataclass
class Sizes:
    """What was written."""

    events: int = 0
    records: int = 0
    bytes: int = 0

    @property
    def per_event(self) -> float:
        """Bytes of an event, key and tombstones included."""
        return self.bytes / self.events if self.events else 0.0


class Preload:
    """One producer and one open transaction for the topics of one side."""

    def __init__(self, bootstrap: str, name: str, layouts: Mapping[str, Layout], *, tombstones: bool) -> None:
        """Open a transaction.

        Args:
            bootstrap: the broker.
            name: of the transaction; no other preload has it.
            layouts: by topic.
            tombstones: write a null record after each delete.
        """
        self.sizes = Sizes()
        self._layouts, self._tombstones = layouts, tombstones
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": name,
                "transaction.timeout.ms": 900_000,
                "linger.ms": 20,
                "batch.size": 1 << 20,
                "queue.buffering.max.kbytes": 256 << 10,
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )
        self._producer.init_transactions(30)
        self._producer.begin_transaction()

    def write(self, topic: str, change: Change, partition: int, at: Position) -> None:
        """One change, and the null record that follows a delete."""
        layout = self._layouts[topic]
        key = layout.render_key(change.key)
        value = layout.render(change, at)
        self._produce(topic, partition, key, value)
        self.sizes.events += 1
        if change.op == "d" and self._tombstones:
            self._produce(topic, partition, key, None)

    def flush(self) -> None:
        """Wait until everything is in the log.

        Raises:
            UnavailableError: Kafka does not take it.
        """
        if self._producer.flush(FLUSH_S):
            raise UnavailableError(f"Kafka has not taken the events within {FLUSH_S:.0f} s: see its log")

    def commit(self) -> float:
        """Make the records visible; returns the time just before, on the monotonic clock."""
        begun = time.monotonic()
        self._producer.commit_transaction(60)
        return begun

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
                break
            except BufferError:
                self._producer.poll(FULL_S)
        self.sizes.records += 1
        self.sizes.bytes += len(key) + len(value or b"")
        if self.sizes.records % 10_000 == 0:
            self._producer.poll(0)


class Positions:
    """Log positions and transactions that go up, in transactions of some changes."""

    PER_TRANSACTION = 10

    def __init__(self) -> None:
        """Begin at a position that no real log of the bench reaches."""
        self._made = 0

    def next(self) -> Position:
        """The next change's position; times are the present."""
        self._made += 1
        transaction, within = divmod(self._made, self.PER_TRANSACTION)
        lsn = _LSN + self._made * 160
        commit = _LSN + transaction * self.PER_TRANSACTION * 160
        now = time.time_ns()
        sequence = f'"[\\"{commit}\\",\\"{lsn}\\"]"'
        return Position(lsn, 10_000 + transaction, sequence, now - now % 1000 - within * 1000, now)
