"""PostgreSQL type names, parsed.

Names are those that `format_type()` prints (PostgreSQL documentation, "System Catalog Information
Functions"), the usual aliases (`int8`, `bool`, …), and `enum` for a user's enum, whose labels the pipeline
lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdc.errors import DataError

_ALIASES = {
    "int2": "smallint",
    "int4": "integer",
    "int": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}

KNOWN = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "numeric",
        "boolean",
        "text",
        "character varying",
        "character",
        "uuid",
        "json",
        "jsonb",
        "bytea",
        "date",
        "timestamp with time zone",
        "timestamp without time zone",
        "time without time zone",
        "interval",
        "inet",
        "cidr",
        "macaddr",
        "enum",
    }
)
_ARRAY_ELEMENTS = KNOWN - {
    "bytea",
    "interval",
    "time without time zone",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
}
_FORM = re.compile(
    r"^(?P<head>[a-z][a-z0-9_ ]*?)\s*(?:\(\s*(?P<args>\d+(?:\s*,\s*\d+)?)\s*\))?"
    r"(?P<tail>\s+with(?:out)? time zone)?(?P<dims>(?:\[\])*)$"
)


@dataclass(frozen=True)
class PgType:
    """A PostgreSQL type.

    Attributes:
        base: canonical name without arguments, one of `KNOWN`.
        args: the type modifier's numbers: `(12, 2)` for `numeric(12,2)`, `(40,)` for `varchar(40)`.
        dimensions: 0 for a scalar, 1 for `text[]`.
    """

    base: str
    args: tuple[int, ...] = ()
    dimensions: int = 0

    @property
    def element(self) -> PgType:
        """The type without its array dimensions."""
        return PgType(self.base, self.args)

    def __str__(self) -> str:
        """The type as PostgreSQL prints it."""
        args = f"({','.join(map(str, self.args))})" if self.args else ""
        head, zone, tail = self.base.partition(" with")
        body = f"{head}{args}{zone}{tail}" if zone else f"{self.base}{args}"
        return body + "[]" * self.dimensions


def parse_type(text: str) -> PgType:
    """Parse a type's name.

    Raises:
        DataError: the name is not one that the platform carries without loss.
    """
    match = _FORM.match(" ".join(text.lower().split()))
    if match is None:
        raise DataError(f"type {text!r} is not a PostgreSQL type name such as 'bigint' or 'numeric(12,2)'")
    base = (match["head"] + (match["tail"] or "")).strip()
    base = _ALIASES.get(base, base)
    if base not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise DataError(
            f"type {text!r} is not carried; known are: {known}; leave the column out of the table"
        )
    args = tuple(int(part) for part in match["args"].split(",")) if match["args"] else ()
    dimensions = len(match["dims"]) // 2
    if dimensions and base not in _ARRAY_ELEMENTS:
        raise DataError(f"arrays of {base} are not carried: leave the column {text!r} out of the table")
    if dimensions > 1:
        raise DataError(f"type {text!r}: arrays are declared with one pair of brackets, as PostgreSQL does")
    if base == "character" and not args:
        args = (1,)
    return PgType(base, args, dimensions)
