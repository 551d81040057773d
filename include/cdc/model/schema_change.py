"""What has become of a source table since the sinks were built from it, and what follows. Pure.

PostgreSQL numbers tables and columns, and never gives a number again; so a renamed column is told from one
that was dropped beside one that was added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import ValidationError

from cdc.errors import DataError, SchemaChangedError
from cdc.model.source_table import BuiltColumn, BuiltFrom, FoundColumn, FoundTable, OldRows
from cdc.spec import ColumnSpec, TableSpec
from cdc.spec.definitions import definition_of, redefined
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


_LABEL = "label "
_ADDITIVE = frozenset({Kind.ADDED, Kind.DROPPED, Kind.NULLABLE})
_NEVER_IGNORED = frozenset(
    {Kind.REPLACED, Kind.TAKEN_IN, Kind.REKEYED, Kind.MOVED, Kind.RECREATED, Kind.GONE}
)
_REBUILDABLE = frozenset(
    {Kind.RENAMED, Kind.RETYPED, Kind.REPLACED, Kind.TAKEN_IN, Kind.REKEYED, Kind.RECREATED, *_ADDITIVE}
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
    def rebuildable(self) -> bool:
        """A new build of the table in the sinks settles it, under the same name and topic."""
        return self.kind in _REBUILDABLE


@dataclass(frozen=True)
class Verdict:
    """What follows from a table's changes.

    Attributes:
        changes: all of them.
        blocking: those for which the table waits for an approval.
        settled: the table as the sinks have it once the others are followed; unchanged while any blocks.
        reread: the rows that were there before an added column have to be read at the source.
    """

    changes: tuple[SchemaChange, ...]
    blocking: tuple[SchemaChange, ...]
    settled: TableSpec
    reread: bool = False

    @property
    def sentence(self) -> str:
        """Every difference, for a person."""
        return "; ".join(change.sentence for change in self.changes)


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
        return (SchemaChange(Kind.RECREATED, said), *_key_change(table, built, found))
    return (*_key_change(table, built, found), *_column_changes(table, built, found))


def verdict(table: TableSpec, built: BuiltFrom, found: FoundTable | None, moved_to: str = "") -> Verdict:
    """Decide by the table's policies. One change that blocks holds up the others too."""
    found = found and _doubted(built, found)
    changes = changes_of(table, built, found, moved_to)
    policy = table.schema_changes
    blocking = tuple(
        change
        for change in changes
        if change.kind in _NEVER_IGNORED or (policy.additive if change.additive else policy.other) == "park"
    )
    if blocking or found is None:
        return Verdict(changes, blocking, table)
    try:
        settled = _settled(table, changes, found)
    except ValidationError as error:
        unfit = SchemaChange(Kind.UNFIT, f"{table.source} cannot be declared as it is now: {_said(error)}")
        return Verdict((*changes, unfit), (unfit,), table)
    wanted = {c.column for c in changes if c.kind is Kind.ADDED} - set(settled.exclude)
    reread = any(c.name in wanted and _filling(c)[0] is OldRows.UNKNOWN for c in found.columns)
    if reread and table.changelog:
        said = (
            f"{table.source}: rows from before the added column have values of their own, and a changelog "
            "has no key to read them by: declare the column in the pipeline file with `added: true`, run "
            f"`cdc apply`, then `cdc table snapshot {table.name}`"
        )
        unread = SchemaChange(Kind.UNFIT, said)
        return Verdict((*changes, unread), (unread,), table)
    return Verdict(changes, (), settled, reread)


def _doubted(built: BuiltFrom, found: FoundTable) -> FoundTable:
    """With old rows unknown of added columns before which others have come and gone since the last look.

    These may have had the same name, and their values would be taken for those of the new one.
    """
    here = {column.number for column in found.columns}
    last = max((built.numbers_used, *(column.number for column in built.columns.values())))
    numbers = range(last + 1, found.numbers_used + 1)
    gone = min((number for number in numbers if number not in here), default=found.numbers_used)
    columns = tuple(
        replace(c, old_rows=OldRows.UNKNOWN, constant=None) if c.number > gone else c for c in found.columns
    )
    return replace(found, columns=columns)


def rebuilt(table: TableSpec, built: BuiltFrom, found: FoundTable) -> TableSpec:
    """The table as a new build of it has it: the source's columns and key, and what was said about them.

    Raises:
        SchemaChangedError: it cannot be captured as it is now.
    """
    said = {column.name: column for column in table.columns}
    if found.oid == built.oid:  # a renamed column keeps what was said of it
        said |= {
            column.name: said[name]
            for column in found.columns
            for name, before in built.columns.items()
            if before.number == column.number and name in said
        }
    columns: list[dict[str, object]] = []
    for column in found.columns:
        if column.name in table.exclude:
            continue
        if column.refusal:
            raise SchemaChangedError(f"{table.source} {column.refusal}")
        columns.append(
            {**_entry(column), **_kept(said.get(column.name), column), "nullable": not column.not_null}
        )
    names = {column.name for column in found.columns}
    definition = {
        "key": found.key,
        "columns": columns,
        "exclude": [name for name in table.exclude if name in names],
    }
    try:
        return redefined(table, definition)
    except ValidationError as error:
        raise SchemaChangedError(f"{table.source} cannot be declared as it is now: {_said(error)}") from error


def _kept(said: ColumnSpec | None, found: FoundColumn) -> dict[str, object]:
    """What a new build keeps of what was said of a column.

    One that no event had is read at the source from now on too: the connector leaves it out until it is told.
    """
    if said is None:
        return {}
    kept: dict[str, object] = {"as": said.as_}
    if said.from_source:
        kept["from"] = "source"
    wider = "[]" in found.type and said.type.count("[]") > found.type.count("[]")
    if wider and _alike(said.type.rstrip("[]"), found.type.rstrip("[]")):
        kept["type"] = said.type  # the number of dimensions in the catalogue binds no value
    return kept


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


def without_vanished(
    table: TableSpec, built: BuiltFrom, found: FoundTable, unknown: Iterable[str]
) -> TableSpec:
    """The table without columns that events have and that have come and gone again; unchanged if none has.

    Args:
        table: as the sinks have it.
        built: the source's table when the sinks were built.
        found: the source's table now.
        unknown: what events have beside the table's columns.
    """
    known = {c.number for c in built.columns.values()} | {c.number for c in found.columns}
    numbers = range(built.numbers_used + 1, found.numbers_used + 1)
    declared = {
        *table.exclude,
        *table.vanished,
        *(c.name for c in table.columns),
        *(c.name for c in found.columns),
    }
    names = [name for name in sorted(set(unknown)) if name not in declared]
    if not names or all(number in known for number in numbers):
        return table
    return redefined(table, {**definition_of(table), "vanished": [*table.vanished, *names]})


def _said(error: ValidationError) -> str:
    return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")


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
            if now is not None and now.number in {known.number for known in built.columns.values()}:
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
    seen = {column.number for column in built.columns.values()}
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
    if not _alike(now.type, before.type) and not _alike(now.type, column.type):
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


def _alike(one: str, other: str) -> bool:
    try:
        return parse_type(one) == parse_type(other)
    except DataError:
        return one == other


def _added(table: TableSpec, column: FoundColumn) -> str:
    kind, constant = _filling(column)
    old = {
        OldRows.NULL: "rows from before have NULL",
        OldRows.CONSTANT: f"rows from before have {constant!r}",
        OldRows.UNKNOWN: "rows from before are read at the source",
    }[kind]
    return f"{table.source}.{column.name} ({column.type}) was added: {old}"


def _filling(column: FoundColumn) -> tuple[OldRows, str | None]:
    """What old rows have; a constant that a sink has no literal for is read at the source."""
    if column.old_rows is OldRows.CONSTANT and column.constant is not None:
        if clickhouse_text(parse_type(column.type), column.constant) is None:
            return OldRows.UNKNOWN, None
        return OldRows.CONSTANT, column.constant
    return column.old_rows, None


def _settled(table: TableSpec, changes: Sequence[SchemaChange], found: FoundTable) -> TableSpec:
    columns = {column.name: column for column in table.columns}
    exclude = list(table.exclude)
    here = {column.name: column for column in found.columns}
    ignore_additive = table.schema_changes.additive == "ignore"
    for change in changes:
        match change.kind:
            case Kind.ADDED if change.column in columns or not ignore_additive:
                columns[change.column] = _column(here[change.column], columns.get(change.column))
            case Kind.ADDED | Kind.UNFIT:
                exclude.append(change.column)
            case Kind.DROPPED:
                columns[change.column] = _without(columns[change.column])
            case Kind.RENAMED:
                columns[change.column] = _without(columns[change.column])
                exclude.append(change.renamed_to)
            case Kind.NULLABLE:
                columns[change.column] = columns[change.column].model_copy(update={"nullable": True})
            case _:
                pass
    dumped = [column.model_dump(by_alias=True) for column in columns.values()]
    vanished = [name for name in table.vanished if name not in columns]
    changed = {"columns": dumped, "exclude": exclude, "vanished": vanished}
    return redefined(table, {**definition_of(table), **changed})


def _column(found: FoundColumn, declared: ColumnSpec | None) -> ColumnSpec:
    # Nullable whatever the source says: events from before the column do not have it.
    default = _filling(found)[1]
    entry = _entry(found) if declared is None else declared.model_dump(by_alias=True)
    return ColumnSpec.model_validate({**entry, "nullable": True, "added": True, "default": default})


def _without(column: ColumnSpec) -> ColumnSpec:
    return column.model_copy(update={"nullable": True, "dropped": True})


def _entry(column: FoundColumn) -> dict[str, object]:
    return {
        "name": column.name,
        "type": column.type,
        "values": column.values,
        "type_name": column.type_name,
        **({"from": "source"} if column.unpublished else {}),
    }
