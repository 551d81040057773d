"""The type map: for each PostgreSQL type what Debezium writes and what it becomes on every side.

What Debezium writes was recorded from the real connector (`tests/postgres_types`), edge values included; a
type that it cannot carry whole is refused with the reason. `docs/types.md` is made from this map.
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
        no_array: why arrays of it are not carried; empty when they are.
    """

    form: str
    spark: str = "string"
    clickhouse: str = "String"
    warehouse: str = ""
    compare: str = "text"
    no_array: str = ""


_LEFT_OUT = "Debezium leaves such a column out of its events"
_NEVER_AN_ARRAY = "Debezium sends NULL for every such array"
_NOT_SEEN = "what Debezium sends for them was not recorded"
_ENCODED = "encoded"

KINDS: dict[str, Kind] = {
    "smallint": Kind("integer", "short", "Int16", compare="integer"),
    "integer": Kind("integer", "integer", "Int32", compare="integer"),
    "bigint": Kind("integer", "long", "Int64", compare="integer"),
    "oid": Kind("integer", "long", "UInt32", compare="integer"),
    "xid": Kind("encoded_integer", "long", "UInt32", compare="integer", no_array=_NOT_SEEN),
    "xid8": Kind("encoded_integer", "string", "UInt64", compare="integer", no_array=_NOT_SEEN),
    "real": Kind("float", "float", "Float32", compare="real"),
    "double precision": Kind("float", "double", "Float64", compare="double"),
    "numeric": Kind("numeric", compare="numeric"),
    "money": Kind("numeric", compare="money", no_array=_LEFT_OUT),
    "boolean": Kind("boolean", "boolean", "Bool", compare="boolean"),
    "text": Kind("text"),
    "character varying": Kind("text"),
    "character": Kind("text", compare="character"),
    '"char"': Kind("text", no_array=_NOT_SEEN),
    "name": Kind("text", no_array=_LEFT_OUT),
    "citext": Kind("text"),
    "xml": Kind("text", no_array=_LEFT_OUT),
    "enum": Kind("text", clickhouse="LowCardinality(String)", warehouse="text"),
    "uuid": Kind("uuid", clickhouse="UUID"),
    "json": Kind("json"),
    "jsonb": Kind("json", compare="jsonb"),
    "jsonpath": Kind(_ENCODED, no_array=_NOT_SEEN),
    "bytea": Kind("bytes", "binary", compare="bytes"),
    "bit": Kind("bits", no_array=_NEVER_AN_ARRAY),
    "date": Kind("date", "date", "Date32", compare="moment"),
    "timestamp with time zone": Kind("timestamptz", "timestamp", "DateTime64(6, 'UTC')", compare="moment"),
    "timestamp without time zone": Kind(
        "timestamp", "timestamp_ntz", "DateTime64(6, 'UTC')", compare="moment"
    ),
    "time without time zone": Kind(
        "time", clickhouse="Time64(6)", compare="moment",
        no_array="Debezium cuts its elements to milliseconds and turns 24:00:00 into 00:00:00",
    ),
    "interval": Kind("interval", compare="interval", no_array=_LEFT_OUT),
    "inet": Kind("text", compare="address"),
    "cidr": Kind("text"),
    "macaddr": Kind("text"),
    "macaddr8": Kind("text"),
    "tsvector": Kind("text"),
    "tsquery": Kind(_ENCODED, no_array=_NOT_SEEN),
    "pg_lsn": Kind(_ENCODED),
    "regclass": Kind(_ENCODED, warehouse="text", no_array=_NOT_SEEN),
    "ltree": Kind("text"),
    "hstore": Kind("hstore", clickhouse="Map(String, Nullable(String))", compare="hstore"),
    "point": Kind("point", compare="shape", no_array=_LEFT_OUT),
    **{
        name: Kind(name, compare="shape", no_array=_NEVER_AN_ARRAY)
        for name in ("line", "lseg", "box", "path", "polygon", "circle")
    },
    **{
        name: Kind("text")
        for name in ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange")
    },
    **{
        name: Kind(_ENCODED)
        for name in (
            "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange",
            "datemultirange",
        )
    },
    "other": Kind(_ENCODED, warehouse="text"),
}  # fmt: skip
"""`enum` is a user's enum; `other` is any type of a user or an extension that Debezium does not know
(composites, ranges of one's own, …), of which it sends PostgreSQL's own text."""

NO_NULL_ELEMENTS = frozenset(
    {"enum", "ltree", "tsvector", "pg_lsn", "other", "int4multirange", "int8multirange", "nummultirange",
     "tsmultirange", "tstzmultirange", "datemultirange"}
)  # fmt: skip
"""Types in whose arrays Debezium cannot convert a NULL; the connector then stops, and says so."""

REFUSED: dict[str, str] = {
    "bit varying": "Debezium sends no length, so B'01' and B'0001' arrive alike",
    "time with time zone": (
        "Debezium moves every value to UTC, so its zone is lost, and sends NULL where it cannot"
    ),
    "geometry": "the form in which Debezium sends it was not recorded",
    "geography": "the form in which Debezium sends it was not recorded",
    "vector": "the form in which Debezium sends it was not recorded",
    "halfvec": "the form in which Debezium sends it was not recorded",
    "sparsevec": "the form in which Debezium sends it was not recorded",
    "isbn": "the form in which Debezium sends it was not recorded",
}
"""Types of which Debezium's events lose something, and what."""

EXTENSIONS = frozenset({"citext", "hstore", "ltree"})
"""Types that the warehouse has only with the extension of the same name."""
