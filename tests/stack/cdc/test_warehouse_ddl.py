"""The warehouse's statements on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from cdc.ddl import warehouse
from cdc.ddl.columns import view_columns
from cdc.model.version import pack
from cdc.spec import Pipeline, WarehouseSink

Row = dict[str, Any]


@pytest.fixture(scope="module")
def database(postgres: Any, pipeline: Pipeline) -> Iterator[psycopg.Connection[Any]]:
    sink = pipeline.sink("warehouse")
    assert isinstance(sink, WarehouseSink)
    with psycopg.connect(postgres.create_database("ddl").dsn(), autocommit=True) as connection:
        for _ in range(2):  # every statement can be run again
            for table in pipeline.tables:
                for statement in warehouse.statements(pipeline, sink, table):
                    connection.execute(statement)
        yield connection


def put(database: psycopg.Connection[Any], table: str, **values: Any) -> None:
    lineage = {
        "processed_at": "2026-01-01Z", "_op": "c", "_is_deleted": False, "_lsn": 10, "_tx_id": None,
        "_source_ts": "2026-01-01Z", "_partition": 0, "_offset": 0, "_generation": 1, "_version": pack(1, 0),
    }  # fmt: skip
    row = {**lineage, **values}
    if "_diff" in row:  # a changelog has no tombstones
        del row["_is_deleted"]
    statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
        Identifier("cdc_raw", table),
        SQL(", ").join(map(Identifier, row)),
        SQL(", ").join([SQL("%s")] * len(row)),
    )
    database.execute(statement, list(row.values()))


def test_views_have_the_declared_columns_in_order(
    database: psycopg.Connection[Any], pipeline: Pipeline
) -> None:
    for table in pipeline.tables:
        cursor = database.execute(SQL("SELECT * FROM {}").format(Identifier("public", table.name)))
        assert cursor.description is not None
        assert [c.name for c in cursor.description] == [c.name for c in view_columns(table)]


def test_a_tombstone_needs_only_its_key_and_is_not_shown(database: psycopg.Connection[Any]) -> None:
    put(database, "customers", id=1, _op="d", _is_deleted=True)
    put(database, "customers", id=2, email="a@b", _op="r")
    put(database, "customers", id=3, email="c@d", _op="u")
    rows = database.execute("SELECT id, _op FROM public.customers ORDER BY id").fetchall()
    assert rows == [(2, "INSERT"), (3, "UPDATE")]


def test_rows_below_the_truncate_floor_are_not_shown(database: psycopg.Connection[Any]) -> None:
    put(database, "products", id=1, _lsn=99)
    put(database, "products", id=2, _lsn=100)
    put(database, "products", id=3, _lsn=5, _generation=2)
    database.execute("INSERT INTO cdc_raw._truncate_floors VALUES ('products', 1, 50), ('products', 1, 100)")
    shown = [row[0] for row in database.execute("SELECT id FROM public.products ORDER BY id").fetchall()]
    assert shown == [2, 3]


def test_a_changelog_shows_every_event_and_what_a_truncate_made_void_counts_0(
    database: psycopg.Connection[Any], pipeline: Pipeline
) -> None:
    sink = pipeline.sink("warehouse")
    assert isinstance(sink, WarehouseSink)
    table = pipeline.table("customers").model_copy(update={"mode": "changelog", "key": (), "name": "log"})
    for _ in range(2):
        for statement in warehouse.statements(pipeline, sink, table):
            database.execute(statement)
    for offset, op, diff, lsn in (
        (1, "r", 1, 10),
        (2, "b", -1, 11),
        (2, "u", 1, 11),
        (3, "s", 0, 20),
        (4, "d", -1, 30),
    ):
        row = {
            "id": 7,
            "email": "a@b",
            "_offset": offset,
            "_version": pack(1, offset),
            "_op": op,
            "_diff": diff,
        }
        put(database, "log", **row, _lsn=lsn)
    database.execute("INSERT INTO cdc_raw._truncate_floors VALUES ('log', 1, 20)")
    shown = database.execute("SELECT _op, _diff FROM public.log ORDER BY _version, _diff").fetchall()
    assert shown == [
        ("INSERT", 0), ("UPDATE_BEFORE", 0), ("UPDATE", 0), ("SNAPSHOT", 0), ("DELETE", -1),
    ]  # fmt: skip
    with pytest.raises(psycopg.errors.UniqueViolation):
        put(database, "log", _offset=4, _diff=-1)


def test_a_new_column_is_added_and_its_view_can_be_made_anew(
    database: psycopg.Connection[Any], pipeline: Pipeline
) -> None:
    sink = pipeline.sink("warehouse")
    assert isinstance(sink, WarehouseSink)
    table = pipeline.table("order_items")
    wider = table.model_copy(
        update={"columns": (table.columns[0], pipeline.table("customers").columns[3], *table.columns[1:])}
    )
    *ddl, view = warehouse.statements(pipeline, sink, wider)
    for statement in ddl:
        database.execute(statement)
    with pytest.raises(psycopg.errors.InvalidTableDefinition):
        database.execute(view)
    database.execute(warehouse.drop_view(sink, table))
    database.execute(view)
    cursor = database.execute("SELECT * FROM public.order_items")
    assert cursor.description is not None
    assert cursor.description[1].name == "phone"
