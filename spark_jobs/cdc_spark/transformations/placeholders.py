"""The placeholder for a TOAST value that an update did not touch: it must never be written."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

from cdc.model.toast import PLACEHOLDER as TEXT

_BYTES = base64.b64encode(TEXT.encode()).decode()
_NUMBERS = list(TEXT.encode())
_PAIR = f'{{"{TEXT}":"{TEXT}"}}'
# Of an array of uuid: Java's `UUID.nameUUIDFromBytes`.
_UUID = str(uuid.UUID(bytes=hashlib.md5(TEXT.encode(), usedforsecurity=False).digest(), version=3))
_FORMS: tuple[Any, ...] = (TEXT, _BYTES, [TEXT], [_BYTES], _NUMBERS, [_UUID], _PAIR)
_TEXT_MARK, _BYTES_MARK, _UUID_MARK = TEXT.encode(), _BYTES.encode(), _UUID.encode()
_NUMBERS_MARK = ",".join(map(str, _NUMBERS[:12])).encode()


def may_hold(raw: bytes) -> bool:
    """A quick look at an event's bytes: False means that no column can hold the placeholder."""
    return _TEXT_MARK in raw or _BYTES_MARK in raw or _NUMBERS_MARK in raw or _UUID_MARK in raw


def held(values: Sequence[Any]) -> tuple[int, ...]:
    """The positions of exact placeholders; a text that merely contains it is a user's own."""
    return tuple(position for position, value in enumerate(values) if value in _FORMS)
