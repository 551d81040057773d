"""A table that is found, declared and captured while everything runs."""

from __future__ import annotations

import json
from functools import partial

import psycopg
import pytest

from cdc.services.compare import compare_table

CREATE = """
CREATE TABLE IF NOT EXISTS "Product Reviews" (
  product_id bigint NOT NULL, author text NOT NULL, stars smallint NOT NULL, "Text" text, photos bytea,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (product_id, author))"""
INSERT = """
INSERT INTO "Product Reviews" (product_id, author, stars, "Text", photos)
SELECT n %% 40, 'author ' || n, n %% 6, CASE WHEN n %% 3 = 0 THEN NULL ELSE 'téxt ' || n END, '\\x00ff'::bytea
FROM generate_series(%s::int, %s::int) n"""


@pytest.mark.drill
def test_a_discovered_table_arrives_complete_and_stops_nobody_else(stack, eventually):
    with stack.session() as session, psycopg.connect(session.source_dsn) as connection:
        connection.execute(CREATE)
        connection.execute(INSERT, (1, 500))
    drivers = stack.drivers()
    found = stack.shell("cdc discover 'public.Product Reviews' --write --stream reviews")
    assert found.returncode == 0
    applied = stack.shell("cdc apply")
    assert applied.returncode == 0
    eventually(lambda: stack.api.is_parsed("cdc_stream_reviews"), 90)
    run = stack.run_dag("cdc_stream_reviews")
    assert run.state == "success", stack.api.explain(run)
    with stack.session() as session:
        with psycopg.connect(session.source_dsn) as connection:
            connection.execute(INSERT, (501, 600))
            connection.execute("""DELETE FROM "Product Reviews" WHERE product_id = 3""")
        [pipeline] = session.pipelines
        table = pipeline.table('public."Product Reviews"')
        compare = partial(compare_table, pipeline, session.connections, table)
        eventually(lambda: compare().equal, 180, 3)
        assert compare().rows["source"] > 500
    assert {name: stack.drivers().get(name) for name in drivers} == drivers
    status = json.loads(stack.shell("cdc status --json").stdout)
    entry = next(row for row in status["tables"] if row["table"] == table.name)
    assert entry["state"] == "running"
    assert entry["source"] == 'public."Product Reviews"'
