"""A source table as the rules about its changes see it: as it is, and as it was when the sinks were built."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class OldRows(StrEnum):
    """What the rows that were there before a column was added have in it."""

    NULL = "null"
    CONSTANT = "constant"
    """One value, which the catalogue tells."""
    UNKNOWN = "unknown"
    """A volatile default, an identity, a generated column, or a table that was rewritten since: only the rows
    themselves tell."""


@dataclass(frozen=True)
class FoundColumn:
    """A column of the source.

    Attributes:
        type: as a pipeline file says it.
        number: PostgreSQL's number of the column, which a rename keeps and nothing else has ever again.
        old_rows: what rows have that were there before the column.
        constant: of a constant, PostgreSQL's text of the value.
        refusal: why it cannot be captured; empty when it can.
        unpublished: it is generated, and no event has it.
        parts: of a user's type, also within arrays, domains and ranges: each label of an enum, and each
            attribute of a composite with its type, by PostgreSQL's number of it.
    """

    name: str
    type: str
    not_null: bool
    number: int
    old_rows: OldRows = OldRows.NULL
    constant: str | None = None
    values: tuple[str, ...] = ()
    type_name: str = ""
    refusal: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    unpublished: bool = False


@dataclass(frozen=True)
class FoundTable:
    """A table of the source.

    Attributes:
        source: `schema.table`.
        oid: PostgreSQL's number of the table, which a rename keeps.
        numbers_used: the highest number that a column of it has ever had.
        misleading: by `mode`, why events of its changes name no row or a false one; empty when they do not.
        uncapturable: by `mode`, why no event or no reader has all of its changes or rows; empty when they do.
    """

    source: str
    oid: int
    key: tuple[str, ...]
    columns: tuple[FoundColumn, ...]
    numbers_used: int
    misleading: Mapping[str, str] = field(default_factory=dict)
    uncapturable: Mapping[str, str] = field(default_factory=dict)

    def built(self, left_out: Collection[str] = ()) -> BuiltFrom:
        """What is remembered of it once the sinks are built from it, without some of its columns."""
        columns = {
            c.name: BuiltColumn(c.number, c.type, c.not_null, c.parts, c.name not in left_out)
            for c in self.columns
        }
        return BuiltFrom(self.oid, self.key, columns, self.numbers_used)


@dataclass(frozen=True)
class BuiltColumn:
    """A column as it was.

    Attributes:
        parts: None when they were not remembered then.
        held: the sinks' rows have its values; not of a column that was left out, then or since.
        left_out: it was when the pipeline was applied last.
    """

    number: int
    type: str
    not_null: bool
    parts: Mapping[str, str] | None = None
    held: bool = True
    left_out: bool = False


@dataclass(frozen=True)
class BuiltFrom:
    """The source's table as it was when the sinks were built or changed the last time.

    Attributes:
        columns: by name; those that were dropped since stay.
        numbers_used: the highest number that a column had when the sinks were built.
        doubted: columns that may have had another type since, which nobody has seen, at whose values the
            connector has stopped.
    """

    oid: int
    key: tuple[str, ...]
    columns: Mapping[str, BuiltColumn]
    numbers_used: int
    doubted: tuple[str, ...] = ()

    @property
    def numbers(self) -> frozenset[int]:
        """Of every column that is remembered, dropped ones too."""
        return frozenset(column.number for column in self.columns.values())

    def holds(self, number: int) -> bool:
        """The sinks' rows have the values of the column with that number, by whatever name, as known."""
        return all(column.held for column in self.columns.values() if column.number == number)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> BuiltFrom:
        """Read what `dataclasses.asdict` made."""
        columns = {name: BuiltColumn(**column) for name, column in document["columns"].items()}
        doubted = tuple(document.get("doubted", ()))
        return cls(document["oid"], tuple(document["key"]), columns, document["numbers_used"], doubted)


def followed(built: BuiltFrom, found: FoundTable, left_out: Collection[str] = ()) -> BuiltFrom:
    """What is remembered once a table's changes are followed: of dropped columns too.

    Args:
        built: what was remembered before.
        found: the source's table now.
        left_out: its columns that the sinks are without.
    """
    columns = dict(built.columns)
    for name, column in found.built(left_out).columns.items():
        before = built.columns.get(name)
        marked = before is not None and before.number == column.number and before.left_out
        columns[name] = replace(column, held=column.held and built.holds(column.number), left_out=marked)
    return replace(built, columns=columns)


def without_values(built: BuiltFrom, found: FoundTable, left_out: Collection[str]) -> BuiltFrom:
    """With the source's columns marked that the sinks' rows lack from now on."""
    columns = {name: replace(column, left_out=False) for name, column in built.columns.items()}
    for name, column in found.built(left_out).columns.items():
        if name in left_out:
            columns[name] = replace(column, left_out=True)
    return replace(built, columns=columns)


def still_without(built: BuiltFrom, known: BuiltFrom, unsent: Collection[str] = ()) -> BuiltFrom:
    """With what is known to be left out of the events by now, of the same table that was built meanwhile.

    Args:
        built: what the new build was made of.
        known: what is remembered now.
        unsent: columns that no event has anyway.
    """
    if built.oid != known.oid:
        return built
    columns = {
        name: replace(column, held=False, left_out=True)
        if (now := known.columns.get(name)) is not None
        and now.left_out
        and now.number == column.number
        and name not in unsent
        else column
        for name, column in built.columns.items()
    }
    return replace(built, columns=columns)


def relabelled(built: BuiltFrom, found: FoundTable) -> BuiltFrom:
    """With the parts of types as they are now, of a table that has not changed otherwise."""
    parts = {column.name: column.parts for column in found.columns}
    columns = {
        name: replace(column, parts=parts.get(name, column.parts)) for name, column in built.columns.items()
    }
    return replace(built, columns=columns)
