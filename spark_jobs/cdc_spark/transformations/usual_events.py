"""The events of a stretch a step at a time, when there is nothing to say about any. No Spark, no I/O.

Most stretches are inserts, updates and deletes that have the declared columns and nothing wrong. They are
read here, each step for all events at once, which costs a third less than an event at a time. Whatever else
there is, `KafkaParser` reads the whole stretch, and says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from cdc.spec import TableSpec
from cdc_spark.transformations import placeholders
from cdc_spark.transformations.debezium_envelope import decode
from cdc_spark.transformations.envelopes import Envelopes
from cdc_spark.transformations.kafka_parser import picker
from cdc_spark.transformations.records import Records

_ROWS = frozenset("cru")
_ALL = frozenset("crud")
_UNUSUAL = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError)


class UsualEvents:
    """Reads stretches of one table.

    Args:
        table: a table of current rows, every column of which events say.
        begins: the first offset of each partition that belongs to the table.
    """

    def __init__(self, table: TableSpec, begins: Mapping[int, int]) -> None:
        self._begins = {partition: offset for partition, offset in begins.items() if offset}
        self._names = tuple(column.name for column in table.columns)
        self._pick, self._pick_key = picker(self._names), picker(table.key)
        self._key_size = len(table.key)

    def read(self, records: Records) -> Envelopes | None:
        """What `KafkaParser.parse` makes of records without placeholders, or None when it has to look.

        Args:
            records: whose values hold no placeholder.
        """
        out = Envelopes(events=len(records))
        out.until = {
            partition: offset + 1
            for partition, offset in zip(records.partitions, records.offsets, strict=True)
        }
        if self._begins and any(
            offset < self._begins.get(partition, 0)
            for partition, offset in zip(records.partitions, records.offsets, strict=True)
        ):
            return None
        values = records.values
        out.records = [position for position, value in enumerate(values) if value is not None]
        out.tombstones = len(values) - len(out.records)
        keys, partitions, offsets = records.keys, records.partitions, records.offsets
        if out.tombstones:
            values, keys = [values[i] for i in out.records], [keys[i] for i in out.records]
            partitions, offsets = [partitions[i] for i in out.records], [offsets[i] for i in out.records]
        out.keys, out.partitions, out.offsets = list(keys), list(partitions), list(offsets)
        try:
            return out if self._fill(out, values) else None
        except _UNUSUAL:
            return None

    def _fill(self, out: Envelopes, values: Any) -> bool:
        envelopes = [decode(value) for value in values]
        # A record without a key is refused here, and told of by the other parser.
        identities = [orjson.loads(key or b"") for key in out.keys]
        out.ops = [envelope.op for envelope in envelopes]
        rows = [envelope.after for envelope in envelopes]
        named = [self._pick_key(identity) for identity in identities]
        if not (
            _ALL.issuperset(out.ops)
            and {len(identity) for identity in identities} <= {self._key_size}
            and {len(row) for row in rows if row is not None} <= {len(self._names)}
            and not any(None in key for key in named)
        ):
            return False
        for op, row, key in zip(out.ops, rows, named, strict=True):
            if row is None:
                if op in _ROWS:
                    return False
            elif op not in _ROWS or self._pick_key(row) != key:
                return False
        out.values = [
            self._pick(row) if row is not None else tuple(map(identity.get, self._names))
            for row, identity in zip(rows, identities, strict=True)
        ]
        deleted = (key for key, row in zip(out.keys, rows, strict=True) if row is None and key)
        if placeholders.may_hold(b"\n".join(deleted)):
            return False
        sources = [envelope.source for envelope in envelopes]
        out.lsns = [source.lsn for source in sources]
        out.tx_ids = [source.tx_id for source in sources]
        out.moments = [source.ts_us for source in sources]
        return True
