"""Both sides of the bench, put up and taken down: our stream's driver, and a peer's connector."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from cdc.clients.connect import ConnectClient
from cdc.errors import UnavailableError
from local_stack.bench import peers
from local_stack.bench.components import PeerConnect
from local_stack.bench.drain import Side
from local_stack.bench.driver import StreamDriver
from local_stack.bench.envelopes import Layout
from local_stack.bench.place import PARTITIONS, Place
from local_stack.bench.shapes import Shape
from local_stack.bench.sinks import ClickHouseTable, PostgresTable, SinkTable
from local_stack.component import StackContext
from local_stack.components.clickhouse import find_binary
from local_stack.supervisor.record import read_record

SINKS = ("clickhouse", "warehouse")
_numbers = itertools.count(1)
PEER_NAMES = {"clickhouse": peers.CLICKHOUSE_SINK, "warehouse": peers.JDBC_SINK}


@dataclass(frozen=True)
class PeerRunner:
    """A peer's connector on its worker."""

    connect: ConnectClient
    name: str
    pids: tuple[int, ...]

    def problem(self) -> str | None:
        """The trace of a task that has failed."""
        status = self.connect.status(self.name)
        if status is None or not status.failed:
            return None
        causes = [line for line in status.failed.splitlines() if line.startswith("Caused by")]
        return f"{self.name} has failed: {' | '.join(causes or [status.failed])[:2000]}"


def component_pid(ctx: StackContext, name: str) -> int:
    """The process of a component of the running stack.

    Raises:
        UnavailableError: it does not run.
    """
    record = read_record(ctx.home)
    for component in record.components if record else ():
        if component.name == name and component.pid:
            return component.pid
    raise UnavailableError(f"{name} does not run in {ctx.home}: see its log")


def our_table(place: Place, sink: str, shape: Shape) -> SinkTable:
    """A table that our stream writes, read through the readers' view."""
    raw, view = f"{place.name}_raw.{shape.name}", f"{place.name}.{shape.name}"
    if sink == "clickhouse":
        return ClickHouseTable(place.clickhouse(), shape, raw, view)
    return PostgresTable(place.postgres("cdc_warehouse"), shape, raw, view)


def peer_table(place: Place, sink: str, shape: Shape) -> SinkTable:
    """A table that a peer writes."""
    if sink == "clickhouse":
        name = f"{peers.DATABASE}.{shape.name}"
        return ClickHouseTable(place.clickhouse(), shape, name, f"{name} FINAL WHERE __deleted = 'false'")
    name = f"public.{peers.PREFIX}{shape.name}"
    return PostgresTable(place.postgres("cdc_warehouse"), shape, name, name)


def make_peer_tables(place: Place, sink: str, shapes: Sequence[Shape]) -> None:
    """Make a peer's tables anew."""
    if sink == "clickhouse":
        client: Any = place.clickhouse()
        client.command(f"CREATE DATABASE IF NOT EXISTS {peers.DATABASE}")
        for shape in shapes:
            client.command(f"DROP TABLE IF EXISTS {peers.DATABASE}.{shape.name}")
            client.command(peers.create_clickhouse_table(shape))
        return
    with place.postgres("cdc_warehouse") as connection:
        for shape in shapes:
            connection.execute(f"DROP TABLE IF EXISTS public.{peers.PREFIX}{shape.name}")
            connection.execute(peers.create_postgres_table(shape))


@contextmanager
def peer_connector(place: Place, sink: str, shapes: Sequence[Shape]) -> Iterator[PeerRunner]:
    """The peer of a sink over a place's topics, into new tables, from the topics' beginning."""
    make_peer_tables(place, sink, shapes)
    worker = PeerConnect()
    connect = ConnectClient(worker.url(place.ctx))
    topics = {place.topic(shape): shape.name for shape in shapes}
    connections = place.connections()
    if sink == "clickhouse":
        config = peers.clickhouse_sink(
            connections.get("cdc_clickhouse"), topics, tasks=PARTITIONS, embedded=find_binary() is None
        )
    else:
        config = peers.jdbc_sink(connections.get("cdc_warehouse"), list(topics), tasks=PARTITIONS)
    # A name of its own gives each one a consumer group without offsets.
    name = f"{PEER_NAMES[sink]}-{place.name}-{next(_numbers)}"
    # The ClickHouse sink tells several lines of each insert, which costs it time.
    quiet = requests.put(f"{worker.url(place.ctx)}/admin/loggers/root", json={"level": "WARN"}, timeout=30)
    quiet.raise_for_status()
    connect.put(name, {**config, "name": name})
    try:
        connect.wait_running(name)
        yield PeerRunner(connect, name, (component_pid(place.ctx, worker.name),))
    finally:
        connect.delete(name)


@contextmanager
def drain_sides(
    ours: Place, theirs: Place | None, sink: str, layouts: Sequence[tuple[Layout, Layout]]
) -> Iterator[tuple[Side, ...]]:
    """The sides of a drain into one sink.

    Args:
        ours: the pipeline of our stream.
        theirs: names the peer's topics; None when there is no peer.
        sink: its name.
        layouts: for each shape, how our events and the peer's are written.

    Afterwards the topics are gone: those of all drains would take 45 GB.
    """
    server = (component_pid(ours.ctx, sink),)
    ours.write()
    ours.make_objects()
    with ExitStack() as exit_stack:
        for place in (ours, theirs):
            if place is not None:
                exit_stack.callback(place.kafka().delete_topics, map(place.topic, place.shapes))
        driver = exit_stack.enter_context(StreamDriver(ours, sink))
        tables = tuple(our_table(ours, sink, shape) for shape in ours.shapes)
        topics = tuple(map(ours.topic, ours.shapes))
        own = tuple(layout for layout, _ in layouts)
        sides = [Side("ours", driver, ours.bootstrap, topics, own, tables, server, tombstones=True)]
        if theirs is not None:
            topics = tuple(map(theirs.topic, theirs.shapes))
            for topic in topics:
                theirs.kafka().create_topic(topic, PARTITIONS, 86_400_000)
            runner = exit_stack.enter_context(peer_connector(theirs, sink, theirs.shapes))
            tables = tuple(peer_table(theirs, sink, shape) for shape in theirs.shapes)
            other = tuple(layout for _, layout in layouts)
            name = PEER_NAMES[sink]
            sides.append(
                Side(name, runner, theirs.bootstrap, topics, other, tables, server, tombstones=False)
            )
        yield tuple(sides)
