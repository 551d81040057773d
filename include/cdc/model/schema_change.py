"""What has become of a source table since the sinks were built from it. Pure.

PostgreSQL numbers tables and columns, and never gives a number again; so a renamed column is told from one
that was dropped beside one that was added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cdc.errors import DataError
from cdc.model.source_table import BuiltColumn, BuiltFrom, FoundColumn, FoundTable, OldRows
from cdc.spec import ColumnSpec, TableSpec
from cdc.types import parse_type
from cdc.types.defaults import clickhouse_text


class Kind(StrEnum):
    """How a table changed."""

    ADDED = "added"
    DROPPED = "dropped"
    NULLABLE = "nullable"
    RENAMED = "renamed"
    RETYPED = "retyped"
    REPLACED = "replaced"
    """A column was dropped, and another one has its name."""
    TAKEN_IN = "taken in"
    """A column is declared that was left out before, so the sinks' rows do not have it."""
    UNFIT = "unfit"
    """A column was added that cannot be captured."""
    REKEYED = "rekeyed"
    MOVED = "moved"
    """The table has another name."""
    RECREATED = "recreated"
    """The table was dropped, and another one has its name."""
    GONE = "gone"
    MISLEADING = "misleading"
    """Its replica identity lets events name false rows."""
    DOUBTED = "doubted"
    """The connector has stopped at an event, which may be of a type that a column had for a while."""
    UNCAPTURABLE = "uncapturable"
    """Changes of it are in no event, or rows of it are hidden from who reads them."""


_LABEL = "label "
_ADDITIVE = frozenset({Kind.ADDED, Kind.DROPPED, Kind.NULLABLE})
UNTOLD = frozenset({Kind.MISLEADING, Kind.UNCAPTURABLE})
"""As long as the table is so, its events do not tell what becomes of its rows."""
_NEVER_IGNORED = frozenset(
    {Kind.REPLACED, Kind.TAKEN_IN, Kind.REKEYED, Kind.MOVED, Kind.RECREATED, Kind.GONE, Kind.DOUBTED} | UNTOLD
)
_REBUILDABLE = frozenset(
    {Kind.RENAMED, Kind.RETYPED, Kind.REPLACED, Kind.TAKEN_IN, Kind.REKEYED, Kind.RECREATED, Kind.DOUBTED}
    | _ADDITIVE
)


@dataclass(frozen=True)
class SchemaChange:
    """One difference.

    Attributes:
        sentence: it, for a person.
        column: the column as the sinks have it, or of a new one its name; empty for the whole table.
        renamed_to: a renamed column's name now.
    """

    kind: Kind
    sentence: str
    column: str = ""
    renamed_to: str = ""

    @property
    def additive(self) -> bool:
        """The sinks can follow while the table is written."""
        return self.kind in _ADDITIVE

    @property
    def ignorable(self) -> bool:
        """The table's policy may say to go on without it."""
        return self.kind not in _NEVER_IGNORED

    @property
    def rebuildable(self) -> bool:
        """A new build of the table in the sinks settles it, under the same name and topic."""
        return self.kind in _REBUILDABLE


def changes_of(
    table: TableSpec, built: BuiltFrom, found: FoundTable | None, moved_to: str = ""
) -> tuple[SchemaChange, ...]:
    """Compare.

    Args:
        table: as the sinks have it.
        built: the source's table when the sinks were built.
        found: the source's table of that name now.
        moved_to: the name that the table with the old number has now, when it is another.
    """
    if found is None:
        if moved_to:
            return (SchemaChange(Kind.MOVED, f"{table.source} is named {moved_to} now"),)
        return (SchemaChange(Kind.GONE, f"{table.source} does not exist at the source any more"),)
    if found.oid != built.oid:
        other = f", and the old one is named {moved_to}" if moved_to else ""
        said = f"{table.source} was dropped and created again{other}"
        recreated = SchemaChange(Kind.RECREATED, said)
        return (*_untold(table, found), recreated, *_key_change(table, built, found))
    return (
        *_untold(table, found),
        *_doubt(table, built),
        *_key_change(table, built, found),
        *_column_changes(table, built, found),
    )


def _untold(table: TableSpec, found: FoundTable) -> Iterator[SchemaChange]:
    for kind, why in ((Kind.UNCAPTURABLE, found.uncapturable), (Kind.MISLEADING, found.misleading)):
        if said := why.get(table.mode):
            yield SchemaChange(kind, f"{table.source} {said}")


def _doubt(table: TableSpec, built: BuiltFrom) -> Iterator[SchemaChange]:
    if built.doubted:
        said = (
            f"{table.source}: {', '.join(built.doubted)} may have had another type for a while, at whose "
            "values the connector has stopped"
        )
        yield SchemaChange(Kind.DOUBTED, said)


def _key_change(table: TableSpec, built: BuiltFrom, found: FoundTable) -> Iterator[SchemaChange]:
    if not table.changelog and found.key not in (table.key, built.key):
        now = f"({', '.join(found.key)})" if found.key else "gone"
        said = f"{table.source}: the primary key was ({', '.join(table.key)}), now it is {now}"
        yield SchemaChange(Kind.REKEYED, said)


def _column_changes(table: TableSpec, built: BuiltFrom, found: FoundTable) -> Iterator[SchemaChange]:
    by_name = {column.name: column for column in found.columns}
    by_number = {column.number: column for column in found.columns}
    taken = {*table.exclude, *(column.name for column in table.live_columns)}
    for column in table.live_columns:
        before, now = built.columns.get(column.name), by_name.get(column.name)
        where = f"{table.source}.{column.name}"
        if before is None:
            if now is not None and now.number in built.numbers:
                said = f"{where} is a column that had another name, by which the sinks have it or left it out"
                yield SchemaChange(Kind.TAKEN_IN, said, column.name)
            # Somebody was quicker than the comparison, and declared it in the pipeline file.
            elif now is not None and not column.added:
                yield SchemaChange(Kind.ADDED, _added(table, now), column.name)
            continue
        if now is not None and before.number == now.number and not built.holds(now.number):
            said = f"{where} was left out until now, so rows in the sinks do not have it"
            yield SchemaChange(Kind.TAKEN_IN, said, column.name)
        elif now is not None and before.number == now.number:
            yield from _differences(where, column, before, now)
        elif (other := by_number.get(before.number)) is not None:
            taken.add(other.name)
            said = f"{where} is named {other.name} now"
            yield SchemaChange(Kind.RENAMED, said, column.name, other.name)
        elif now is not None:
            yield SchemaChange(Kind.REPLACED, f"{where} was dropped and added again", column.name)
        else:
            yield SchemaChange(Kind.DROPPED, f"{where} was dropped", column.name)
    yield from _new_columns(table, built, found, taken)


def _new_columns(
    table: TableSpec, built: BuiltFrom, found: FoundTable, taken: Collection[str]
) -> Iterator[SchemaChange]:
    seen = built.numbers
    left_out = {column.number: name for name, column in built.columns.items() if name in table.exclude}
    dropped = {column.name for column in table.columns if column.dropped}
    for new in found.columns:
        if new.name in taken:
            continue
        if new.name in dropped and new.number in seen:
            said = f"{table.source}.{new.name} has its old name again, and rows lack what it had meanwhile"
            yield SchemaChange(Kind.TAKEN_IN, said, new.name)
            continue
        if new.number in left_out:
            was = f"{table.source}.{left_out[new.number]}, which is left out, is named {new.name} now"
            yield SchemaChange(Kind.UNFIT, f"{was}: leave it out by that name, or declare it", new.name)
        if new.number in seen:
            continue
        if new.name in dropped:
            said = f"{table.source}.{new.name} was dropped and added again"
            yield SchemaChange(Kind.REPLACED, said, new.name)
        elif new.refusal:
            yield SchemaChange(Kind.UNFIT, f"{table.source} {new.refusal}", new.name)
        else:
            yield SchemaChange(Kind.ADDED, _added(table, new), new.name)


def _differences(
    where: str, column: ColumnSpec, before: BuiltColumn, now: FoundColumn
) -> Iterator[SchemaChange]:
    if not alike(now.type, before.type) and not alike(now.type, column.type):
        why = f": it {now.refusal}" if now.refusal else ""
        said = f"{where} is {now.type} now, was {column.type}{why}"
        yield SchemaChange(Kind.RETYPED, said, column.name)
    elif parts := _other_parts(before, now):
        yield SchemaChange(Kind.RETYPED, f"{where}: {parts}", column.name)
    elif before.not_null and not now.not_null and not column.nullable:
        yield SchemaChange(Kind.NULLABLE, f"{where} can be NULL now", column.name)


def _other_parts(before: BuiltColumn, now: FoundColumn) -> str:
    """What a type of a user has become, so that old rows print otherwise although no event tells.

    A label that was added to an enum changes no row.
    """
    for part, said in (before.parts or {}).items():
        known = now.parts.get(part)
        if known is not None and known != said and part.startswith(_LABEL):
            return f"the label {said!r} of its enum is {known!r} now"
        if known != said:
            return "its type has other parts now"
    added = now.parts.keys() - before.parts.keys() if before.parts is not None else ()
    return "its type has other parts now" if any(not part.startswith(_LABEL) for part in added) else ""


def alike(one: str, other: str) -> bool:
    """Two names of one type."""
    try:
        return parse_type(one) == parse_type(other)
    except DataError:
        return one == other


def _added(table: TableSpec, column: FoundColumn) -> str:
    kind, constant = filling(column)
    old = {
        OldRows.NULL: "rows from before have NULL",
        OldRows.CONSTANT: f"rows from before have {constant!r}",
        OldRows.UNKNOWN: "rows from before are read at the source",
    }[kind]
    return f"{table.source}.{column.name} ({column.type}) was added: {old}"


def filling(column: FoundColumn) -> tuple[OldRows, str | None]:
    """What old rows have; a constant that a sink has no literal for is read at the source."""
    if column.old_rows is OldRows.CONSTANT and column.constant is not None:
        if clickhouse_text(parse_type(column.type), column.constant) is None:
            return OldRows.UNKNOWN, None
        return OldRows.CONSTANT, column.constant
    return column.old_rows, None
