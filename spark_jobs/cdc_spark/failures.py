"""What a failed query does next. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdc import errors
from cdc.errors import CdcError, FencedError, TerminalError, TransientError
from cdc_spark.readers.offset_ranges import lost

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
TERMINAL_DELAY_S = 60.0
MAX_UNEXPECTED = 5
"""Unexpected failures in a row, without a batch between them, before a query counts as broken."""

_OURS = re.compile(r"cdc\.errors\.(\w+Error): ([^\n]+)")
_DATA_LOSS = (
    "KAFKA_DATA_LOSS",
    "Cannot fetch offset",
    "Some data may have been lost",
    "data loss",
    "were aged out",
)


@dataclass(frozen=True)
class Retry:
    """Start the query again after a while."""

    delay_s: float


@dataclass(frozen=True)
class Broken:
    """A person has to do something; the query is tried again now and then, in case somebody did."""

    delay_s: float = TERMINAL_DELAY_S


@dataclass(frozen=True)
class Leave:
    """Another driver writes; this one ends."""


Next = Retry | Broken | Leave


def next_step(error: BaseException, failures: int) -> Next:
    """Decide after a failure.

    Args:
        error: why the query ended.
        failures: how often it has failed since its last batch, this one included.
    """
    delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures - 1, 10))
    if isinstance(error, FencedError):
        return Leave()
    if isinstance(error, TerminalError):
        return Broken()
    if isinstance(error, TransientError) or failures <= MAX_UNEXPECTED:
        return Retry(delay)
    return Broken()


def cause_of(text: str) -> CdcError | None:
    """The platform's error in the text of one of Spark's, when there is one.

    Executors report most failures as values; what is raised below Spark arrives as text only.
    """
    if any(mark in text for mark in _DATA_LOSS):
        return lost(text.splitlines()[0][:300])
    found = _OURS.findall(text)
    if not found:
        return None
    name, message = found[-1]
    kind = getattr(errors, name, None)
    return kind(message) if isinstance(kind, type) and issubclass(kind, CdcError) else None
