"""Which rows of a batch a sink refuses: found by halving, so that the others are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from cdc.errors import RefusedError

MAX_REFUSED = 500
"""So many rows of one Spark partition are told one by one; with more of them, the table is parked."""


@dataclass
class Refused:
    """What a sink did not take.

    Attributes:
        reasons: the sink's message, by the row's position in the batch.
        others: positions of rows in refused pieces that were not taken apart any more.
    """

    reasons: dict[int, str] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)

    def __contains__(self, position: int) -> bool:
        return position in self.reasons or position in self.others


def write_pieces(rows: pa.Table, write: Callable[[pa.Table], None], limit: int) -> Refused:
    """Write rows in their order, in pieces that are halved until a refused one is a single row.

    Args:
        rows: what the sink refused as a whole.
        write: writes a piece, or raises RefusedError and leaves nothing of it that a second try would harm.
        limit: the most rows to find one by one.
    """
    refused = Refused()
    waiting = [(0, rows.num_rows)]
    while waiting:
        start, end = waiting.pop()
        try:
            write(rows.slice(start, end - start))
        except RefusedError as error:
            if len(refused.reasons) >= limit:
                refused.others.update(range(start, end))
            elif end - start == 1:
                refused.reasons[start] = str(error)
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
    return refused
