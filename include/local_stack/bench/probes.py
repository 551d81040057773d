"""Probes: rows whose way is timed, from the commit at the source to Kafka and to each sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
from confluent_kafka import Consumer, TopicPartition

from cdc.errors import UnavailableError
from local_stack.bench.load import PROBES
from local_stack.bench.shapes import Shape
from local_stack.bench.sinks import SinkTable

EVERY_S = 0.25
LOOK_S = 0.015
LAST_S = 180.0
PARTITIONS = 3
_MARK = str(PROBES)[:8].encode()
"""In the key of every probe, and hardly in any other."""


@dataclass
class Sightings:
    """When each probe was seen at one place, by its number; seconds on the monotonic clock.

    Attributes:
        unseen: the first number that was not seen yet.
    """

    unseen: int
    seen: dict[int, float] = field(default_factory=dict)

    def add(self, numbers: Iterable[int], at: float) -> None:
        """These are visible, for the first time or again."""
        for number in numbers:
            self.seen.setdefault(number, at)
        while self.unseen in self.seen:
            self.unseen += 1


class Probes:
    """Commits a probe every quarter of a second, and watches where it has come to.

    Args:
        connection: to the source, used by the probing thread alone.
        sinks: the tables to watch, by name.
        made: how many changes the load has committed.
        first: the number of the first probe; a sink may have earlier ones.
        look_s: how long a watcher of a sink waits between two looks, each of which costs the machine.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        shape: Shape,
        sinks: Mapping[str, SinkTable],
        made: Callable[[], int],
        first: int,
        look_s: float = LOOK_S,
    ) -> None:
        self._connection, self._table, self._made, self.first = connection, shape.source, made, first
        self._look_s = look_s
        self.committed: dict[int, float] = {}
        self.made_at: dict[int, int] = {}
        self._base = made()
        self._committed_until = first
        self.places = {name: Sightings(first) for name in sinks}
        self._last, self._end = threading.Event(), threading.Event()
        self.problem: str | None = None
        self._threads = [threading.Thread(target=self._guard, args=(self._commit,), daemon=True)]
        for name, table in sinks.items():
            watch = self._watcher(table, self.places[name])
            self._threads.append(threading.Thread(target=self._guard, args=(watch,), daemon=True))

    def watch_topic(self, bootstrap: str, topic: str, name: str) -> None:
        """Watch a topic too: when a consumer of committed records gets the probe."""
        place = self.places[name] = Sightings(self.first)

        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap, "group.id": "bench-probes", "enable.auto.commit": False,
                "isolation.level": "read_committed", "fetch.wait.max.ms": 20, "log_level": 0,
            }
        )  # fmt: skip
        ends = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        # Now, before the first probe is committed, which would else be missed and waited for in vain.
        for end in ends:
            end.offset = consumer.get_watermark_offsets(end, timeout=10)[1]
        consumer.assign(ends)

        def watch() -> None:
            try:
                while not self._end.is_set():
                    for message in consumer.consume(500, 0.02):
                        key = message.key() if message.error() is None else None
                        if key is not None and _MARK in key:
                            document = orjson.loads(key)
                            number = document.get("payload", document)["id"] - PROBES
                            place.add([number], time.monotonic())
            finally:
                consumer.close()

        self._threads.append(threading.Thread(target=self._guard, args=(watch,), daemon=True))

    def start(self) -> None:
        """Begin to commit and to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Commit no more, wait until the last one is visible everywhere, and end."""
        self._last.set()
        self._threads[0].join()
        deadline = time.monotonic() + LAST_S
        until = self._committed_until
        while self.problem is None and any(place.unseen < until for place in self.places.values()):
            if time.monotonic() > deadline:
                self.problem = f"the last probe was not seen everywhere within {LAST_S:.0f} s"
            time.sleep(0.05)
        self._end.set()
        for thread in self._threads:
            thread.join()
        if self.problem is not None:
            raise UnavailableError(self.problem)

    def all_begun(self) -> bool:
        """The first probe was seen everywhere."""
        return all(place.unseen > self.first for place in self.places.values())

    def delays(self, name: str, since: float, until: float) -> list[float]:
        """Seconds from commit to visible, of the probes that were committed in this time."""
        seen = self.places[name].seen
        return [
            seen[probe] - at for probe, at in self.committed.items() if since <= at <= until and probe in seen
        ]

    def lag(self, name: str) -> int:
        """Changes that were committed and are not known to be visible."""
        return self._made() - self.made_at.get(self.places[name].unseen - 1, self._base)

    @property
    def next_number(self) -> int:
        """The first number that later probes may use."""
        return self._committed_until

    def _commit(self) -> None:
        number = self.first
        while not self._last.is_set():
            with self._connection.transaction():
                self._connection.execute(
                    f"INSERT INTO {self._table} VALUES (%s, 1, 'probe', 1.01, 1, NULL, clock_timestamp())",
                    (PROBES + number,),
                )
                self.made_at[number] = self._made()
                at = time.monotonic()
            self.committed[number] = at
            number = self._committed_until = number + 1
            self._last.wait(EVERY_S)

    def _watcher(self, table: SinkTable, place: Sightings) -> Callable[[], None]:
        def watch() -> None:
            while not self._end.is_set():
                if self._committed_until > place.unseen:
                    found = table.beyond(PROBES + place.unseen)
                    place.add((key - PROBES for key in found), time.monotonic())
                time.sleep(self._look_s)

        return watch

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 the measurement ends, with the cause
            self.problem = f"{type(error).__name__}: {error}"
            self._last.set()
