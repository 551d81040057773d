"""Values that a careless pipeline would spoil: NULL beside empty, Unicode, quotes, extremes of each type.

Every function draws from the `random.Random` that it is given, so a seed repeats its values.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

_WORDS = (
    "Ada", "Björn", "Zoë", "Łukasz", "Ngọc", "李雷", "さくら", "Мария", "عمر", "O'Neill", 'Ann "Q" Fox',
    "back\\slash", "tab\there", "line\nbreak", "🛒 cart", "{brace,comma}", "per%cent", "NULL",
    "e\u0301 combining", "ß", "𝔘𝔫𝔦",
)  # fmt: skip
_TAGS = ("vip", "new", "b2b", "late payer", "a,b", 'quo"te', "{x}", "NULL", "", "ünï", "back\\slash", "🧡")
_CURRENCIES = ("EUR", "USD", "JPY", "kr", "x")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def text(rng: Random) -> str:
    """A short text; sometimes empty, sometimes long."""
    roll = rng.random()
    if roll < 0.03:
        return ""
    if roll < 0.04:
        return " ".join(rng.choices(_WORDS, k=800))
    return " ".join(rng.choices(_WORDS, k=rng.randint(1, 3)))


def text_or_null(rng: Random) -> str | None:
    """A text, or NULL for one in four."""
    return None if rng.random() < 0.25 else text(rng)


def email(rng: Random, number: int) -> str:
    """An address with the capitals and blanks that people type."""
    name = f"user{number}.{rng.randint(0, 999)}@Example{rng.randint(1, 9)}.COM"
    return f"  {name} " if rng.random() < 0.2 else name


def phone(rng: Random) -> str | None:
    """A phone number or NULL."""
    return None if rng.random() < 0.3 else f"+{rng.randint(1, 99)} {rng.randint(100_000, 9_999_999)}"


def text_array(rng: Random) -> list[str | None] | None:
    """NULL, the empty array, or elements among which there are NULL, the empty text and separators."""
    roll = rng.random()
    if roll < 0.2:
        return None
    if roll < 0.35:
        return []
    return [None if rng.random() < 0.1 else rng.choice(_TAGS) for _ in range(rng.randint(1, 5))]


def document(rng: Random) -> object:
    """What a jsonb column holds: an object, a list, a scalar or JSON's own null."""
    roll = rng.random()
    if roll < 0.04:
        return None
    if roll < 0.08:
        return rng.choice([True, 0, -1.5, "scalar", [], {}])
    return {
        "city": rng.choice(_WORDS),
        "zip": str(rng.randint(0, 99_999)).zfill(5),
        "score": rng.choice([0, 1, -7, 12_345_678_901_234_567_890, 0.1, 1e-7, 2.50]),
        "flags": [rng.random() < 0.5 for _ in range(rng.randint(0, 3))],
        "nested": {"é": None, "list": [1, "two", {"three": 3}]},
    }


def price(rng: Random) -> Decimal:
    """A price for numeric(12,2); sometimes the smallest or the largest that fits."""
    roll = rng.random()
    if roll < 0.02:
        return rng.choice([Decimal("0.00"), Decimal("0.01"), Decimal("-0.01"), Decimal("9999999999.99")])
    return Decimal(rng.randint(50, 50_000)) / 100


def unit_price(rng: Random) -> Decimal:
    """An ordinary price, of which a few together still fit numeric(12,2)."""
    return Decimal(rng.randint(50, 50_000)) / 100


def discount(rng: Random) -> Decimal | None:
    """NULL, nothing, or a fraction for numeric(5,4)."""
    roll = rng.random()
    if roll < 0.4:
        return None
    return Decimal(0) if roll < 0.5 else Decimal(rng.randint(1, 9_999)) / 10_000


def weight(rng: Random) -> float | None:
    """NULL, an ordinary weight, or an extreme that double precision holds."""
    roll = rng.random()
    if roll < 0.15:
        return None
    if roll < 0.2:
        return rng.choice([0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1 / 3, -0.5, 0.0])
    return round(rng.uniform(0.01, 80), rng.randint(0, 6))


def currency(rng: Random) -> str:
    """A value for char(3); shorter ones are padded by PostgreSQL."""
    return rng.choices(_CURRENCIES, weights=(60, 25, 10, 3, 2))[0]


def moment(rng: Random) -> datetime:
    """A time with microseconds; a few lie far away."""
    if rng.random() < 0.03:
        return rng.choice([
            datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
            datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ])  # fmt: skip
    return _EPOCH + timedelta(microseconds=rng.randint(0, 300 * 86_400 * 1_000_000))


def day(rng: Random) -> date | None:
    """A date or NULL; a few lie far away."""
    roll = rng.random()
    if roll < 0.2:
        return None
    if roll < 0.24:
        return rng.choice([date(1970, 1, 1), date(1969, 12, 31), date(1901, 1, 1), date(2299, 12, 31)])
    return date(2026, 1, 1) + timedelta(days=rng.randint(0, 300))


def uuid(rng: Random) -> UUID:
    """A version 4 UUID that the seed repeats."""
    return UUID(int=rng.getrandbits(128), version=4)
