"""The settings of a session in which a PostgreSQL writes every value as text in one and the same form."""

from __future__ import annotations

SESSION_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
}
SESSION_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
SESSION_OPTIONS += " -c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
"""The same for a client that reads whole tables; a database or a role may have settings of its own."""
