"""Rows of a sink that somebody has altered, removed or added behind the platform's back: counts may agree."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from local_stack.drill.fault import Fault
from local_stack.drill.stage import Stage
from local_stack.drill.watch import ReconciliationWatch

ARRIVAL_LIMIT_S = 60.0
GHOST = 9_000_000_000
_INSERT = """
INSERT INTO customers (id, email, full_name, tier, external_id, created_at)
VALUES (nextval(pg_get_serial_sequence('customers', 'id')), %s, 'Drill', 'standard', %s, %s) RETURNING id"""
_CLICKHOUSE = {
    "altered": "ALTER TABLE {raw} UPDATE full_name = 'altered by a drill' WHERE id = {id} "
    "SETTINGS mutations_sync = 2",
    "missing": "DELETE FROM {raw} WHERE id = {id} SETTINGS lightweight_deletes_sync = 2",
    # A condition beside the alias would be about the new id.
    "ghost": "INSERT INTO {raw} SELECT * REPLACE ({ghost} + id AS id) "
    "FROM (SELECT * FROM {raw} WHERE id = {id} LIMIT 1)",
}
_WAREHOUSE = {
    "altered": "UPDATE {raw} SET full_name = 'altered by a drill' WHERE id = {id}",
    "missing": "DELETE FROM {raw} WHERE id = {id}",
    "ghost": "INSERT INTO {raw} SELECT (jsonb_populate_record(one, "
    "jsonb_build_object('id', {ghost} + id))).* FROM {raw} one WHERE id = {id}",
}
_TOLD = {"altered": "differing", "missing": "missing", "ghost": "extra"}
_MENDED_BY = {
    "altered": "itself: the run reads the row again",
    "missing": "itself: the run reads the row again",
    "ghost": "itself: the run removes the row",
}
_SEEN = {
    "altered": "full_name = 'altered by a drill' AND id = {id}",
    "missing": "id = {id}",
    "ghost": "id = {ghost}",
}


class RowFault(Fault):
    """One row of one sink, hit directly in the raw table.

    A customer of the drill's own is hit, so that no change of the generator mends it by chance.

    Args:
        kind: `altered`, `missing` or `ghost`.
        sink_type: the sink's, `clickhouse` or `postgres`.
        sink_word: the sink's name for a person.
    """

    def __init__(self, kind: str, sink_type: str, sink_word: str) -> None:
        """Nothing is planted yet."""
        self._kind, self._type = kind, sink_type
        self._id = 0
        self.name = f"{kind}-row-{sink_word}"
        self.planted = {
            "altered": f"a row of {sink_word} altered in one column",
            "missing": f"a row of {sink_word} deleted",
            "ghost": f"a row added to {sink_word} that the source does not have",
        }[kind]
        self.mended_by = _MENDED_BY[kind]

    def plant(self, stage: Stage) -> None:
        """Make a customer at the source, wait until the sinks have it, then hit it in one of them."""
        with stage.at_source() as source:
            mark = uuid4()
            row = source.execute(_INSERT, (f"{mark}@drill.example", mark, datetime.now(UTC))).fetchone()
        self._id = int(row[0]) if row else 0
        for one in stage.pipeline.sinks:
            stage.wait_for(
                partial(stage.rows_in, one, f"id = {self._id}"),
                ARRIVAL_LIMIT_S,
                f"the drill's row has not arrived in {one.name}",
            )
        sink = stage.sink(self._type)
        statement = (_CLICKHOUSE if self._type == "clickhouse" else _WAREHOUSE)[self._kind]
        raw = ".".join(sink.raw_table(stage.table.name))
        stage.in_sink(sink, statement.format(raw=raw, id=self._id, ghost=GHOST))
        hit = stage.rows_in(sink, _SEEN[self._kind].format(id=self._id, ghost=GHOST + self._id))
        if hit != (0 if self._kind == "missing" else 1):
            raise AssertionError(f"{self.name} was not planted: {hit} rows")

    def watch(self, stage: Stage) -> ReconciliationWatch:
        """The mail names the sink, the kind and the key, and that one row was repaired."""
        sink, kind = stage.sink(self._type).name, _TOLD[self._kind]
        key = self._id + (GHOST if self._kind == "ghost" else 0)
        told = rf"(?s)in {sink}: 1 {kind}; 1 repaired, 0 left.*\b{key}\b"
        return ReconciliationWatch(stage.table.name, told)

    def undo(self, stage: Stage) -> None:
        """Take the drill's own customer out of the shop."""
        if self._id:
            with stage.at_source() as source:
                source.execute("DELETE FROM customers WHERE id = %s", (self._id,))
