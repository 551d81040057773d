"""The type map: for each PostgreSQL type what Debezium writes and what it becomes on every side.

What Debezium writes was recorded from the real connector (`tests/postgres_types`), edge values included. A
type that it cannot carry whole is read at the source instead, by key, for each event of its row; the map has
the reason. `docs/types.md` is made from this map.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What one type becomes.

    Attributes:
        form: what Debezium writes for a value; the parser has a converter for each form.
        spark: the Spark type in which a value travels; what has no exact one travels as text.
        clickhouse: the column type in ClickHouse.
        warehouse: the column type in the warehouse; empty when it is the source's own.
        compare: the rule by which the comparison holds two values to be the same.
        lost: what Debezium's events lose of it, so that it is read at the source; empty when nothing.
        array_lost: the same of its arrays.
    """

    form: str
    spark: str = "string"
    clickhouse: str = "String"
    warehouse: str = ""
    compare: str = "text"
    lost: str = ""
    array_lost: str = ""


_LEFT_OUT = "Debezium leaves such a column out of its events"
_NEVER_AN_ARRAY = "Debezium sends NULL for every such array"
_NO_NULLS = "Debezium cannot convert a NULL among the elements, at which its connector stops"
_ENCODED = "encoded"
OWN_TEXT = "own_text"
"""PostgreSQL's own text, as it is read at the source."""

KINDS: dict[str, Kind] = {
    "smallint": Kind("integer", "short", "Int16", compare="integer"),
    "integer": Kind("integer", "integer", "Int32", compare="integer"),
    "bigint": Kind("integer", "long", "Int64", compare="integer"),
    "oid": Kind("integer", "long", "UInt32", compare="integer"),
    "xid": Kind("encoded_integer", "long", "UInt32", compare="integer", array_lost=_NO_NULLS),
    "xid8": Kind("encoded_integer", "string", "UInt64", compare="integer", array_lost=_NO_NULLS),
    "real": Kind("float", "float", "Float32", compare="real"),
    "double precision": Kind("float", "double", "Float64", compare="double"),
    "numeric": Kind(
        "numeric", compare="numeric",
        array_lost="Debezium cannot convert NaN among the elements, at which its connector stops",
    ),
    "money": Kind("numeric", compare="money", array_lost=_LEFT_OUT),
    "boolean": Kind("boolean", "boolean", "Bool", compare="boolean"),
    "text": Kind("text"),
    "character varying": Kind("text"),
    "character": Kind("text", compare="character"),
    '"char"': Kind("text"),
    "name": Kind("text", array_lost=_LEFT_OUT),
    "citext": Kind("text"),
    "xml": Kind("text", array_lost=_LEFT_OUT),
    "enum": Kind("text", clickhouse="LowCardinality(String)", warehouse="text", array_lost=_NO_NULLS),
    "uuid": Kind("uuid", clickhouse="UUID"),
    "json": Kind("json"),
    "jsonb": Kind("json", compare="jsonb"),
    "jsonpath": Kind(_ENCODED, array_lost=_NO_NULLS),
    "bytea": Kind("bytes", "binary", compare="bytes"),
    "bit": Kind("bits", array_lost=_NEVER_AN_ARRAY),
    "bit varying": Kind(OWN_TEXT, lost="Debezium sends no length, so B'01' and B'0001' arrive alike"),
    "date": Kind("date", "date", "Date32", compare="moment"),
    "timestamp with time zone": Kind("timestamptz", "timestamp", "DateTime64(6, 'UTC')", compare="moment"),
    "timestamp without time zone": Kind(
        "timestamp", "timestamp_ntz", "DateTime64(6, 'UTC')", compare="moment"
    ),
    "time without time zone": Kind(
        "time", clickhouse="Time64(6)", compare="moment",
        array_lost="Debezium cuts its elements to milliseconds and turns 24:00:00 into 00:00:00",
    ),
    "time with time zone": Kind(
        OWN_TEXT,
        lost="Debezium moves every value to UTC, so its zone is lost, and sends NULL where it cannot",
    ),
    "interval": Kind("interval", compare="interval", array_lost=_LEFT_OUT),
    "inet": Kind("text", compare="address"),
    "cidr": Kind("text"),
    "macaddr": Kind("text"),
    "macaddr8": Kind("text"),
    "tsvector": Kind("text", array_lost=_NO_NULLS),
    "tsquery": Kind(_ENCODED, array_lost=_NO_NULLS),
    "pg_lsn": Kind(_ENCODED, array_lost=_NO_NULLS),
    "regclass": Kind(_ENCODED, warehouse="text", array_lost=_NO_NULLS),
    "ltree": Kind("text", array_lost=_NO_NULLS),
    "hstore": Kind("hstore", clickhouse="Map(String, Nullable(String))", compare="hstore"),
    "point": Kind("point", compare="shape", array_lost=_LEFT_OUT),
    **{
        name: Kind(name, compare="shape", array_lost=_NEVER_AN_ARRAY)
        for name in ("line", "lseg", "box", "path", "polygon", "circle")
    },
    **{
        name: Kind("text")
        for name in ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange")
    },
    **{
        name: Kind(_ENCODED, array_lost=_NO_NULLS)
        for name in (
            "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange",
            "datemultirange",
        )
    },
    **{
        name: Kind(OWN_TEXT, warehouse="text", lost="the form in which Debezium sends it was not recorded")
        for name in ("geometry", "geography", "vector", "halfvec", "sparsevec", "isbn")
    },
    "other": Kind(_ENCODED, warehouse="text", array_lost=_NO_NULLS),
}  # fmt: skip
"""`enum` is a user's enum; `other` is any type of a user or an extension that Debezium does not know
(composites, ranges of one's own, …), of which it sends PostgreSQL's own text."""

DIMENSIONS_LOST = "Debezium sends no values for an array of more than one dimension, and no bounds of any"
EXTENSIONS = frozenset({"citext", "hstore", "ltree"})
"""Types that the warehouse has only with the extension of the same name."""
