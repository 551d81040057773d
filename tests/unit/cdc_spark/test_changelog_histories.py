"""Random histories of a table without a key: whatever is read again, the changelog adds up to the source."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.ddl.columns import sink_columns
from cdc.model.floors import NO_FLOOR, Floor, floor_of, is_current
from cdc.model.snapshot_events import SnapshotPoint, begin_event, row_event
from cdc.spec import TableSpec
from cdc_spark.writers.columns import for_warehouse

COLUMNS = [{"name": "page", "type": "text", "nullable": False}]
PAGES = st.sampled_from("abc")


@pytest.fixture
def table() -> TableSpec:
    return TableSpec.model_validate({"source": "public.visits", "mode": "changelog", "columns": COLUMNS})


@dataclass
class Source:
    """The table, and what its log and its snapshots put into the topic."""

    rows: list[str] = field(default_factory=list)
    streamed: list[dict[str, Any]] = field(default_factory=list)
    topic: list[dict[str, Any]] = field(default_factory=list)
    lsn: int = 100

    def log(self, op: str, before: str | None, after: str | None) -> None:
        self.lsn += 10
        source = {"lsn": self.lsn, "txId": 1, "ts_us": 1_700_000_000_000_000, "connector": "postgresql"}
        halves = [None if page is None else {"page": page} for page in (before, after)]
        self.streamed.append({"op": op, "before": halves[0], "after": halves[1], "source": source})

    def change(self, kind: str, page: str, new: str) -> None:
        if kind == "insert":
            self.rows.append(page)
            self.log("c", None, page)
        elif kind == "truncate":
            self.rows.clear()
            self.log("t", None, None)
        elif page in self.rows:
            self.rows.remove(page)
            if kind == "update":
                self.rows.append(new)
            self.log("u" if kind == "update" else "d", page, new if kind == "update" else None)

    def snapshot(self) -> None:
        """Its rows may come before events that it has already, since the connector is behind."""
        self.lsn += 10
        point = SnapshotPoint("public", "visits", self.lsn, 1_700_000_000_000_000)
        self.topic += [begin_event(point), *(row_event(point, {"page": page}) for page in self.rows)]

    def deliver(self, count: int) -> None:
        self.topic += self.streamed[:count]
        del self.streamed[:count]


STEPS = st.one_of(
    st.tuples(st.sampled_from(["insert", "insert", "insert", "update", "delete", "truncate"]), PAGES, PAGES),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("deliver"), st.integers(1, 4)),
)


@given(steps=st.lists(STEPS, max_size=40), again=st.lists(st.integers(0, 60), max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changelog_adds_up_to_the_source(run, table, steps, again):
    source = Source()
    for kind, *values in steps:
        if kind in ("snapshot", "deliver"):
            getattr(source, kind)(*values)
        else:
            source.change(kind, *values)
    source.deliver(len(source.streamed))
    records = [(None, json.dumps(event).encode(), 0, offset) for offset, event in enumerate(source.topic)]
    stored: dict[tuple[Any, ...], dict[str, Any]] = {}
    floor: Floor = NO_FLOOR
    for begin in (0, *again):  # read from the beginning, and again from somewhere
        if not records[begin:]:
            continue
        made = run(*records[begin:], generations={0: [(0, 1)]})
        floor = max([floor, *(floor_of(row["_version"], row["_lsn"]) for row in made if row["_op"] == "t")])
        kept = [row for row in made if row["_op"] not in "t#!"]
        assert not [row for row in made if row["_op"] == "!"]
        if kept:
            for row in for_warehouse(pa.Table.from_pylist(kept), sink_columns(table)).to_pylist():
                stored[tuple(row[name] for name in table.identity)] = row
    found: Counter[str] = Counter()
    for row in stored.values():
        if is_current(int(row["_version"]), int(row["_lsn"]), False, floor):
            found[row["page"]] += int(row["_diff"])
    assert {page: count for page, count in found.items() if count} == Counter(source.rows)
