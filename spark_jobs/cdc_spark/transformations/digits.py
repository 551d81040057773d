"""The digits of a declared type: a value with more is of another type, and the warehouse would round it.

The source's type may be widened before anybody compares the catalogues; then the first value that needs more
digits than were declared tells.
"""

from __future__ import annotations

import math
import re

import pyarrow as pa
import pyarrow.compute as pc

from cdc.types import PgType

_MICROS = 6
_REAL_DIGITS = 9
"""A text of a `real` never has more."""
_FRACTION_OF_SECONDS = re.compile(r"\.[0-9]+(?=S)")


def keeps_digits(pg: PgType) -> bool:
    """The type's arguments are numbers of digits, to which the source has rounded its values."""
    return pg.base in ("numeric", "interval") or pg.base.startswith("time")


def check_digits(array: pa.Array, pg: PgType) -> pa.Array:
    """Let an array of a type's values through.

    Raises:
        ValueError: some value has more digits than the type keeps.
    """
    if pg.base == "numeric":
        if len(pg.args) > 1 and pa.types.is_string(array.type):
            _refuse(_has_more(array, max(pg.args[1], 0)), pg)
    elif pg.args and pg.args[0] < _MICROS:
        if pa.types.is_timestamp(array.type):
            _refuse(_is_finer(array, 10 ** (_MICROS - pg.args[0])), pg)
        elif pg.base.startswith("time"):
            _refuse(_has_more(array, pg.args[0]), pg)
        elif pg.base == "interval":
            texts = (text for text in array.to_pylist() if text is not None)
            _refuse(any(_micros(text) % 10 ** (_MICROS - pg.args[0]) for text in texts), pg)
    return array


def check_real(received: pa.Array, real: pa.Array) -> None:
    """See that 32 bits keep every number.

    Raises:
        ValueError: some number has more digits than a `real` has.
    """
    shortest = real.cast(pa.string()).cast(pa.float64())
    if pc.all(pc.equal(shortest, received)).as_py() is not False:
        return
    # Java prints some numbers with one digit more than they need.
    pairs = zip(received.to_pylist(), shortest.to_pylist(), strict=True)
    others = (n for n, short in pairs if n is not None and n != short and not math.isnan(n))
    if any(float(f"{number:.{_REAL_DIGITS}g}") != number for number in others):
        raise ValueError(f"the number has more than {_REAL_DIGITS} digits")


def _is_finer(moments: pa.Array, step: int) -> bool:
    micros = moments.view(pa.int64())
    # The ends of the 64 bits are infinite.
    finite = pc.and_(pc.greater(micros, -(2**63)), pc.less(micros, 2**63 - 1))
    micros = micros.filter(finite)
    return pc.any(pc.not_equal(pc.multiply(pc.divide(micros, step), step), micros)).as_py() or False


def _micros(interval: str) -> int:
    fraction = _FRACTION_OF_SECONDS.search(interval)
    return round(float(fraction[0]) * 10**_MICROS) if fraction else 0


def _has_more(texts: pa.Array, digits: int) -> bool:
    pattern = rf"\.[0-9]{{{digits}}}[0-9]*[1-9]"
    return pc.any(pc.match_substring_regex(texts, pattern)).as_py() or False


def _refuse(finer: bool, pg: PgType) -> None:
    if finer:
        raise ValueError(f"the value has more digits than {pg} keeps")
