"""A captured table: its key, its columns with types, its names in the sinks."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from cdc.errors import DataError
from cdc.spec import names
from cdc.spec.base import Slug, Spec
from cdc.types import PgType, clickhouse_type, parse_type

LINEAGE = ("_version", "_op", "_lsn", "_tx_id", "_source_ts", "_partition", "_offset")
RESERVED = frozenset({*LINEAGE, "processed_at", "_is_deleted", "_generation", "_note"})
"""Names that the platform's own columns have, in the sinks or on the way to them."""
COORDINATES = ("_generation", "_partition", "_offset", "_diff")
"""What tells the rows of a changelog apart: the event, and of an update which of its two rows."""
NULL_FLAG_PREFIX = "_is_null__"
Mode = Literal["rows", "changelog"]
_EVENT_TIMES = frozenset({"date", "timestamp with time zone", "timestamp without time zone"})
_KEY_TYPES_REFUSED = frozenset(
    {"real", "double precision", "json", "jsonb", "hstore", "interval", "numrange", "nummultirange", "other"}
)
"""Types of which values are equal whose texts are not, or that have no order that all sides share."""


def may_be_event_time(column: ColumnSpec) -> bool:
    """Whether every database can choose rows by this column's values as moments."""
    pg = column.pg_type
    return pg.base in _EVENT_TIMES and not pg.dimensions and not pg.as_text


def _checked_type(text: str) -> str:
    try:
        parse_type(text)
    except DataError as error:
        raise ValueError(str(error)) from None
    return text


TypeName = Annotated[str, AfterValidator(_checked_type)]


class DerivedColumnSpec(Spec):
    """A column that the stream's job adds; it is nullable and never compared with the source."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    type: TypeName

    @cached_property
    def pg_type(self) -> PgType:
        """The parsed type."""
        return parse_type(self.type)


class ColumnSpec(DerivedColumnSpec):
    """A source column.

    Attributes:
        values: an enum's labels as they were when the column was discovered; later ones are taken as well.
        type_name: the qualified name of a user's type at the source.
        as_: `as: text` keeps PostgreSQL's own text of the values in the sinks, for values that the sinks'
            types cannot hold.
        from_: `from: source` leaves the column out of the events; it is read at the source, by key, for each
            event of its row. Types that Debezium cannot carry whole are read so in any case.
        added: it joined the table after its capture had begun, so earlier events do not have it.
        default: of an added column, PostgreSQL's text of the value that rows have which were there before;
            None is NULL.
        dropped: the source has it no more; the sinks keep it, NULL from then on.
    """

    nullable: bool = True
    values: tuple[str, ...] = ()
    type_name: str = ""
    as_: Literal["text"] | None = Field(default=None, alias="as")
    from_: Literal["source"] | None = Field(default=None, alias="from")
    added: bool = False
    default: str | None = None
    dropped: bool = False

    @model_validator(mode="after")
    def _may_be_absent(self) -> ColumnSpec:
        if self.default is not None and not self.added:
            raise ValueError("default is of a column with `added: true`: what rows from before it have")
        if self.optional and not self.nullable:
            raise ValueError(
                "a column that was added or dropped later cannot be nullable: false in the sinks"
            )
        return self

    @cached_property
    def pg_type(self) -> PgType:
        """The parsed type."""
        return replace(parse_type(self.type), as_text=self.as_ == "text")

    @property
    def from_source(self) -> bool:
        """No event has its values: they are read at the source."""
        return self.from_ == "source" or bool(self.pg_type.lost)

    @property
    def optional(self) -> bool:
        """Events may lack it."""
        return self.added or self.dropped


class SchemaChangesSpec(Spec):
    """What happens when the source's table changes.

    Attributes:
        additive: a column was added or dropped, or may be NULL now. `propagate`: the sinks follow; `park`:
            the table waits for an approval; `ignore`: added columns are left out, as by `exclude`.
        other: anything else. `ignore` keeps a renamed column under its old name, NULL from then on, and a
            changed type as it is declared, so that values which do not fit it are dead letters; a changed
            key, a column that was left out until now and a table made anew are parked all the same.
    """

    additive: Literal["propagate", "park", "ignore"] = "propagate"
    other: Literal["park", "ignore"] = "park"


class TableSpec(Spec):
    """A captured table.

    Attributes:
        source: `schema.table` at the source.
        name: the table's name in the sinks; by default its own (`schema__table` outside public).
        stream: the Spark application that carries it; by default one of its own.
        mode: `rows` keeps the table's current rows; `changelog` appends every event, exact duplicates too,
            and needs no key.
        key: the primary key's columns, in the key's order; of a changelog none.
        event_time: a column that says when a row belongs to a day, for windows of comparison; a date or a
            timestamp, UTC where it has no zone. A row in which it is NULL is in no window.
        exclude: columns of the source that are not captured.
        vanished: columns that the source had for a while, which events may still have; told by its catalogue.
        schema_changes: what happens when the source's table changes.
    """

    source: str
    name: Annotated[str, Field(max_length=63)] = ""
    stream: Slug = Field(default="", validate_default=False)
    mode: Mode = "rows"
    key: tuple[str, ...] = ()
    event_time: str | None = None
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1)]
    derived: tuple[DerivedColumnSpec, ...] = ()
    exclude: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    schema_changes: SchemaChangesSpec = SchemaChangesSpec()

    @field_validator("source")
    @classmethod
    def _two_names(cls, value: str) -> str:
        try:
            return names.join_qualified(*names.split_qualified(value))
        except DataError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _fill_names(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("source"), str):
            return data
        try:
            schema, table = names.split_qualified(data["source"])
        except DataError:
            return data
        filled = dict(data)
        if not filled.get("name"):
            filled["name"] = names.default_sink_name(schema, table)
        if not filled.get("stream"):
            filled["stream"] = names.default_stream_name(schema, table)
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> TableSpec:
        every = [column.name for column in (*self.columns, *self.derived)]
        twice = sorted({name for name in (*every, *self.exclude) if (*every, *self.exclude).count(name) > 1})
        if twice:
            raise ValueError(f"columns are declared twice: {', '.join(twice)}")
        reserved = RESERVED | frozenset(COORDINATES if self.changelog else ())
        taken = sorted(name for name in every if name in reserved or name.startswith(NULL_FLAG_PREFIX))
        if taken:
            raise ValueError(
                f"columns {', '.join(taken)} have a name that the platform's own lineage columns use: "
                "rename them at the source or leave them out"
            )
        self._check_arrays()
        self._check_key()
        self._check_event_time()
        return self

    def _check_arrays(self) -> None:
        """ClickHouse takes arrays that share what is before a dot for one structure, all of one length."""
        structures: dict[str, list[str]] = {}
        for column in (*self.columns, *self.derived):
            head, dot, tail = column.name.partition(".")
            if head and dot and tail and clickhouse_type(column.pg_type, nullable=False).startswith("Array("):
                structures.setdefault(head, []).append(column.name)
        for alike in structures.values():
            if len(alike) > 1:
                raise ValueError(
                    f"columns {', '.join(map(repr, alike))} are arrays with the same name before the dot, "
                    "which ClickHouse holds to one length: declare all but one `as: text`, or leave them out "
                    "with `exclude`"
                )

    def _check_event_time(self) -> None:
        if self.event_time is None:
            return
        column = next((column for column in self.columns if column.name == self.event_time), None)
        if column is None:
            raise ValueError(f"event_time names {self.event_time!r}, which is no declared column")
        if not may_be_event_time(column):
            raise ValueError(
                f"event_time names {self.event_time!r} of type "
                f"{column.type}{' as text' if column.as_ else ''}; expected a date, timestamp or "
                "timestamptz, by which every database can choose rows"
            )

    def _check_key(self) -> None:
        if self.changelog and self.key:
            raise ValueError("key is not used with mode: changelog, which appends every event: remove one")
        if not self.changelog and not self.key:
            raise ValueError(
                f"{self.source} has no key, by which rows are told apart: name the primary key's columns "
                "(ALTER TABLE … ADD PRIMARY KEY if there is none), append every event with mode: changelog, "
                "or leave the table out"
            )
        if self.changelog and self.unsent:
            raise ValueError(
                f"columns {', '.join(sorted(self.unsent))} are read at the source by the row's key, and a "
                "table with mode: changelog has none: leave them out with `exclude`"
            )
        for name in self.key:
            self._check_key_column(name)

    def _check_key_column(self, name: str) -> None:
        column = next((column for column in self.columns if column.name == name), None)
        if column is None:
            raise ValueError(f"key names {name!r}, which is no declared column")
        if column.nullable:
            raise ValueError(f"key column {name!r} must be declared nullable: false")
        pg = column.pg_type
        if column.from_source:
            raise ValueError(
                f"key column {name!r} is read at the source by its key, which only an event can tell: "
                f"{pg.lost or 'it is declared `from: source`'}"
            )
        if pg.dimensions or pg.as_text or pg.base in _KEY_TYPES_REFUSED or pg.kind.compare == "shape":
            raise ValueError(
                f"key column {name!r} has type {column.type}{' as text' if pg.as_text else ''}, which cannot "
                "be a key in both sinks"
            )

    @cached_property
    def schema_name(self) -> str:
        """The source schema."""
        return names.split_qualified(self.source)[0]

    @cached_property
    def table_name(self) -> str:
        """The source table without its schema."""
        return names.split_qualified(self.source)[1]

    @property
    def changelog(self) -> bool:
        """Every event is a row of its own."""
        return self.mode == "changelog"

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which the sinks tell rows apart."""
        return COORDINATES if self.changelog else self.key

    @cached_property
    def key_columns(self) -> tuple[ColumnSpec, ...]:
        """The key's columns, in the key's order."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)

    @cached_property
    def unsent(self) -> frozenset[str]:
        """The columns that no event has, and that are read at the source."""
        return frozenset(c.name for c in self.live_columns if c.from_source)

    @cached_property
    def live_columns(self) -> tuple[ColumnSpec, ...]:
        """The columns that the source has."""
        return tuple(column for column in self.columns if not column.dropped)

    def topic(self, prefix: str) -> str:
        """The table's topic."""
        return names.topic_name(prefix, self.schema_name, self.table_name)
