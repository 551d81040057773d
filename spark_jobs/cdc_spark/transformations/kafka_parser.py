"""Bytes from Kafka → the envelopes of one table, checked against its columns. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import orjson

from cdc.errors import CdcError, DataError, SchemaChangedError, UnsupportedSourceError
from cdc.model.events import Effect
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.transformations import placeholders
from cdc_spark.transformations.debezium_envelope import read_envelope
from cdc_spark.transformations.envelopes import BadEvent, Envelopes, Missing, Truncate
from cdc_spark.transformations.read_back import debezium_value

Record = tuple[bytes | None, bytes | None, int, int]
"""Key, value, partition, offset."""


class UnlikeError(SchemaChangedError):
    """An event has other columns than its table.

    Attributes:
        unknown: the columns that the table does not have.
    """

    def __init__(self, message: str, unknown: tuple[str, ...]) -> None:
        super().__init__(message)
        self.unknown = unknown


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
        self._excluded = frozenset((*table.exclude, *table.vanished))
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
        effect, envelope = read_envelope(value)
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
