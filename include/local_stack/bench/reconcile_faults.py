"""Rows of both sinks' physical tables that are altered, removed and added: each one has to be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.clients.clickhouse import connect_clickhouse
from cdc.spec import ClickHouseSink
from local_stack.bench.reconcile_place import CLICKHOUSE_TIMEOUT_S, ReconcilePlace

Found = tuple[str, str, str]
"""The sink, the kind of the difference, and the key."""

COLUMN = "note"
_CLICKHOUSE = {
    "differing": f"ALTER TABLE {{raw}} UPDATE {COLUMN} = 'altered' WHERE id = {{key}} "
    "SETTINGS mutations_sync = 2",
    "missing": "DELETE FROM {raw} WHERE id = {key} SETTINGS lightweight_deletes_sync = 2",
    # A condition beside the alias would be about the new id.
    "extra": "INSERT INTO {raw} SELECT * REPLACE ({key} AS id) FROM (SELECT * FROM {raw} WHERE id = 1)",
}
_WAREHOUSE = {
    "differing": f"UPDATE {{raw}} SET {COLUMN} = 'altered' WHERE id = {{key}}",
    "missing": "DELETE FROM {raw} WHERE id = {key}",
    "extra": "INSERT INTO {raw} SELECT (jsonb_populate_record(one, jsonb_build_object('id', {key}))).* "
    "FROM {raw} one WHERE id = 1",
}


@dataclass(frozen=True)
class Fault:
    """One row of one sink."""

    sink: str
    kind: str
    key: int

    @property
    def found(self) -> Found:
        """What a reconciliation says of it."""
        return self.sink, self.kind, str(self.key)


def faults(sinks: list[str], rows: int) -> Iterator[Fault]:
    """A row altered in one column, one that is missing and a ghost, of other keys in each sink."""
    for number, sink in enumerate(sinks):
        yield Fault(sink, "differing", rows // 3 + number)
        yield Fault(sink, "missing", rows // 2 + number)
        yield Fault(sink, "extra", rows + 1 + number)


def plant(place: ReconcilePlace, planted: list[Fault]) -> None:
    """Hit the sinks' physical tables behind the platform's back."""
    sinks = {sink.name: sink for sink in place.pipeline().sinks}
    for fault in planted:
        sink = sinks[fault.sink]
        raw = ".".join(sink.raw_table(place.table.name))
        if isinstance(sink, ClickHouseSink):
            client = connect_clickhouse(
                place.connections().get(sink.connection), send_receive_timeout_s=CLICKHOUSE_TIMEOUT_S
            )
            client.command(_CLICKHOUSE[fault.kind].format(raw=raw, key=fault.key))
            client.close()
        else:
            with place.postgres(sink.connection) as warehouse:
                warehouse.execute(_WAREHOUSE[fault.kind].format(raw=raw, key=fault.key).encode())
