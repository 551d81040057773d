"""What a partitioned or inherited table tells in no event is seen in the catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.partition_watch import PartitionWatch, Parts
from cdc.spec import Pipeline, TableSpec

_numbers = itertools.count()


class Watched:
    """A table, what was done to it, and the watch."""

    def __init__(
        self, source: psycopg.Connection, pipeline: Pipeline, connections: Connections, ops: OpsStore
    ) -> None:
        self.source, self.pipeline, self.ops = source, pipeline, ops
        self.watch = PartitionWatch(pipeline, connections, ops)
        [self.table] = pipeline.tables

    def changed_by(self, statement: str) -> bool:
        self.source.execute(statement.encode())
        parts = self.parts()
        changed = self.watch.changed(self.table, parts)
        self.watch.record(self.table, parts)
        assert not self.watch.changed(self.table, self.parts())
        return changed

    def parts(self) -> Parts:
        parts = self.watch.parts(self.table)
        assert parts is not None
        return parts


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
        yield Watched(session, pipeline.model_copy(update={"tables": (table,)}), connections, ops)


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
    assert watched.changed_by('ALTER TABLE "T %s" ATTACH PARTITION filled FOR VALUES FROM (200) TO (300)')
    # What is written to it while it is away is in no event, and its file and bounds are the same again.
    assert watched.changed_by(
        'ALTER TABLE "T %s" DETACH PARTITION filled; UPDATE filled SET id = 251;'
        'ALTER TABLE "T %s" ATTACH PARTITION filled FOR VALUES FROM (200) TO (300)'
    )
    assert watched.changed_by(
        'ALTER TABLE "T %s" DETACH PARTITION high; DELETE FROM higher;'
        'ALTER TABLE "T %s" ATTACH PARTITION high FOR VALUES FROM (100) TO (200)'
    )
    assert not watched.changed_by("VACUUM FREEZE pg_inherits")
    assert watched.changed_by("DROP TABLE higher")
    assert watched.changed_by("DROP TABLE high")


def test_inherited_tables(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY)')
    assert watched.changed_by('CREATE TABLE child () INHERITS ("T %s")')
    assert watched.changed_by("TRUNCATE child")
    assert watched.changed_by('ALTER TABLE child NO INHERIT "T %s"; ALTER TABLE child INHERIT "T %s"')
    assert watched.changed_by('ALTER TABLE child NO INHERIT "T %s"')


def test_a_table_that_is_gone_is_no_table_without_parts(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY) PARTITION BY RANGE (id)')
    assert watched.parts()
    watched.source.execute(b'DROP TABLE "T %s"')
    assert watched.watch.parts(watched.table) is None
    watched.watch.begin()


def test_a_new_table_begins_with_the_parts_that_its_rows_are_read_from(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY) PARTITION BY RANGE (id)')
    watched.source.execute(b'CREATE TABLE low PARTITION OF "T %s" FOR VALUES FROM (0) TO (100)')
    watched.watch.begin()
    begun = watched.parts()
    assert not watched.watch.changed(watched.table, begun)
    watched.source.execute(b"TRUNCATE low")
    watched.watch.begin()
    assert watched.watch.changed(watched.table, watched.parts())


def test_a_table_whose_rows_were_read_before_has_to_be_compared_first(watched: Watched) -> None:
    watched.source.execute(b'CREATE TABLE "T %s" (id integer PRIMARY KEY) PARTITION BY RANGE (id)')
    watched.source.execute(b'CREATE TABLE low PARTITION OF "T %s" FOR VALUES FROM (0) TO (100)')
    watched.ops.record_snapshot(watched.pipeline.name, watched.table.source, "initial")
    watched.watch.begin()
    assert watched.watch.changed(watched.table, watched.parts())


def test_an_ordinary_table_has_no_parts(watched: Watched) -> None:
    assert not watched.changed_by('CREATE TABLE "T %s" (id integer PRIMARY KEY)')
    assert not watched.changed_by('TRUNCATE "T %s"')


REWRITTEN = (
    'ALTER TABLE "T %s" ALTER n TYPE integer USING n * 2',
    'ALTER TABLE "T %s" ALTER n TYPE text; ALTER TABLE "T %s" ALTER n TYPE integer USING length(n)',
    'ALTER TABLE "T %s" RENAME n TO other; ALTER TABLE "T %s" RENAME other TO n',
    'ALTER TABLE "T %s" ALTER twice SET EXPRESSION AS (id * 3)',
    'ALTER TABLE "T %s" REPLICA IDENTITY USING INDEX marked; ALTER TABLE "T %s" REPLICA IDENTITY DEFAULT',
    'ALTER TABLE "T %s" DROP CONSTRAINT "T %s_pkey"; ALTER TABLE "T %s" ADD PRIMARY KEY (id)',
    "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; ALTER TYPE mood RENAME VALUE 'fine' TO 'ok'",
    "ALTER TYPE pair RENAME ATTRIBUTE a TO c; ALTER TYPE pair RENAME ATTRIBUTE c TO a",
)
"""Each leaves the definition as it was."""
UNCHANGED = (
    'INSERT INTO "T %s" VALUES (1, 2); UPDATE "T %s" SET n = 3; DELETE FROM "T %s"',
    'TRUNCATE "T %s"',
    'ANALYZE "T %s"',
    'ALTER TABLE "T %s" ADD COLUMN later text',
    "ALTER TYPE mood ADD VALUE 'bad'",
    'GRANT SELECT ON "T %s" TO public',
)


def test_a_definition_that_was_another_one_for_a_while(watched: Watched) -> None:
    watched.source.execute(
        b"CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TYPE pair AS (a integer, b mood);"
        b"CREATE DOMAIN pairs AS pair[];"
        b'CREATE TABLE "T %s" (id integer PRIMARY KEY, n integer, p pairs,'
        b" twice integer GENERATED ALWAYS AS (id * 2) STORED, m integer NOT NULL DEFAULT 0);"
        b'CREATE UNIQUE INDEX marked ON "T %s" (m)'
    )
    watched.watch.begin()
    assert not watched.watch.changed(watched.table, watched.parts())
    for statement in UNCHANGED:
        assert not watched.changed_by(statement), statement
    for statement in REWRITTEN:
        assert watched.changed_by(statement), statement
    watched.source.execute("VACUUM FULL pg_attribute")
    assert not watched.watch.changed(watched.table, watched.parts())
