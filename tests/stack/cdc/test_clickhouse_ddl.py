"""ClickHouse's statements on ClickHouse's engine."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from chdb import session

from cdc.ddl import clickhouse
from cdc.ddl.columns import view_columns
from cdc.model.version import pack
from cdc.spec import ClickHouseSink, Pipeline


class Engine:
    """A chDB session that answers with Python rows."""

    def __init__(self, folder: str) -> None:
        self.session: Any = session.Session(folder)

    def rows(self, statement: str) -> list[list[Any]]:
        text = str(self.session.query(statement, "JSONCompactEachRow"))
        return [json.loads(line) for line in text.splitlines()]

    def put(self, table: str, **values: Any) -> None:
        row = {
            "processed_at": "2026-01-01 00:00:00.000000", "_op": "c", "_is_deleted": 0, "_lsn": 10,
            "_source_ts": "2026-01-01 00:00:00.000000", "_generation": 1, "_version": pack(1, 0), **values,
        }  # fmt: skip
        if "_diff" in row:  # a changelog has no tombstones
            del row["_is_deleted"]
        self.session.query(f"INSERT INTO cdc_raw.{table} FORMAT JSONEachRow {json.dumps(row)}")


@pytest.fixture(scope="module")
def engine(pipeline: Pipeline) -> Iterator[Engine]:
    folder = tempfile.mkdtemp(prefix="lib-clickhouse-", dir="/tmp")
    built = Engine(folder)
    sink = pipeline.sink("clickhouse")
    assert isinstance(sink, ClickHouseSink)
    for _ in range(2):  # every statement can be run again
        for table in pipeline.tables:
            for statement in clickhouse.statements(pipeline, sink, table):
                built.session.query(statement)
    yield built
    built.session.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_views_have_the_declared_columns_in_order(engine: Engine, pipeline: Pipeline) -> None:
    for table in pipeline.tables:
        where = f"database = 'analytics' AND table = '{table.name}'"
        names = [
            row[0] for row in engine.rows(f"SELECT name FROM system.columns WHERE {where} ORDER BY position")
        ]
        assert names == [column.name for column in view_columns(table)]


def test_the_newest_version_wins_whatever_the_order_of_inserts(engine: Engine) -> None:
    engine.put("customers", id=1, email="new", _version=pack(1, 9), _op="u")
    engine.put("customers", id=1, email="old", _version=pack(1, 3))
    assert engine.rows("SELECT email, _op FROM analytics.customers WHERE id = 1") == [["new", "UPDATE"]]


def test_a_tombstone_needs_only_its_key_and_is_not_shown(engine: Engine) -> None:
    engine.put("customers", id=2, email="x", _version=pack(1, 1))
    engine.put("customers", id=2, _op="d", _is_deleted=1, _version=pack(1, 2))
    assert engine.rows("SELECT count() FROM analytics.customers WHERE id = 2") == [[0]]


def test_null_and_empty_arrays_stay_apart(engine: Engine) -> None:
    engine.put("customers", id=3, tags=[], _is_null__tags=1)
    engine.put("customers", id=4, tags=[])
    engine.put("customers", id=5, tags=["a", None])
    rows = engine.rows("SELECT id, tags FROM analytics.customers WHERE id IN (3, 4, 5) ORDER BY id")
    assert rows == [[3, None], [4, []], [5, ["a", None]]]


def test_rows_below_the_truncate_floor_are_not_shown(engine: Engine) -> None:
    engine.put("products", id=1, _lsn=99)
    engine.put("products", id=2, _lsn=100)
    engine.put("products", id=3, _lsn=5, _generation=2)
    engine.session.query(
        "INSERT INTO cdc_raw._truncate_floors VALUES ('products', 1, 50), ('products', 1, 100)"
    )
    assert engine.rows("SELECT id FROM analytics.products ORDER BY id") == [[2], [3]]


def test_a_changelog_shows_every_event_and_collapses_the_same_one(engine: Engine, pipeline: Pipeline) -> None:
    sink = pipeline.sink("clickhouse")
    assert isinstance(sink, ClickHouseSink)
    table = pipeline.table("customers").model_copy(update={"mode": "changelog", "key": (), "name": "log"})
    for _ in range(2):
        for statement in clickhouse.statements(pipeline, sink, table):
            engine.session.query(statement)

    def put(offset: int, op: str, diff: int, **values: Any) -> None:
        engine.put(
            "log", _partition=0, _offset=offset, _version=pack(1, offset), _op=op, _diff=diff, **values
        )

    for offset, op, diff, lsn in (
        (1, "r", 1, 10),
        (2, "b", -1, 11),
        (2, "u", 1, 11),
        (3, "e", 0, 20),
        (4, "c", 1, 30),
    ):
        for _ in range(2):
            put(offset, op, diff, id=7, _lsn=lsn)
    put(5, "c", 1, id=None, tags=[], _is_null__tags=1, _lsn=31)
    engine.session.query("INSERT INTO cdc_raw._truncate_floors VALUES ('log', 1, 20)")
    shown = "SELECT _op, _diff FROM analytics.log ORDER BY _version, _diff"
    expected = [
        ["INSERT", 0], ["UPDATE_BEFORE", 0], ["UPDATE", 0], ["TRUNCATE", 0], ["INSERT", 1], ["INSERT", 1],
    ]  # fmt: skip
    assert engine.rows(shown) == expected
    engine.session.query("OPTIMIZE TABLE cdc_raw.log FINAL")
    assert engine.rows("SELECT count() FROM cdc_raw.log") == [[6]]
    assert engine.rows(shown) == expected
    assert engine.rows("SELECT id, tags FROM analytics.log WHERE _offset = 5") == [[None, None]]


def test_a_new_column_is_added_where_the_view_wants_it(engine: Engine, pipeline: Pipeline) -> None:
    sink = pipeline.sink("clickhouse")
    assert isinstance(sink, ClickHouseSink)
    table = pipeline.table("order_items")
    engine.put("order_items", order_id=1, line_no=1)
    wider = table.model_copy(
        update={"columns": (table.columns[0], pipeline.table("customers").columns[3], *table.columns[1:])}
    )
    for statement in clickhouse.statements(pipeline, sink, wider):
        engine.session.query(statement)
    assert engine.rows("SELECT phone, line_no FROM analytics.order_items") == [[None, 1]]
