"""What begins anew in the middle of a history: a generation of the topic, or a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc.model.parking import ParkedTable
from tests.unit.cdc.model.histories.capture import Connector
from tests.unit.cdc.model.histories.delivery import Sink
from tests.unit.cdc.model.histories.ending import quiet_source, run_queries_to_the_end

if TYPE_CHECKING:
    from tests.unit.cdc.model.histories.world import World

MOST_PARTITIONS = 4


def raise_generation(world: World, what: str) -> None:
    """By its procedure: the queries have read all there is; tables may be parked, and runs be under way."""
    topic = world.topic
    if not world.source.readable:
        return
    if what == "source":
        quiet_source(world)
    run_queries_to_the_end(world)
    if what == "partition" and len(topic.ends) < MOST_PARTITIONS:
        topic.add_partition()
        for sink in world.sinks:
            sink.committed = [*sink.committed, 0]
    elif what == "topic":
        topic.make_anew()
        for sink in world.sinks:
            sink.committed = [0] * len(topic.ends)
            _wait_from_the_beginning(world, sink)
    elif what == "source":
        topic.raise_generation()
        world.source.lsn, world.source.log = 10, []
        suspect = world.connector.suspect
        world.connector = world.act.connector = Connector(world.source, topic)
        world.connector.suspect = suspect
        world.connector.start(initial=True)


def _wait_from_the_beginning(world: World, sink: Sink) -> None:
    """What a parked table had not written went with the topic; it waits from the new one's beginning."""
    if sink.parked or sink.resuming:
        world.connector.suspect = True
        begin = ParkedTable("t", "s", "", dict.fromkeys(range(len(world.topic.ends)), 0))
        sink.parked, sink.resuming = sink.parked and begin, sink.resuming and begin


def renew(world: World, number: int) -> None:
    """A sink is added in the place of one: it is empty, and the topic is read from its beginning.

    What Kafka has not any more has to be read at the source.
    """
    sink = world.sinks[number]
    if any(world.topic.starts) or world.topic.life:
        world.connector.suspect = True
    world.jobs = [job for job in world.jobs if job[1] is not sink]
    world.looks = []
    world.from_the_beginning(number, 0)
    sink.table = type(sink.table)()
    sink.zombies, sink.letters, sink.parked, sink.resuming = [], {}, None, None
    world.raise_fence(sink)
