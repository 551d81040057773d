"""What a query read and wrote: the figures of `X-ClickHouse-Summary`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class QueryStats:
    """Rows and bytes; `result_*` is what the client got, or what was written by an INSERT."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0

    def header(self) -> str:
        """The header's value: a JSON object whose numbers are strings, as ClickHouse writes them."""
        return json.dumps({name: str(value) for name, value in asdict(self).items()}, separators=(",", ":"))
