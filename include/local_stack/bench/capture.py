"""Debezium of the bench: one connector for our side, one for the peers, over the same tables."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, TopicPartition

from cdc.clients.connect import ConnectClient
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.services.connector import connector_config
from cdc.services.source_objects import SourceObjects
from cdc.services.topics import Topics
from local_stack.bench.envelopes import Layout, Recorded, layout_of
from local_stack.bench.place import Place
from local_stack.bench.shapes import Shape, makers

RECORD_S = 90.0
PEER_SETTINGS = {
    "key.converter.schemas.enable": "true",
    "value.converter.schemas.enable": "true",
    # Debezium's default, which both peers understand, and the one that is exact.
    "decimal.handling.mode": "precise",
    # A null record after each delete would be one more record to skip for them.
    "tombstones.on.delete": "false",
}
"""What the peers' topics differ in."""


class Capture:
    """A connector over a place's tables, whose topics are the place's.

    Args:
        place: the pipeline.
        schemas: JSON with schemas, which the peers need, instead of without.
        snapshot: read the rows that are there already, instead of later changes alone.
    """

    def __init__(self, place: Place, *, schemas: bool, snapshot: bool = True) -> None:
        self._place, self._schemas, self._snapshot = place, schemas, snapshot
        self._connect = ConnectClient(place.connections().get("cdc_connect").url())

    def register(self) -> None:
        """Make what it needs at the source and in Kafka, register it, and wait until it runs."""
        pipeline, connections = self._place.pipeline(), self._place.connections()
        SourceObjects(pipeline, connections).run(lambda _: None)
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            Topics(pipeline, connections, ops).run(lambda _: None)
        self._connect.put(self._place.name, self._config(connections))
        self._connect.wait_running(self._place.name)

    def stop(self) -> None:
        """Keep the slot and the offsets, take no CPU."""
        self._connect.stop(self._place.name)

    def resume(self) -> None:
        """Go on."""
        self._connect.resume(self._place.name)
        self._connect.wait_running(self._place.name)

    def _config(self, connections: Connections) -> dict[str, str]:
        config = connector_config(self._place.pipeline(), connections)
        if not self._snapshot:
            config["snapshot.mode"] = "no_data"
        return {**config, **PEER_SETTINGS} if self._schemas else config


def record_layouts(places: tuple[Place, ...], shape: Shape) -> tuple[Layout, ...]:
    """Insert and delete a row at the source, and read how each place's Debezium writes that.

    Raises:
        UnavailableError: the events do not come.
        DataError: they cannot be rendered again byte for byte.
    """
    import random

    row = ["0", *(make() for make in makers(shape, random.Random(7)))]  # noqa: S311 - no secret
    values = [None if text == "null" else text.strip('"') for text in row]
    marks = ", ".join(["%s"] * len(values))
    with places[0].postgres("cdc_source_admin") as connection:
        connection.execute(f"INSERT INTO {shape.source} VALUES ({marks})", values)
        connection.execute(f"DELETE FROM {shape.source} WHERE id = 0")
    layouts = []
    for place in places:
        found = read_events(place.bootstrap, place.topic(shape), 2)
        layouts.append(layout_of(found[0], found[1], tuple(row), shape))
    return tuple(layouts)


def read_events(bootstrap: str, topic: str, count: int, partitions: int = 3) -> list[Recorded]:
    """The last events of a topic of which one partition alone has any, without null records."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-look",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found: list[Recorded] = []
        deadline = time.monotonic() + RECORD_S
        while len(found) < count:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                key, value = message.key(), message.value()
                if key is not None and value is not None:
                    found.append(Recorded(key, value))
            if time.monotonic() > deadline:
                raise UnavailableError(f"{topic} has {len(found)} events after {RECORD_S:.0f} s, not {count}")
        return found[-count:]
    finally:
        consumer.close()
