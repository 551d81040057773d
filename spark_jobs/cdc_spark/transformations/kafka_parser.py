"""Bytes from Kafka → typed Debezium envelopes, collected by column. No Spark, no I/O.

The envelopes are those of `org.apache.kafka.connect.json.JsonConverter` with `schemas.enable=false` (Debezium
documentation, "PostgreSQL connector, data change events").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Annotated, Any

import msgspec
import orjson

from cdc.errors import CdcError, DataError, SchemaChangedError, UnsupportedSourceError
from cdc.model.events import EFFECTS, Effect
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.transformations import placeholders
from cdc_spark.transformations.read_back import debezium_value

Record = tuple[bytes | None, bytes | None, int, int]
"""Key, value, partition, offset."""


@dataclass(frozen=True)
class BadEvent:
    """An event that cannot be written, and why.

    Attributes:
        late: its record alone does not show it: it was found when missing values were looked up.
        unknown: columns of the event that the table does not have.
    """

    partition: int
    offset: int
    error: str
    message: str
    key: bytes | None = None
    late: bool = False
    unknown: tuple[str, ...] = ()


class UnlikeError(SchemaChangedError):
    """An event has other columns than its table.

    Attributes:
        unknown: the columns that the table does not have.
    """

    def __init__(self, message: str, unknown: tuple[str, ...]) -> None:
        super().__init__(message)
        self.unknown = unknown


@dataclass(frozen=True)
class Missing:
    """What an event does not say of its row: an update did not touch a long value, or no event says it.

    Attributes:
        record: the event's position among the records that were parsed.
        columns: positions of the columns.
        unsent: the source alone knows at least one of the values.
    """

    record: int
    columns: tuple[int, ...]
    unsent: bool = False


@dataclass(frozen=True)
class Truncate:
    """A TRUNCATE: rows of the table with a lower LSN are not current any more."""

    partition: int
    offset: int
    lsn: int


@dataclass
class Envelopes:
    """What a stretch of records holds: one entry in each list for every event that changes a row.

    Attributes:
        values: the source columns' values in declared order; of a delete, the key's alone.
        missing: what has to be filled, by the position in these lists; its values are None here.
        records: the event's position among the records that were parsed.
        doubted: positions of events that were asked after at the source, as what they say has two meanings.
        exact: by the event's position and the column's name, PostgreSQL's own text of a value that the type
            in which it travels does not hold.
        moments: the commit's time at the source in microseconds.
        until: for each partition, the offset after the last record that was seen.
    """

    keys: list[bytes | None] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)
    lsns: list[int] = field(default_factory=list)
    tx_ids: list[int | None] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    missing: dict[int, Missing] = field(default_factory=dict)
    records: list[int] = field(default_factory=list)
    doubted: set[int] = field(default_factory=set)
    exact: dict[int, dict[str, str]] = field(default_factory=dict)
    bad: list[BadEvent] = field(default_factory=list)
    truncates: list[Truncate] = field(default_factory=list)
    until: dict[int, int] = field(default_factory=dict)
    events: int = 0
    tombstones: int = 0
    parked: int = 0
    replaced: int = 0

    def add(
        self,
        key: bytes | None,
        op: str,
        values: tuple[Any, ...],
        origin: tuple[int, Any, int],
        place: tuple[int, int],
    ) -> None:
        """Append an event: its LSN, transaction and moment, then its partition and offset."""
        lsn, tx_id, moment = origin
        self.keys.append(key)
        self.records.append(self.events - 1)
        self.ops.append(op)
        self.values.append(values)
        self.lsns.append(lsn)
        self.tx_ids.append(tx_id if type(tx_id) is int else None)
        self.moments.append(moment)
        self.partitions.append(place[0])
        self.offsets.append(place[1])


class _Source(msgspec.Struct, gc=False):
    lsn: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    ts_us: Annotated[int, msgspec.Meta(ge=0, le=2**62 - 1)]
    tx_id: int | None = msgspec.field(name="txId", default=None)


class Envelope(msgspec.Struct, gc=False):
    """What is read of an envelope; the rest is passed over, which is half of the work of reading it all."""

    op: str
    source: _Source
    after: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Envelope).decode
_UNUSUAL = (msgspec.MsgspecError, UnicodeDecodeError)


class KafkaParser:
    """Parses the events of one table.

    Args:
        table: what the pipeline declares.
        parked: the first offset of each partition that waits for the table to be resumed; None when it is not
            parked. A partition that is missing waits from 0.
        begins: the first offset of each partition that belongs to the table; what lies before is of one that
            was replaced.
    """

    def __init__(
        self,
        table: TableSpec,
        parked: Mapping[int, int] | None = None,
        begins: Mapping[int, int] | None = None,
    ) -> None:
        self._begins = begins or {}
        self._names = tuple(column.name for column in table.columns)
        self._key = table.key
        self._key_names = frozenset(table.key)
        self._source = table.source
        self._parked = parked
        self._unsent = table.unsent
        self._unsent_at = tuple(i for i, name in enumerate(self._names) if name in self._unsent)
        self._sent = tuple(name for name in self._names if name not in self._unsent)
        self._pick = picker(self._sent)
        # A column that was added or dropped later: what an event says that does not have it.
        self._absent = {c.name: _absent(c) for c in table.columns if c.optional}
        self._excluded = frozenset(table.exclude)
        self._shapes: dict[tuple[str, ...], bool] = {}
        self._pick_key = picker(self._key)

    def parse(self, records: Iterable[Record], *, whole: bool = False) -> Envelopes:
        """Parse records in their order; whatever is wrong with one lands in `bad` and never raises.

        Args:
            records: of this table's topic.
            whole: no record's value holds a placeholder, so none is looked for.
        """
        out = Envelopes()
        read = partial(self._read, out, whole=whole)
        for key, value, partition, offset in records:
            out.events += 1
            out.until[partition] = offset + 1
            if offset < self._begins.get(partition, 0):
                out.replaced += 1
            elif self._parked is not None and offset >= self._parked.get(partition, 0):
                out.parked += 1
            elif value is None:
                out.tombstones += 1
            else:
                try:
                    read(key, value, partition, offset)
                except UnlikeError as error:
                    name = SchemaChangedError.__name__
                    out.bad.append(BadEvent(partition, offset, name, str(error), key, unknown=error.unknown))
                except CdcError as error:
                    out.bad.append(BadEvent(partition, offset, type(error).__name__, str(error), key))
                except orjson.JSONDecodeError as error:
                    message = f"received {value[:60]!r}, expected JSON of a Debezium envelope: {error}"
                    out.bad.append(BadEvent(partition, offset, DataError.__name__, message, key))
        return out

    def _read(
        self, out: Envelopes, key: bytes | None, value: bytes, partition: int, offset: int, *, whole: bool
    ) -> None:
        try:
            envelope = _decode(value)
            effect = EFFECTS[envelope.op]
        except (*_UNUSUAL, KeyError):
            effect, envelope = _read_unusual(value)
        if effect is Effect.NOTHING:
            return
        lsn = envelope.source.lsn
        if effect is Effect.FLOOR:
            out.truncates.append(Truncate(partition, offset, lsn))
            return
        identity = self._identity(key)
        if effect is Effect.ROW:
            values, missing = self._after(envelope.after, identity), self._unsent_at
        else:
            values, missing = tuple(identity.get(name) for name in self._names), ()
            value = key or b""
        # A delete's values are its key's, which no look at the values covers.
        if not (whole and effect is Effect.ROW) and placeholders.may_hold(value):
            values, missing = self._without_placeholders(values, missing)
        if missing:
            out.missing[len(out.ops)] = Missing(out.events - 1, missing, unsent=bool(self._unsent_at))
        origin = lsn, envelope.source.tx_id, envelope.source.ts_us
        out.add(key, envelope.op, values, origin, (partition, offset))

    def _identity(self, key: bytes | None) -> dict[str, Any]:
        if key is None:
            raise DataError(
                f"received no key, expected {', '.join(self._key)}: the event cannot name its row"
            )
        try:
            identity = orjson.loads(key)
        except orjson.JSONDecodeError:
            identity = None
        if type(identity) is not dict or identity.keys() != self._key_names or None in identity.values():
            raise DataError(f"received key {key[:120]!r}, expected JSON with {', '.join(self._key)}")
        return identity

    def _row(self, name: str, row: Any) -> tuple[Any, ...]:
        if type(row) is not dict:
            raise DataError(f"received {name}={row!r:.60}, expected the row's columns")
        try:
            values = self._pick(row)
        except KeyError:
            return self._like_another(row)
        return tuple(values) if len(row) == len(values) else self._like_another(row)

    def _after(self, after: Any, identity: dict[str, Any]) -> tuple[Any, ...]:
        values = self._row("after", after)
        if self._pick_key(after) != self._pick_key(identity):
            raise DataError(
                f"received key {identity!r:.120} beside a row with {self._pick_key(after)!r:.120}"
            )
        if self._unsent_at:
            said = iter(values)
            return tuple(None if name in self._unsent else next(said) for name in self._names)
        return values

    def _like_another(self, row: dict[str, Any]) -> tuple[Any, ...]:
        """The values of an event from another time of its table.

        A column that is read at the source now may have been sent once.
        """
        shape = tuple(row)
        if shape not in self._shapes:
            unknown = set(shape) - set(self._names) - self._excluded
            missing = set(self._sent) - set(shape) - self._absent.keys()
            self._shapes[shape] = not unknown and not missing
        if not self._shapes[shape]:
            raise self._unlike(row)
        whole = {**self._absent, **row}
        return tuple(whole[name] for name in self._sent)

    def _without_placeholders(
        self, values: tuple[Any, ...], missing: tuple[int, ...]
    ) -> tuple[tuple[Any, ...], tuple[int, ...]]:
        """The values with NULL for each placeholder, and the positions of what is missing now."""
        columns = placeholders.held(values)
        if not columns:
            return values, missing
        key = [self._names[column] for column in columns if self._names[column] in self._key_names]
        if key:
            raise UnsupportedSourceError(
                f"received Debezium's placeholder of an unchanged TOAST value in key column "
                f"{', '.join(map(repr, key))}, expected the key: no row can be named by it. Store the column "
                "in the row (ALTER TABLE … ALTER COLUMN … SET STORAGE MAIN) or set REPLICA IDENTITY FULL on "
                "the table, then resume the table"
            )
        left = tuple(None if position in columns else value for position, value in enumerate(values))
        return left, tuple(sorted({*columns, *missing}))

    def _unlike(self, after: Mapping[str, Any]) -> UnlikeError:
        declared = {*self._names, *self._excluded}
        strange = tuple(name for name in after if name not in declared)
        unknown = ", ".join(map(repr, strange))
        missing = ", ".join(
            repr(name) for name in self._sent if name not in after and name not in self._absent
        )
        said = "; ".join(
            part
            for part in (unknown and f"the event has {unknown}", missing and f"the event lacks {missing}")
            if part
        )
        return UnlikeError(
            f"{self._source}: its columns are not the declared ones: {said}. `cdc schema status` says how "
            "the source has changed",
            strange,
        )


def _absent(column: ColumnSpec) -> Any:
    return None if column.default is None else debezium_value(column.default.encode(), column.pg_type)


def picker(names: tuple[str, ...]) -> Any:
    """A function from a row to the tuple of these columns' values; KeyError when it lacks one."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        only = names[0]
        return lambda row: (row[only],)
    return itemgetter(*names)


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
