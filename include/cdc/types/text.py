"""The settings of a session in which a PostgreSQL writes every value as text in one and the same form."""

from __future__ import annotations

SESSION_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
}
