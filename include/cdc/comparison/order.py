"""The order of a key's values, by which every side is asked for its rows and `merge` steps through them.

PostgreSQL orders a `numeric` or a date by its value. ClickHouse has a text of what its types cannot hold, and
Python has a text of dates and of NaN: these functions bring both into PostgreSQL's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cdc.types import PgType
from cdc.types.sinks import clickhouse_decimal

Rank = Callable[[Any], Any]

_DATED = frozenset({"date", "timestamp with time zone", "timestamp without time zone"})
# PostgreSQL's numbers have at most 131072 digits before the point.
_BEYOND = 1_000_000
_DIGITS = "toInt64(position(concat({0}, '.'), '.'))"
_NUMBER_AS_TEXT = (
    "(multiIf({0} = 'NaN', {2}, {0} = 'Infinity', {1}, {0} = '-Infinity', -{1}, "
    f"startsWith({{0}}, '-'), 1 - {_DIGITS}, {_DIGITS}), "
    "if(startsWith({0}, '-'), concat(translate({0}, '0123456789', '9876543210'), '~'), {0}))"
)


def rank(pg: PgType) -> Rank | None:
    """What canonical values of this type are ordered by; None when it is the values themselves."""
    if pg.base == "numeric":
        return number_rank
    return moment_rank if pg.base in _DATED else None


def number_rank(value: Any) -> tuple[bool, Any]:
    """NaN comes after every number, as in PostgreSQL."""
    return value == "NaN", value


def moment_rank(text: str) -> tuple[int, int, str]:
    """-infinity, the years before Christ from the first one on, those after, infinity."""
    if text.endswith("infinity"):
        return (-1 if text.startswith("-") else 1), 0, ""
    year, _, rest = text.removesuffix(" BC").partition("-")
    return 0, -int(year) if text.endswith(" BC") else int(year), rest


def clickhouse_number(column: str, pg: PgType) -> str:
    """The expression by which ClickHouse orders a `numeric` as PostgreSQL does.

    Of a text: the digits before the point, with the number's sign, and then the text itself. The digits of a
    negative number are turned round, and an end that is after every digit puts -1.55 before -1.5.

    Args:
        column: the quoted column.
        pg: its type.
    """
    if clickhouse_decimal(pg) is not None:
        return column
    return _NUMBER_AS_TEXT.format(column, _BEYOND, _BEYOND + 1)
