"""What a partitioned or inherited table tells in no event is seen in the catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.partition_watch import PartitionWatch
from cdc.spec import Pipeline, TableSpec

_numbers = itertools.count()


class Watched:
    """A table, what was done to it, and the watch."""

    def __init__(self, source: psycopg.Connection, watch: PartitionWatch, table: TableSpec) -> None:
        self.source, self.watch, self.table = source, watch, table

    def changed_by(self, statement: str) -> bool:
        self.source.execute(statement.encode())
        parts = self.watch.parts(self.table)
        changed = self.watch.changed(self.table, parts)
        self.watch.record(self.table, parts)
        assert not self.watch.changed(self.table, self.watch.parts(self.table))
        return changed


@pytest.fixture
def watched(postgres: Any, pipeline: Pipeline) -> Iterator[Watched]:
    number = next(_numbers)
    source = postgres.create_database(f"watched{number}")
    connections = Connections([source.model_copy(update={"id": "cdc_source_admin"})])
    columns = [{"name": "id", "type": "integer", "nullable": False}]
    table = TableSpec.model_validate({"source": 'public."T %s"', "key": ["id"], "columns": columns})
    with (
        psycopg.connect(source.dsn(), autocommit=True) as session,
        OpsStore(postgres.create_database(f"watching{number}").dsn()) as ops,
    ):
        ops.ensure_schema()
        yield Watched(session, PartitionWatch(pipeline, connections, ops), table)


def test_partitions(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY) PARTITION BY RANGE (id)')
    watched.source.execute("CREATE TABLE filled (id integer PRIMARY KEY)")
    watched.source.execute("INSERT INTO filled VALUES (250)")
    assert watched.changed_by('CREATE TABLE low PARTITION OF "T %s" FOR VALUES FROM (0) TO (100)')
    assert watched.changed_by(
        'CREATE TABLE high PARTITION OF "T %s" FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id)'
    )
    assert watched.changed_by("CREATE TABLE higher PARTITION OF high FOR VALUES FROM (150) TO (200)")
    assert not watched.changed_by('INSERT INTO "T %s" VALUES (1), (160)')
    assert not watched.changed_by('DELETE FROM "T %s" WHERE id = 1')
    assert not watched.changed_by("ANALYZE low")
    assert watched.changed_by("TRUNCATE low")
    assert watched.changed_by("TRUNCATE higher")
    assert watched.changed_by('ALTER TABLE "T %s" ATTACH PARTITION filled FOR VALUES FROM (200) TO (300)')
    assert watched.changed_by('ALTER TABLE "T %s" DETACH PARTITION filled')
    assert watched.changed_by("DROP TABLE higher")
    assert watched.changed_by("DROP TABLE high")


def test_inherited_tables(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY)')
    assert watched.changed_by('CREATE TABLE child () INHERITS ("T %s")')
    assert watched.changed_by("TRUNCATE child")
    assert watched.changed_by('ALTER TABLE child NO INHERIT "T %s"')


def test_an_ordinary_table_has_no_parts(watched: Watched) -> None:
    assert not watched.changed_by('CREATE TABLE "T %s" (id integer PRIMARY KEY)')
    assert not watched.changed_by('TRUNCATE "T %s"')
