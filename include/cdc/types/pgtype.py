"""PostgreSQL type names, parsed.

Names are those that `format_type()` prints (PostgreSQL documentation, "System Catalog Information
Functions"), the usual aliases (`int8`, `bool`, …), `enum` for a user's enum, whose labels the pipeline lists,
and `other` for a type of a user or an extension that only PostgreSQL's own text can carry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdc.errors import DataError
from cdc.types.kinds import DIMENSIONS_LOST, EXTENSIONS, KINDS, OWN_TEXT, Kind

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
    "varbit": "bit varying",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}
_FORM = re.compile(
    r'^(?P<head>"char"|[a-z][a-z0-9_ ]*?)\s*(?:\(\s*(?P<args>\d+(?:\s*,\s*-?\d+)?)\s*\))?'
    r"(?P<tail>\s+with(?:out)? time zone)?(?P<dims>(?:\[\])*)$"
)
_INTERVAL_FIELDS = re.compile(
    r"^interval (?:year|month|day|hour|minute|second)(?: to (?:month|hour|minute|second))?"
)
_EXTENSION_SCHEMA = re.compile(rf"^[a-z_][a-z0-9_]*\.(?=(?:{'|'.join(sorted(EXTENSIONS))})(?:\[\])?$)")
MONEY_DIGITS = (19, 2)


@dataclass(frozen=True)
class PgType:
    """A PostgreSQL type.

    Attributes:
        base: canonical name without arguments, one of `KINDS`.
        args: the type modifier's numbers: `(12, 2)` for `numeric(12,2)`, `(40,)` for `varchar(40)`.
        dimensions: 0 for a scalar, 1 for `text[]`; more is an array of any bounds and dimensions, since
            PostgreSQL holds no column to those that it was declared with.
        as_text: the sinks hold PostgreSQL's own text of the values, which every value has.
    """

    base: str
    args: tuple[int, ...] = ()
    dimensions: int = 0
    as_text: bool = False

    @property
    def element(self) -> PgType:
        """The type without its array dimensions."""
        return PgType(self.base, self.args)

    def widens(self, other: PgType) -> bool:
        """The same array with more brackets, which keeps all that the other can hold."""
        return bool(other.dimensions) and self.dimensions > other.dimensions and self.element == other.element

    @property
    def kind(self) -> Kind:
        """Its entry in the type map."""
        return KINDS[self.base]

    @property
    def lost(self) -> str:
        """What Debezium's events lose of it, so that it is read at the source; empty when nothing."""
        if self.dimensions > 1:
            return DIMENSIONS_LOST
        return (self.kind.array_lost if self.dimensions else "") or self.kind.lost

    @property
    def in_text(self) -> bool:
        """Its values travel as PostgreSQL's own text, and ClickHouse has them so."""
        return self.as_text or self.dimensions > 1

    @property
    def own_text(self) -> bool:
        """It is read at the source and kept as PostgreSQL prints it."""
        if self.dimensions > 1 or (self.as_text and self.lost):
            return True
        return not self.dimensions and self.kind.form == OWN_TEXT

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Digits in all and after the point that hold each finite value, or None when nothing bounds them.

        PostgreSQL also has scales below zero and above the precision: `numeric(5,-2)` holds 7 digits before
        the point, `numeric(3,5)` 5 behind it.
        """
        if self.base == "money":
            return MONEY_DIGITS
        if self.base != "numeric" or not self.args:
            return None
        precision, scale = self.args[0], self.args[1] if len(self.args) > 1 else 0
        return (precision - scale, 0) if scale < 0 else (max(precision, scale), scale)

    def __str__(self) -> str:
        """The type as PostgreSQL prints it."""
        args = f"({','.join(map(str, self.args))})" if self.args else ""
        if self.base == "character" and not self.args:
            return "bpchar" + "[]" * self.dimensions
        head, zone, tail = self.base.partition(" with")
        body = f"{head}{args}{zone}{tail}" if zone else f"{self.base}{args}"
        return body + "[]" * self.dimensions


def parse_type(text: str) -> PgType:
    """Parse a type's name.

    Raises:
        DataError: the name is not one that the platform carries without loss.
    """
    words = " ".join(text.lower().split())
    match = _FORM.match(_EXTENSION_SCHEMA.sub("", _INTERVAL_FIELDS.sub("interval", words)))
    if match is None:
        raise DataError(f"type {text!r} is not a PostgreSQL type name such as 'bigint' or 'numeric(12,2)'")
    named = (match["head"] + (match["tail"] or "")).strip()
    base = _ALIASES.get(named, named)
    args = tuple(int(part) for part in match["args"].split(",")) if match["args"] else ()
    dimensions = len(match["dims"]) // 2
    _check(text, base)
    # What is named bpchar has no length unless one is given.
    if base in ("character", "bit") and not args and named != "bpchar":
        args = (1,)
    if base == "numeric" and len(args) == 1:
        args = (args[0], 0)
    return PgType(base, args, dimensions)


def _check(text: str, base: str) -> None:
    if base not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise DataError(f"type {text!r} is not carried; known are: {known}; {ADVICE}")


ADVICE = "leave the column out of the table with `exclude`, or keep it at the source as text"
