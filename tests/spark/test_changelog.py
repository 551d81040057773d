"""A table without a key: every event is kept once, exact duplicates too, whatever is replayed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdc.clients.kafka import KafkaClient
from cdc.model.snapshot_events import SnapshotPoint, begin_event, row_event
from cdc.services.compare import compare_table
from cdc.spec import Pipeline

SOURCE = "public.visits"
TABLE = {
    "source": SOURCE,
    "mode": "changelog",
    "stream": "visits",
    "columns": [
        {"name": "page", "type": "text", "nullable": False},
        {"name": "took", "type": "numeric(8,2)"},
        {"name": "tags", "type": "text[]"},
    ],
}
CURRENT = "SELECT page, sum(_diff) AS n FROM VIEW.visits GROUP BY page HAVING sum(_diff) <> 0 ORDER BY page"
EVENTS = "SELECT page, _op, _diff, _offset FROM VIEW.visits ORDER BY _version, _diff"


class Visits:
    """Sends the events of one table without a key."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        fields = lab.pipeline.model_dump(by_alias=True)
        lab.pipeline = Pipeline.model_validate({**fields, "tables": [*fields["tables"], TABLE]})
        self.table = lab.pipeline.table(SOURCE)
        kafka = KafkaClient(lab.connections.get("cdc_kafka").bootstrap_servers())
        kafka.create_topic(lab.topic(SOURCE), 1, 3_600_000)
        identity = kafka.topic_identity(lab.topic(SOURCE))
        assert identity is not None
        lab.ops.record_topic(identity.topic, identity.topic_id, identity.partitions)
        for sink in lab.pipeline.sinks:
            lab.make(sink.name, self.table)

    def send(self, op: str, before: str | None = None, after: str | None = None) -> None:
        envelope = json.loads(self.lab.event(SOURCE, op, None))
        rows = [
            None if page is None else {"page": page, "took": "1.50", "tags": []} for page in (before, after)
        ]
        envelope |= {"before": rows[0], "after": rows[1]}
        self.lab.send_raw(SOURCE, None, json.dumps(envelope).encode())

    def snapshot(self, *pages: str) -> None:
        point = SnapshotPoint("public", "visits", next(self.lab.lsn), 1_767_323_045_123_456)
        rows = [row_event(point, {"page": page, "took": "1.50", "tags": "{}"}) for page in pages]
        for event in (begin_event(point), *rows):
            self.lab.send_raw(SOURCE, None, json.dumps(event).encode())


@pytest.fixture
def visits(lab: Any) -> Visits:
    return Visits(lab)


def test_duplicates_are_kept_and_a_replay_changes_nothing(lab, visits):
    visits.snapshot("a", "a", "b")
    visits.send("c", after="a")
    visits.send("u", before="a", after="c")
    visits.send("d", before="a")
    assert lab.run("visits") == 0

    expected = [{"page": page, "n": 1} for page in "abc"]
    assert lab.both(CURRENT) == (expected, expected)
    clickhouse, warehouse = lab.both(EVENTS)
    assert clickhouse == warehouse
    assert [(row["page"], row["_op"], row["_diff"]) for row in warehouse] == [
        (None, "SNAPSHOT", 0), ("a", "INSERT", 1), ("a", "INSERT", 1), ("b", "INSERT", 1), ("a", "INSERT", 1),
        ("a", "UPDATE_BEFORE", -1), ("c", "UPDATE", 1), ("a", "DELETE", -1),
    ]  # fmt: skip
    progress = {item.sink: item for item in lab.ops.latest_progress(lab.pipeline.name)}["warehouse"]
    assert (progress.inserted, progress.updated, progress.deleted, progress.dead_letters) == (4, 1, 1, 0)

    lab.forget_checkpoints()
    assert lab.run("visits") == 0
    assert lab.reread("visits", "earliest") == 0
    assert lab.both(EVENTS) == (clickhouse, warehouse)
    sink = lab.pipeline.sink("clickhouse")
    lab.alter_clickhouse("OPTIMIZE TABLE RAW.visits FINAL")
    assert lab.clickhouse(f"SELECT count() AS n FROM {sink.raw_database}.visits") == [{"n": 8}]
    assert lab.both(EVENTS) == (clickhouse, warehouse)


def test_a_truncate_and_a_snapshot_make_void_what_came_before(lab, visits):
    visits.send("c", after="a")
    visits.send("c", after="a")
    visits.send("t")
    visits.send("c", after="b")
    assert lab.run("visits") == 0
    assert lab.both(CURRENT) == ([{"page": "b", "n": 1}],) * 2
    ops = [row["_op"] for row in lab.warehouse(EVENTS)]
    assert ops == ["INSERT", "INSERT", "TRUNCATE", "INSERT"]

    visits.snapshot("b", "c", "c")
    visits.send("d", before="c")
    assert lab.run("visits") == 0
    assert lab.both(CURRENT) == ([{"page": "b", "n": 1}, {"page": "c", "n": 1}],) * 2


def test_an_event_without_its_whole_row_is_set_aside_until_the_rows_are_read_anew(lab, visits):
    visits.send("c", after="a")
    visits.send("c", after="b")
    visits.send("d")
    visits.send("c", after="c")
    assert lab.run("visits") == 0
    assert lab.both(CURRENT) == ([{"page": page, "n": 1} for page in "abc"],) * 2
    assert lab.ops.open_dead_letters(lab.pipeline.name, "visits", "warehouse") == 1
    assert lab.replay("visits") == 0
    assert lab.ops.open_dead_letters(lab.pipeline.name, "visits", "warehouse") == 1

    visits.snapshot("a", "c")
    assert lab.run("visits") == 0
    assert lab.both(CURRENT) == ([{"page": page, "n": 1} for page in "ac"],) * 2
    assert lab.replay("visits") == 0
    for sink in lab.pipeline.sinks:
        assert lab.ops.open_dead_letters(lab.pipeline.name, "visits", sink.name) == 0
    assert lab.both(CURRENT) == ([{"page": page, "n": 1} for page in "ac"],) * 2


def test_the_comparison_finds_a_lost_and_a_doubled_event(lab, visits):
    lab.source(
        "CREATE TABLE IF NOT EXISTS public.visits (page text NOT NULL, took numeric(8,2), tags text[])"
    )
    lab.source("TRUNCATE public.visits")
    lab.source("INSERT INTO public.visits VALUES ('a', 1.5, '{}'), ('a', 1.50, '{}'), ('b', 1.5, '{}')")
    visits.snapshot("a", "a", "b", "b")
    visits.send("d", before="b")
    assert lab.run("visits") == 0
    report = compare_table(lab.pipeline, lab.connections, visits.table)
    assert report.equal, report.as_dict()
    assert set(report.rows.values()) == {3}

    lab.alter_warehouse("DELETE FROM RAW.visits WHERE _offset = 1")
    columns = (
        "page, took, tags, _is_null__tags, processed_at, _version, _op, _lsn, _tx_id, _source_ts, _partition"
    )
    lab.alter_clickhouse(
        f"INSERT INTO RAW.visits ({columns}, _generation, _diff, _offset) "
        f"SELECT {columns}, _generation, _diff, 99 "
        "FROM RAW.visits FINAL WHERE page = 'b' AND _op = 'd'"
    )
    report = compare_table(lab.pipeline, lab.connections, visits.table)
    assert report.counts == {"clickhouse": {"missing": 1}, "warehouse": {"missing": 1}}
