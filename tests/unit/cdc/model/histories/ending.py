"""The end of a history: everything comes to rest, and both sinks are held against the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc.model.kept import Kept
from tests.unit.cdc.model.histories.delivery import Sink
from tests.unit.cdc.model.histories.source import KEYS

if TYPE_CHECKING:
    from tests.unit.cdc.model.histories.world import World

LONGEST_WAIT = 400


class NotDrainedError(AssertionError):
    """A history came to no end."""


class DifferentError(AssertionError):
    """Readers do not see what the source has."""


def finish(world: World) -> None:
    """Drain and check; then upkeep, reading again, and upkeep after retention, each with a check.

    A table that has to be compared is compared again once a part of the topic was read again: upkeep removes
    what lies below a truncate floor whatever older rows may come again, and those of a window can lie above.
    """
    drain(world)
    check(world, "drained")
    world.upkeep(0, 0)
    for sink in world.sinks:
        begin, ends = world.topic.starts, world.topic.ends
        halves = [(start + end) // 2 for start, end in zip(begin, ends, strict=True)]
        for _ in world.act.reread(sink, begin, halves):
            pass
    if world.connector.suspect:
        _mend(world)
    check(world, "upkeep, then half the topic read again")
    for number in (0, 1):
        world.from_the_beginning(number, 0)
    drain(world)
    check(world, "the topic read again")
    world.upkeep(1, 0)
    check(world, "upkeep after retention")


def drain(world: World) -> None:
    """Let everything come to rest: the last fix, every parked table, every dead letter."""
    quiet_source(world)
    for sink in world.sinks:
        for zombie in sink.zombies:
            for _ in range(LONGEST_WAIT):
                zombie.step()
        sink.zombies = []
    while world.jobs:
        world.work(0, 5)
    run_queries_to_the_end(world)
    waits = any(sink.parked or sink.resuming or sink.doubtful() for sink in world.sinks)
    if waits or world.connector.suspect:
        # A repair too needs code that holds the row; what it cannot write is told, and no dead letter.
        world.widen(0, 0)
        run_queries_to_the_end(world)
    for sink in world.sinks:
        for work in (world.act.resume(sink), world.act.replay(sink)):
            for _ in work:
                pass
    run_queries_to_the_end(world)
    _mend(world)


def quiet_source(world: World) -> None:
    """End every transaction and deliver every change."""
    for session in (0, 1):
        world.source.commit(session)
    for _ in range(LONGEST_WAIT):
        if world.connector.idle:
            return
        if world.connector.state == "new":
            world.connector.start(initial=True)
        if world.connector.in_window:
            world.connector.window()
        world.connector.step(50, 1)
    raise NotDrainedError("the connector does not come to the end")


def run_queries_to_the_end(world: World) -> None:
    """Deliver whatever the topic has."""
    for sink in world.sinks:
        for _ in range(LONGEST_WAIT):
            if sink.batch is None and sink.planned is None and sink.committed == world.topic.ends:
                break
            world.deliver_one(sink, 0)
        else:
            raise NotDrainedError("a query does not come to the end")


def _mend(world: World) -> None:
    """Repair what a comparison finds when one is due, and rows that older code wrote for good."""
    compares = world.connector.suspect and world.rules.compares_when_suspect
    for sink in world.sinks:
        for key in KEYS:
            seen = sink.table.view().get(key)
            differs = (seen[:2] if seen else None) != world.source.rows.get(key)
            if (compares and differs) or _is_old(world, sink, sink.table.newest(key)):
                for _ in world.act.repair(sink, key):
                    pass


def _is_old(world: World, sink: Sink, stored: Kept | None) -> bool:
    """Whether older code wrote a row that reading the topic again does not reach: a repair, or long ago."""
    if stored is None or stored.deleted or stored.values[2] == sink.spec.number:
        return False
    unreachable = stored.version & 1 or stored.version < world.topic.earliest()[stored.partition]
    return bool(unreachable) and world.rules.refreshes_repairs_after_a_fix


def check(world: World, when: str) -> None:
    """The oracle.

    Raises:
        DifferentError: says what readers of a sink see and what the source has.
    """
    for sink, name in zip(world.sinks, ("clickhouse", "warehouse"), strict=True):
        expected = {key: (*row, sink.spec.number) for key, row in world.source.rows.items()}
        seen = sink.table.view()
        if seen != expected:
            raise DifferentError(f"{when}: {name} shows {seen}, the source has {expected}")
