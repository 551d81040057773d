"""Applies the rule of `cdc.model.toast` to partial events, and asks what it needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from cdc.errors import SchemaChangedError
from cdc.model.floors import NO_FLOOR
from cdc.model.toast import (
    Choice,
    Origin,
    Partial,
    Question,
    State,
    Stored,
    from_records,
    from_sink,
    source_version,
)
from cdc.spec import ColumnSpec
from cdc_spark.schemas.arrow import arrow_type
from cdc_spark.transformations.cdc_transformer import TableContext, Trust, exact_notes, source_columns
from cdc_spark.transformations.envelopes import Envelopes
from cdc_spark.transformations.keys import Identity, comparable
from cdc_spark.transformations.lookups import SourceRows
from cdc_spark.transformations.memory import Block, Place, TaskMemory, Timeline


@dataclass(frozen=True)
class Hole:
    """A partial event among the rows.

    Attributes:
        columns: positions of the columns that it does not say.
        key: Kafka's key.
        old_key, old_identity: of the row before the event moved it; None when not known.
    """

    position: int
    columns: tuple[int, ...]
    event: Partial
    partition: int
    key: bytes
    identity: Identity
    old_key: bytes | None = None
    old_identity: Identity | None = None


@dataclass(frozen=True)
class Decision:
    """What happens to a partial event; without `place` and `unfit` it is not written.

    Attributes:
        place: the row that its values are taken from; of an answer when the number is negative.
        repair: version and LSN of a row that is the source's as a whole.
        unfit: error class and message when the source's row cannot be written.
    """

    state: State
    place: Place | None = None
    repair: tuple[int, int] | None = None
    unfit: tuple[str, str] | None = None

    @property
    def skip(self) -> bool:
        """The event is superseded."""
        return self.place is None and self.unfit is None


class Answers:
    """What sink and source said about keys, each asked once.

    Attributes:
        pools: rows that were found, in the order in which they were asked for; pool -1 is the first.
    """

    def __init__(self, context: TableContext) -> None:
        self._context = context
        self.pools: list[pa.Table] = []
        self._stored: dict[Identity, tuple[Stored, Place] | None] = {}
        self._letters: set[bytes] = set()
        self._floor = NO_FLOOR
        self._source: dict[Identity, tuple[Decision, SourceRows | None]] = {}

    @property
    def trusted_from(self) -> int:
        """The LSN below which rows may lack changes."""
        return self._context.trusted_from

    def ask_sink(self, holes: Sequence[Hole]) -> None:
        """Look up the sink's rows and the dead letters of these events' keys, old ones included."""
        both = [h.identity for h in holes] + [h.old_identity for h in holes if h.old_identity is not None]
        identities = [identity for identity in dict.fromkeys(both) if identity not in self._stored]
        raw = {key for h in holes for key in (h.key, h.old_key) if key is not None}
        self._letters |= self._context.lookups.dead_letters(raw)
        answer = self._context.lookups.stored(self._keys(identities))
        self._floor = answer.floor
        self._stored |= dict.fromkeys(identities)
        self.pools.append(answer.rows)
        marks = (answer.rows[name].to_pylist() for name in ("_version", "_lsn", "_is_deleted"))
        for row, (identity, *mark) in enumerate(zip(self._identities(answer.rows), *marks, strict=True)):
            self._stored[identity] = Stored(*mark), (-len(self.pools), row)

    def from_sink(self, hole: Hole, question: Question) -> Choice | None:
        """The rule's decision with the sink's rows; None when they were not looked up yet."""
        asked = [i for i in (hole.identity, hole.old_identity) if i is not None]
        if any(identity not in self._stored for identity in asked):
            return None
        own, old = self._row(hole.identity), self._row(hole.old_identity)
        lagging = self._context.trust is not Trust.SINK
        only_source = lagging or hole.key in self._letters or hole.old_key in self._letters
        return from_sink(
            hole.event,
            question,
            own,
            old,
            floor=self._floor,
            trusted_from=self.trusted_from,
            only_source=only_source,
        )

    def place(self, identity: Identity | None) -> Place | None:
        """Where the sink's row of a key is."""
        found = self._stored.get(identity) if identity is not None else None
        return found[1] if found is not None else None

    def ask_source(self, holes: Sequence[Hole]) -> None:
        """Read the source's rows of these events' keys; a key without a row there is settled as well."""
        every = dict.fromkeys(hole.identity for hole in holes)
        # A part of a key that travels as text (NaN, a moment beyond 294247) is no value to look for.
        unfit = Decision(State.LOST, unfit=("DataError", "the row cannot be looked up by such a key"))
        self._source |= {identity: (unfit, None) for identity in every if None in identity}
        identities = [identity for identity in every if None not in identity]
        if not identities:
            return
        try:
            answer = self._context.lookups.source(self._keys(identities))
        except SchemaChangedError as error:
            unfit = Decision(State.LOST, unfit=(type(error).__name__, str(error)))
            self._source |= dict.fromkeys(identities, (unfit, None))
            return
        events = Envelopes(ops=["u"] * len(answer.values), values=list(answer.values))
        columns, wrong = source_columns(events, self._context)
        rows = pa.table(dict(zip((c.name for c in self._context.table.columns), columns, strict=True)))
        rows = rows.append_column("_note", exact_notes(events))
        self.pools.append(rows)
        self._source |= dict.fromkeys(identities, (Decision(State.SETTLED), None))
        for row, identity in enumerate(self._identities(rows)):
            if row in wrong:
                kind, message = wrong[row]
                unfit = Decision(State.LOST, unfit=(kind, f"at the source: {message}"))
                self._source[identity] = unfit, None
            else:
                self._source[identity] = Decision(State.SETTLED, (-len(self.pools), row)), answer

    def from_source(self, hole: Hole) -> Decision | None:
        """What the source's row makes of an event; None when it was not read yet."""
        decision, answer = self._source.get(hole.identity, (None, None))
        if decision is None or answer is None:
            return decision
        return replace(decision, repair=(_version(hole, answer), answer.lsn))

    def _row(self, identity: Identity | None) -> Stored | None:
        found = self._stored.get(identity) if identity is not None else None
        return found[0] if found is not None else None

    def _keys(self, identities: Sequence[Identity]) -> pa.Table:
        columns = zip(*identities, strict=True)
        return pa.table(
            {
                c.name: pa.array(v, arrow_type(c.pg_type))
                for c, v in zip(self._key_columns, columns, strict=True)
            }
        )

    def _identities(self, rows: pa.Table) -> Iterable[Identity]:
        return zip(*(comparable(rows[column.name]) for column in self._key_columns), strict=True)

    @property
    def _key_columns(self) -> tuple[ColumnSpec, ...]:
        return self._context.table.key_columns


def _version(hole: Hole, answer: SourceRows) -> int:
    """The version of the source's row for an event; an earlier life's topic may have had more partitions."""
    newest = max(generation for steps in answer.generations.values() for _, generation in steps)
    return source_version(hole.event.version, newest, answer.ends.get(hole.partition, 0))


def decide(
    holes: Sequence[Hole], memory: TaskMemory, block: Block, answers: Answers, trust: Trust
) -> dict[int, Decision]:
    """Decide about every partial event of a block, by its position.

    A decision can rest on another one (a row that was filled before), so after each answer all are made anew;
    each round asks for more keys or is the last.
    """
    # Before another event of its row in PostgreSQL's log is before it in the order of decisions.
    ordered = sorted(holes, key=lambda hole: (hole.event.lsn, hole.event.version))
    wanted = frozenset(key for hole in holes for key in (hole.key, hole.old_key) if key is not None)
    changes = memory.changes(block, wanted)
    here = len(memory.blocks)
    while True:
        timelines = {key: Timeline(known) for key, known in changes.items()}
        decisions: dict[int, Decision] = {}
        ask_sink: list[Hole] = []
        ask_source: list[Hole] = []
        for hole in ordered:
            decision = _decide(hole, timelines, memory.forgotten, answers, trust)
            if isinstance(decision, Origin):
                (ask_source if decision is Origin.SOURCE else ask_sink).append(hole)
                decision = Decision(State.WHOLE, (here, hole.position))
            decisions[hole.position] = decision
            timelines[hole.key].decide(hole.event.version, decision.state)
        if ask_sink:
            answers.ask_sink(ask_sink)
        elif ask_source:
            answers.ask_source(ask_source)
        else:
            return decisions


def _decide(
    hole: Hole, timelines: dict[bytes, Timeline], forgotten: bool, answers: Answers, trust: Trust
) -> Decision | Origin:
    """The decision, or who has to be asked before there is one."""
    own = timelines[hole.key].before(hole.event.version)
    old = timelines[hole.old_key].changes if hole.old_key is not None else ()
    if trust is Trust.NOTHING:
        # What the source was asked for stays above every event of the key.
        own, old, forgotten = [change for change in own if change.state is State.SETTLED], (), True
    choice = from_records(hole.event, own, old, trusted_from=answers.trusted_from, forgotten=forgotten)
    if isinstance(choice, Choice):
        if choice.origin is Origin.SOURCE:
            return answers.from_source(hole) or Origin.SOURCE
        if choice.change is None:
            return Decision(State.SETTLED)
        return Decision(State.WHOLE, choice.change.place)
    found = answers.from_sink(hole, choice)
    if found is None:
        return Origin.SINK
    if found.origin is Origin.SUPERSEDED:
        return Decision(State.SKIPPED)
    if found.origin is Origin.SOURCE:
        return answers.from_source(hole) or Origin.SOURCE
    key = hole.identity if found.origin is Origin.SINK else hole.old_identity
    return Decision(State.WHOLE, answers.place(key))
