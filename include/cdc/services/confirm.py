"""Looks at keys whose rows may differ until each is proven to be the same, different, or still changing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cdc.comparison.merge import RowShape, columns_that_differ
from cdc.comparison.queries import compared_columns
from cdc.comparison.report import Difference
from cdc.model.reconcile import Fence, Verdict, judge
from cdc.model.version import is_filled
from cdc.services.checksums import Key
from cdc.services.fences import Fences
from cdc.services.rows_by_key import RowsByKey, SourceRow, StoredRow
from cdc.spec import SinkSpec, TableSpec

KEYS_AT_ONCE = 20_000
"""Keys of one look: their rows are in memory, and all of them wait for the same fences."""
ROUNDS = 5


@dataclass(frozen=True)
class Confirmed:
    """A proven difference.

    Attributes:
        foreign: the version of a row that belongs to no event, which a repair does not win over.
    """

    key: Key
    differences: tuple[Difference, ...]
    foreign: int | None = None


@dataclass
class Findings:
    """What became of the keys that were looked at, by sink.

    Attributes:
        unsettled: keys that changed every time they were looked at.
        lsn: the source's log position at the last look.
        ends: the topic's ends at the last look.
    """

    confirmed: dict[str, dict[Key, Confirmed]] = field(default_factory=dict)
    unsettled: dict[str, set[Key]] = field(default_factory=dict)
    looked_at: int = 0
    lsn: int = 0
    ends: Mapping[int, int] = field(default_factory=dict)

    def add(self, other: Findings) -> None:
        """Take over what another look found."""
        for sink, found in other.confirmed.items():
            self.confirmed.setdefault(sink, {}).update(found)
        for sink, keys in other.unsettled.items():
            self.unsettled.setdefault(sink, set()).update(keys)
        self.looked_at += other.looked_at
        self.lsn, self.ends = max(self.lsn, other.lsn), other.ends or self.ends

    def leave_out(self, sinks: Iterable[str]) -> None:
        """Forget what was found in some sinks."""
        for sink in sinks:
            self.confirmed.pop(sink, None)
            self.unsettled.pop(sink, None)

    @property
    def count(self) -> int:
        """Proven differences: keys in all sinks."""
        return sum(map(len, self.confirmed.values()))


@dataclass(frozen=True)
class _Seen:
    """What one look has seen.

    Attributes:
        stored: rows by sink.
        fences: by partition.
    """

    source: Mapping[Key, SourceRow]
    stored: Mapping[str, Mapping[Key, StoredRow]]
    fences: Mapping[int, Fence]

    def fence(self, stored: StoredRow | None) -> Fence:
        """The fence of a row's partition; a row of a partition that the topic does not have is foreign.

        One that a new build has filled is of no partition: it lies below every event of its generation.
        """
        if stored is None:
            return Fence(0, 0)
        if stored.partition < 0 and is_filled(stored.version):
            every = self.fences.values()
            return Fence(min(fence.begin for fence in every), min(fence.ceiling for fence in every))
        return self.fences.get(stored.partition, Fence(0, -1))

    def is_later(self, stored: StoredRow) -> bool:
        """A row that changed after the source's row was read."""
        return stored.version > self.fence(stored).begin


class Confirmer:
    """Proves differences of one table by the rule of `cdc.model.reconcile`."""

    def __init__(self, table: TableSpec, sinks: Sequence[SinkSpec], rows: RowsByKey, fences: Fences) -> None:
        self._table, self._sinks, self._rows, self._fences = table, sinks, rows, fences
        self._shape = RowShape(
            len(table.key),
            tuple(column.name for column in compared_columns(table)),
            tuple(column.name for column in table.derived),
        )

    def confirm(self, suspects: Mapping[str, Collection[Key]]) -> Findings:
        """Look at keys, by sink, until nothing changes between two looks or the rounds are over."""
        findings = Findings(looked_at=len(set().union(*suspects.values())))
        left = {sink: set(keys) for sink, keys in suspects.items() if keys}
        for _ in range(ROUNDS):
            if not left:
                break
            again: dict[str, set[Key]] = {}
            every = sorted(set().union(*left.values()))
            for at in range(0, len(every), KEYS_AT_ONCE):
                keys = every[at : at + KEYS_AT_ONCE]
                for sink, changed in self._look(keys, left, findings).items():
                    again.setdefault(sink, set()).update(changed)
            left = {sink: keys for sink, keys in again.items() if keys}
        findings.unsettled = left
        return findings

    def _look(
        self, keys: Sequence[Key], suspects: Mapping[str, Collection[Key]], findings: Findings
    ) -> dict[str, set[Key]]:
        """One look at some keys; returns those that changed meanwhile."""
        begins = self._fences.versions(self._fences.ends())
        source, findings.lsn = self._rows.source(keys)
        self._fences.wait_captured(findings.lsn)
        findings.ends = self._fences.ends()
        sinks = [sink for sink in self._sinks if sink.name in suspects]
        for sink in sinks:
            self._fences.wait_written(sink.name, findings.ends)
        stored = {sink.name: self._rows.stored(sink, keys) for sink in sinks}
        ceilings = self._fences.versions(self._fences.ends())
        seen = _Seen(source, stored, {p: Fence(begins[p], ceilings[p]) for p in begins})
        found, changed = Findings(), dict[str, set[Key]]()
        for name in stored:
            asked = [key for key in keys if key in suspects[name]]
            changed[name] = {key for key in asked if self._changed(seen, name, key, found)}
        touched = self._touched(source, set().union(*found.confirmed.values()))
        for name, proven in found.confirmed.items():
            changed[name] |= proven.keys() & touched
            kept = {key: item for key, item in proven.items() if key not in touched}
            findings.confirmed.setdefault(name, {}).update(kept)
        return changed

    def _touched(self, source: Mapping[Key, SourceRow], keys: Collection[Key]) -> set[Key]:
        """Those of the keys whose rows at the source were written since they were read."""
        if not keys:
            return set()
        now, _ = self._rows.source(sorted(keys))
        return {key for key in keys if source.get(key) != now.get(key)}

    def _changed(self, seen: _Seen, sink: str, key: Key, findings: Findings) -> bool:
        """Whether a key has to be looked at again; what is proven of it is noted."""
        mine = seen.stored[sink].get(key)
        others = [rows[key] for name, rows in seen.stored.items() if name != sink and key in rows]
        differences = self._differences(sink, key, seen.source.get(key), mine, others)
        version = mine.version if mine is not None else None
        verdict = judge(version, seen.fence(mine), same=not differences)
        derived_only = all(difference.kind == "disagreeing" for difference in differences)
        if verdict is Verdict.REAL and derived_only and any(seen.is_later(row) for row in others):
            # The other sink is ahead, and its derived columns may be those of a later row.
            return True
        if verdict in (Verdict.REAL, Verdict.FOREIGN):
            foreign = version if verdict is Verdict.FOREIGN else None
            found = tuple(differences) or (Difference("foreign", sink, key),)
            findings.confirmed.setdefault(sink, {})[key] = Confirmed(key, found, foreign)
        return verdict is Verdict.CHANGED

    def _differences(
        self,
        sink: str,
        key: Key,
        source: SourceRow | None,
        mine: StoredRow | None,
        others: Sequence[StoredRow],
    ) -> list[Difference]:
        row = mine.row if mine is not None else None
        expected = source.row if source is not None else None
        if row is None:
            return [] if expected is None else [Difference("missing", sink, key)]
        if expected is None:
            return [Difference("extra", sink, key)]
        found = [
            Difference("differing", sink, key, *column)
            for column in columns_that_differ(self._shape.columns, expected, row)
        ]
        width = len(self._shape.columns)
        for other in others:
            if other.row is not None and other.row[:width] == row[:width]:
                found += [
                    Difference("disagreeing", sink, key, *column)
                    for column in columns_that_differ(self._shape.derived, other.row[width:], row[width:])
                ]
        return found
