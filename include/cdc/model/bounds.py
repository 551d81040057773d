"""What `--from` and `--until` say: offsets, a time, or `earliest` and `latest`. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from cdc.errors import ConfigurationError

Offsets = dict[str, dict[int, int]]
"""`{topic: {partition: offset}}`."""

_FORMS = (
    'offsets ({"dbserver1.public.orders": {"0": 120}} or topic:partition:offset[,…]), a time '
    "(2026-01-31T12:00:00Z), earliest or latest"
)


@dataclass(frozen=True)
class Bounds:
    """One end of a bounded read; exactly one attribute is set."""

    word: str = ""
    timestamp_ms: int | None = None
    offsets: Offsets | None = None


def parse_bounds(text: str, topics: tuple[str, ...]) -> Bounds:
    """Read one end.

    Args:
        text: what the user gave.
        topics: the stream's topics, the only ones that may be named.

    Raises:
        ConfigurationError: not one of the forms, or a foreign topic.
    """
    text = text.strip()
    if text in ("earliest", "latest"):
        return Bounds(word=text)
    try:
        offsets = _json_offsets(text) if text.startswith("{") else _plain_offsets(text)
        if offsets is None:
            return Bounds(timestamp_ms=_milliseconds(text))
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(f"received {text!r}, expected {_FORMS}") from None
    foreign = sorted(set(offsets) - set(topics))
    if foreign:
        raise ConfigurationError(
            f"{', '.join(foreign)} is no topic of this stream; it has: {', '.join(topics)}"
        )
    return Bounds(offsets=offsets)


def _json_offsets(text: str) -> Offsets:
    document = json.loads(text)
    return {topic: {int(p): _offset(o) for p, o in parts.items()} for topic, parts in document.items()}


def _plain_offsets(text: str) -> Offsets | None:
    offsets: Offsets = {}
    for part in text.split(","):
        topic, _, rest = part.strip().partition(":")
        partition, _, offset = rest.partition(":")
        if not (topic and partition.isdigit() and offset.isdigit()):
            return None
        offsets.setdefault(topic, {})[int(partition)] = int(offset)
    return offsets


def _offset(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < -2:
        raise ValueError("an offset is a whole number")
    return value


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
