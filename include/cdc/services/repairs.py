"""Prepares the repair of proven differences: where each key lives in the topic, and what is in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cdc.connections import Connections
from cdc.ops import OpsStore, Repair
from cdc.services.checksums import Key
from cdc.services.confirm import Confirmed
from cdc.services.fences import Fences
from cdc.services.key_places import KeyPlaces
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import Pipeline, SinkSpec, TableSpec

_AT_ONCE = 5_000


class Repairs:
    """Repairs of one table."""

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        table: TableSpec,
        rows: RowsByKey,
        fences: Fences,
    ) -> None:
        self._pipeline, self._ops, self._table, self._rows = pipeline, ops, table, rows
        self._places = KeyPlaces(connections, table, fences)

    def ask(
        self, run: UUID, sinks: Sequence[SinkSpec], confirmed: Mapping[str, Mapping[Key, Confirmed]]
    ) -> int:
        """Leave the keys for the bounded run, and remove rows that a repair would not win over.

        Raises:
            UnsupportedSourceError: nothing proves which partition a key lives in.
        """
        self._places.prove(sinks, set().union(*confirmed.values()))
        repairs = [
            Repair(self._table.name, sink, encoded, partition)
            for sink, found in confirmed.items()
            for encoded, partition in self._places.placed(found)
        ]
        for sink in sinks:
            found = confirmed.get(sink.name, {})
            foreign = {key: item.foreign for key, item in found.items() if item.foreign is not None}
            self._rows.delete(sink, foreign)
        for at in range(0, len(repairs), _AT_ONCE):
            self._ops.ask_repairs(run, self._pipeline.name, repairs[at : at + _AT_ONCE])
        return len(repairs)
