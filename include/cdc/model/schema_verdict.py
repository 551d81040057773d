"""What follows from the changes of a source table, and the definition that the sinks get by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from cdc.errors import SchemaChangedError
from cdc.model.schema_change import Kind, SchemaChange, changes_of, filling
from cdc.model.source_table import BuiltFrom, FoundColumn, FoundTable, OldRows
from cdc.spec import ColumnSpec, TableSpec
from cdc.spec.definitions import definition_of, redefined
from cdc.types import parse_type


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


def verdict(table: TableSpec, built: BuiltFrom, found: FoundTable | None, moved_to: str = "") -> Verdict:
    """Decide by the table's policies. One change that blocks holds up the others too."""
    found = found and _doubted(built, found)
    changes = changes_of(table, built, found, moved_to)
    policy = table.schema_changes
    blocking = tuple(
        change
        for change in changes
        if not change.ignorable or (policy.additive if change.additive else policy.other) == "park"
    )
    if blocking or found is None:
        return Verdict(changes, blocking, table)
    try:
        settled = _settled(table, changes, found)
    except ValidationError as error:
        unfit = SchemaChange(Kind.UNFIT, f"{table.source} cannot be declared as it is now: {_said(error)}")
        return Verdict((*changes, unfit), (unfit,), table)
    wanted = {c.column for c in changes if c.kind is Kind.ADDED} - set(settled.exclude)
    reread = any(c.name in wanted and filling(c)[0] is OldRows.UNKNOWN for c in found.columns)
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
    last = max((built.numbers_used, *built.numbers))
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
    known = built.numbers | {c.number for c in found.columns}
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


def _kept(said: ColumnSpec | None, found: FoundColumn) -> dict[str, object]:
    """What a new build keeps of what was said of a column.

    One that no event had is read at the source from now on too: the connector leaves it out until it is told.
    """
    if said is None:
        return {}
    kept: dict[str, object] = {"as": said.as_}
    if said.from_source:
        kept["from"] = "source"
    if parse_type(said.type).widens(parse_type(found.type)):
        kept["type"] = said.type  # the number of dimensions in the catalogue binds no value
    return kept


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
    default = filling(found)[1]
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
