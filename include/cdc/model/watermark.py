"""Whether a table is complete in a sink, judged from facts that were read in the right order. Pure.

The order is the proof (`docs/adr/0010-watermarks-are-proven.md`):

1. the heartbeat's row, then the end of the source's log, L: what began before the row's `oldest_xact` has
   ended, and if it was committed, its commit lies before L;
2. the slot's confirmed LSN F, once it has reached L: all up to F is in Kafka;
3. the state of snapshots, then the topics' end offsets E;
4. what each query has committed; then what is parked, a dead letter, or known to be missing.

A table whose query has passed E, and of which nothing was set aside, has every transaction whose commit ends
at or below F, and so every one that began before `oldest_xact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Offsets = Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class Fence:
    """Steps 1 to 3.

    Attributes:
        lsn: F.
        complete_until: before this no transaction of the source is open; None when the source cannot tell.
        ends: E, read uncommitted, of the pipeline's topics.
        snapshots: why a source table's snapshot is not known to be complete, by `schema.table`; the entry
            `""` is about every table.
        anew: why a topic is not the one whose offsets were recorded, by topic.
    """

    lsn: int
    complete_until: datetime | None
    ends: Offsets
    snapshots: Mapping[str, str] = field(default_factory=dict)
    anew: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SinkFacts:
    """Step 4, of one table in one sink.

    Attributes:
        committed: the query's offsets of the table's topic; a partition that is missing is at 0.
        parked: the reason; empty when the table is not parked.
        dead_letters: how many are open.
        gap: why changes are missing for good; empty when none is known to be.
    """

    committed: Mapping[int, int] = field(default_factory=dict)
    parked: str = ""
    dead_letters: int = 0
    gap: str = ""


@dataclass(frozen=True)
class Watermark:
    """What is known of one table in one sink.

    Attributes:
        lsn: every transaction whose commit ends at or below it is there; None when none was proven yet.
        complete_until: every transaction that began before is there.
        proven_at: when.
        doubt: why the last look proved nothing; empty when it did.
    """

    pipeline: str
    table: str
    sink: str
    lsn: int | None = None
    complete_until: datetime | None = None
    proven_at: datetime | None = None
    doubt: str = ""

    @property
    def holds(self) -> bool:
        """The last look proved it."""
        return self.lsn is not None and not self.doubt

    @property
    def text(self) -> str:
        """`LSN, complete before TIME`, or the doubt."""
        if not self.holds or self.lsn is None:
            return self.doubt or "not proven yet"
        until = "" if self.complete_until is None else f", complete before {_second(self.complete_until)}"
        return f"{lsn_text(self.lsn)}{until}"


def behind(fence: Fence, topic: str, facts: SinkFacts) -> int:
    """How many offsets of the topic the query has not committed yet, up to the fence."""
    ends = fence.ends.get(topic, {})
    return sum(max(0, end - facts.committed.get(partition, 0)) for partition, end in ends.items())


def ends_early(ends: Offsets, topic: str, committed: Mapping[int, int]) -> str:
    """Why a topic is not the one that was read, when it has less than that; empty when it has it all.

    Args:
        ends: of the topics, asked after what was committed.
        topic: the topic.
        committed: a query's offsets of it.
    """
    known = ends.get(topic, {})
    less = {p: (offset, known.get(p, 0)) for p, offset in committed.items() if offset > known.get(p, 0)}
    if not less:
        return ""
    said = ", ".join(
        f"partition {p} was read up to {read} and ends at {end}" for p, (read, end) in less.items()
    )
    return f"topic {topic} has less than was read of it, as after a restore of Kafka: {said}"


def doubt_of(fence: Fence, source: str, topic: str, facts: SinkFacts) -> str:
    """Why a table is not proven complete in a sink; empty when it is.

    Args:
        fence: steps 1 to 3.
        source: `schema.table`.
        topic: the table's.
        facts: step 4.
    """
    if topic not in fence.ends:
        return f"topic {topic} does not exist yet: run DAG cdc_connectors"
    if facts.parked:
        return f"the table is parked: {facts.parked}"
    if why := fence.anew.get(topic) or fence.snapshots.get(source) or fence.snapshots.get(""):
        return why
    if facts.gap:
        return f"changes are missing: {facts.gap}"
    if facts.dead_letters:
        return f"{facts.dead_letters} dead letter(s) were not replayed: `cdc dead-letters list`"
    if left := behind(fence, topic, facts):
        return f"{left:,} offsets were not written yet"
    return ""


def lsn_number(text: str) -> int:
    """`16/B374D848` as a number."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(lsn: int) -> str:
    """The form in which PostgreSQL writes an LSN."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
