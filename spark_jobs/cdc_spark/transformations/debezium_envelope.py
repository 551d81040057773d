"""One Debezium envelope, decoded. No Spark, no I/O.

The envelopes are those of `org.apache.kafka.connect.json.JsonConverter` with `schemas.enable=false` (Debezium
documentation, "PostgreSQL connector, data change events").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import orjson

from cdc.errors import DataError
from cdc.model.events import EFFECTS, Effect


class _Source(msgspec.Struct, gc=False):
    lsn: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    ts_us: Annotated[int, msgspec.Meta(ge=0, le=2**62 - 1)]
    tx_id: int | None = msgspec.field(name="txId", default=None)


class Envelope(msgspec.Struct, gc=False):
    """What is read of an envelope; the rest is passed over, which is half of the work of reading it all."""

    op: str
    source: _Source
    after: dict[str, Any] | None = None


decode = msgspec.json.Decoder(Envelope).decode
"""An envelope like most; what it raises at any other: msgspec.MsgspecError, UnicodeDecodeError."""


def read_envelope(value: bytes) -> tuple[Effect, Envelope]:
    """What an envelope does, and what is read of it.

    Raises:
        DataError: it is none.
        orjson.JSONDecodeError: it is no JSON.
    """
    try:
        envelope = decode(value)
        return EFFECTS[envelope.op], envelope
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return _read_unusual(value)


def whole_envelope(value: bytes) -> tuple[dict[str, Any], str, Effect]:
    """An envelope as a whole, its op, and what that does.

    Raises:
        DataError: it is none.
        orjson.JSONDecodeError: it is no JSON.
    """
    envelope = orjson.loads(value)
    if type(envelope) is not dict or type(envelope.get("source")) is not dict:
        raise DataError(f"received {value[:60]!r}, expected a Debezium envelope with op, after and source")
    op = envelope.get("op")
    effect = EFFECTS.get(op) if type(op) is str else None
    if op is None or effect is None:
        raise DataError(f"received op {op!r}, expected c, r, u, d, t or m")
    return envelope, op, effect


def _read_unusual(value: bytes) -> tuple[Effect, Envelope]:
    """An envelope that is not like most: read as a whole, so that it can be told what is wrong with it."""
    envelope, op, effect = whole_envelope(value)
    if effect is Effect.NOTHING:
        return effect, Envelope(op, _Source(0, 0))
    source = envelope["source"]
    tx_id = source.get("txId")
    read = _Source(lsn_of(source), moment_of(source), tx_id if type(tx_id) is int else None)
    return effect, Envelope(op, read, envelope.get("after"))


def lsn_of(source: Mapping[str, Any]) -> int:
    """`source.lsn`; rows of an incremental snapshot have it only as second element of `source.sequence`."""
    lsn = source.get("lsn")
    if lsn is None:
        try:
            lsn = int(orjson.loads(source["sequence"])[1])
        except (KeyError, IndexError, TypeError, ValueError):
            lsn = None
    if type(lsn) is not int or not 0 < lsn < 2**63:
        raise DataError(
            f"received lsn {source.get('lsn')!r}, sequence {source.get('sequence')!r}; expected an LSN"
        )
    return lsn


def moment_of(source: Mapping[str, Any]) -> int:
    """The commit's time at the source in microseconds."""
    moment = source.get("ts_us")
    if moment is None and type(source.get("ts_ms")) is int:
        moment = source["ts_ms"] * 1000
    if type(moment) is not int or not 0 <= moment < 2**62:
        raise DataError(
            f"received source time {source.get('ts_us', source.get('ts_ms'))!r}, expected ts_us or ts_ms"
        )
    return moment
