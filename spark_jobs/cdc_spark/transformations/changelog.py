"""The events of a table whose every event is kept: rows that came and rows that went. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from cdc.errors import DataError
from cdc.model.events import Effect
from cdc.model.snapshot_events import is_ours
from cdc.spec import TableSpec
from cdc_spark.schemas.rows import Operation
from cdc_spark.transformations import placeholders
from cdc_spark.transformations.cdc_transformer import Wrong, told
from cdc_spark.transformations.debezium_envelope import lsn_of, moment_of, whole_envelope
from cdc_spark.transformations.envelopes import Envelopes, Truncate
from cdc_spark.transformations.fill import Filled, without
from cdc_spark.transformations.kafka_parser import KafkaParser
from cdc_spark.transformations.read_back import debezium_value


class ChangelogParser(KafkaParser):
    """Parses the events of one changelog: an update is two rows, before and after.

    Kafka's key plays no part: there is none, or it is that of a unique index. Rows of Debezium's own
    snapshots are passed over, since `cdc.services.changelog_snapshot` has each of them exactly once.
    """

    def __init__(
        self,
        table: TableSpec,
        parked: Mapping[int, int] | None = None,
        begins: Mapping[int, int] | None = None,
        void_below: int = 0,
    ) -> None:
        super().__init__(table, parked, begins)
        self._void_below = void_below
        self._types = {column.name: column.pg_type for column in table.columns}

    def _read(
        self, out: Envelopes, key: bytes | None, value: bytes, partition: int, offset: int, *, whole: bool
    ) -> None:
        envelope, op, effect = whole_envelope(value)
        source = envelope["source"]
        if effect is Effect.NOTHING or (op == Operation.READ and not is_ours(source)):
            return
        lsn, moment = lsn_of(source), moment_of(source)
        if lsn < self._void_below:
            return
        if effect is Effect.FLOOR:
            out.truncates.append(Truncate(partition, offset, lsn))
        # All of the event's rows or none: what is wrong with one is said before any is added.
        for kind, values in tuple(
            self._rows(op, envelope, may_lack=not whole and placeholders.may_hold(value))
        ):
            out.add(key, kind, values, (lsn, source.get("txId"), moment), (partition, offset))

    def _rows(
        self, op: str, envelope: Mapping[str, Any], *, may_lack: bool
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        ours = is_ours(envelope["source"])
        if op == Operation.TRUNCATE:
            yield Operation.SNAPSHOT if ours else Operation.EMPTIED, (None,) * len(self._names)
        elif ours:
            yield op, self._row("after", self._read_texts(envelope.get("after")))
        else:
            if op in (Operation.UPDATE, Operation.DELETE):
                gone = Operation.BEFORE if op == Operation.UPDATE else Operation.DELETE
                yield gone, self._whole("before", envelope, may_lack=may_lack)
            if op != Operation.DELETE:
                yield op, self._whole("after", envelope, may_lack=may_lack)

    def _read_texts(self, row: Any) -> Any:
        """A row of our own snapshot, whose values are PostgreSQL's texts; it may be older than a column."""
        if type(row) is not dict:
            return row
        return {
            name: debezium_value(None if text is None else text.encode(), self._types[name])
            if name in self._types
            else text
            for name, text in row.items()
        }

    def _whole(self, name: str, envelope: Mapping[str, Any], *, may_lack: bool) -> tuple[Any, ...]:
        row = envelope.get(name)
        values = None if row is None else self._row(name, row)
        if values is None or (may_lack and placeholders.held(values)):
            raise DataError(
                f"{self._source}: received an event whose row {name} the change is not whole, expected every "
                "column: a changelog needs REPLICA IDENTITY FULL. Set it again, then run "
                f"`cdc table snapshot {self._source}`, which reads the table anew"
            )
        return values


def whole_events(envelopes: Envelopes, rows: pa.RecordBatch, wrong: Wrong) -> Filled:
    """Leave out every row of an event of which one row cannot be written."""
    bad = {(event.partition, event.offset): event for event in told(envelopes, wrong)}
    if not bad:
        return Filled(rows, [])
    places = enumerate(zip(envelopes.partitions, envelopes.offsets, strict=True))
    return Filled(without(rows, {at for at, place in places if place in bad}), list(bad.values()))
