"""The catalogue of a real PostgreSQL, down to its odd corners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import UnsupportedSourceError
from cdc.services.capturable import differences, refusal
from cdc.services.catalogue import SourceTable, read_tables
from cdc.services.discover import discover
from cdc.spec import Pipeline
from local_stack.context import REPO

ODD = """
    CREATE SCHEMA sales;
    CREATE TYPE sales.mood AS ENUM ('b', 'a');
    CREATE DOMAIN sales.price AS numeric(10,3) CHECK (VALUE >= 0);
    CREATE TABLE sales.odd (b int, "A b" varchar(7) NOT NULL, moods sales.mood[], m sales.mood NOT NULL,
      p sales.price, gone int, ts timestamp(3), PRIMARY KEY ("A b", b));
    ALTER TABLE sales.odd DROP COLUMN gone;
    CREATE TABLE sales.keyless (a int);
    CREATE UNLOGGED TABLE sales.fast (a int PRIMARY KEY);
    CREATE TABLE sales.cash (a int PRIMARY KEY, c int2vector);
    CREATE TABLE sales.sums (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a + 1) VIRTUAL);
    CREATE TABLE sales.parent (a int PRIMARY KEY);
    CREATE TABLE sales.child (PRIMARY KEY (a)) INHERITS (sales.parent);
    CREATE TABLE sales.parts (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE TABLE sales.part_one PARTITION OF sales.parts FOR VALUES FROM (0) TO (9);
    CREATE TABLE sales.bare (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE TABLE sales.bare_one PARTITION OF sales.bare FOR VALUES FROM (0) TO (9);
    ALTER TABLE sales.bare_one REPLICA IDENTITY NOTHING;
    CREATE TABLE sales.halves (a int PRIMARY KEY, b int NOT NULL) PARTITION BY RANGE (a);
    CREATE TABLE sales.half_one PARTITION OF sales.halves FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (a);
    CREATE TABLE sales.quarter PARTITION OF sales.half_one FOR VALUES FROM (0) TO (5);
    CREATE UNIQUE INDEX quarter_b ON sales.quarter (b);
    ALTER TABLE sales.quarter REPLICA IDENTITY USING INDEX quarter_b;
    CREATE TABLE sales.quick (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE UNLOGGED TABLE sales.quick_one PARTITION OF sales.quick FOR VALUES FROM (0) TO (9);
    CREATE TABLE sales.late (a int PRIMARY KEY DEFERRABLE);
    CREATE TABLE sales.mute (a int PRIMARY KEY);
    ALTER TABLE sales.mute REPLICA IDENTITY NOTHING;
    CREATE TABLE sales.aside (a int PRIMARY KEY, b int NOT NULL UNIQUE);
    ALTER TABLE sales.aside REPLICA IDENTITY USING INDEX aside_b_key;
    CREATE TABLE sales.both (a int PRIMARY KEY, b int NOT NULL, UNIQUE (b, a));
    ALTER TABLE sales.both REPLICA IDENTITY USING INDEX both_b_a_key;
    CREATE TABLE sales.covering (v text, b int, a int, w text NOT NULL, PRIMARY KEY (a, b) INCLUDE (v));
    CREATE TABLE sales.covering_both (a int, b int NOT NULL, v text, PRIMARY KEY (a) INCLUDE (v));
    CREATE UNIQUE INDEX covering_identity ON sales.covering_both (b, a);
    ALTER TABLE sales.covering_both REPLICA IDENTITY USING INDEX covering_identity;
    CREATE TABLE sales.carried (a int PRIMARY KEY, b int NOT NULL);
    CREATE UNIQUE INDEX carried_b ON sales.carried (b) INCLUDE (a);
    ALTER TABLE sales.carried REPLICA IDENTITY USING INDEX carried_b;
    CREATE TABLE sales.lineage (a int PRIMARY KEY, _version int);
    CREATE SCHEMA types;
    CREATE TYPE types.int4 AS ENUM ('a');
    CREATE TABLE sales.disguised (a int PRIMARY KEY, b types.int4[]);
    CREATE TABLE types.beside (a bigint PRIMARY KEY, b int[]);
    CREATE TABLE types.bool (a bigint PRIMARY KEY, b bool);
    CREATE DOMAIN sales.date AS text;
    CREATE TABLE sales.undisguised (a int PRIMARY KEY, b sales.date);
    CREATE VIEW sales.seen AS SELECT * FROM sales.odd;
"""

ODD_SCHEMAS = ("sales.", "types.")


@pytest.fixture(scope="module")
def connections(postgres: Any) -> Connections:
    made = postgres.create_database("shop")
    with psycopg.connect(made.dsn()) as connection:
        connection.execute((REPO / "include/local_stack/source/schema.sql").read_text(encoding="utf-8"))
        connection.execute(ODD)
        # What PostgreSQL says of names and types follows the database's settings.
        connection.execute("ALTER DATABASE shop SET quote_all_identifiers = on")
        connection.execute("ALTER DATABASE shop SET search_path = sales")
    return Connections([made.model_copy(update={"id": name}) for name in ("cdc_source", "cdc_source_admin")])


@pytest.fixture
def tables(connections: Connections) -> Iterator[dict[str, SourceTable]]:
    with connect_postgres(connections.get("cdc_source_admin")) as connection:
        yield {table.qualified: table for table in read_tables(connection)}


def test_the_sample_pipeline_is_what_the_sample_schema_has(
    tables: dict[str, SourceTable], pipeline: Pipeline
) -> None:
    assert [said for table in pipeline.tables for said in differences(table, tables[table.source])] == []


def test_types_keys_and_names_are_read_as_they_are(tables: dict[str, SourceTable]) -> None:
    odd = tables["sales.odd"]
    assert odd.key == ("A b", "b")
    assert [(c.name, c.type, c.not_null, c.values, c.type_name) for c in odd.columns] == [
        ("b", "integer", True, (), ""),
        ("A b", "character varying(7)", True, (), ""),
        ("moods", "enum[]", False, ("b", "a"), "sales.mood"),
        ("m", "enum", True, ("b", "a"), "sales.mood"),
        ("p", "numeric(10,3)", False, (), "sales.price"),
        ("ts", "timestamp(3) without time zone", False, (), ""),
    ]
    assert refusal(odd) is None


def test_columns_that_an_index_only_includes_are_not_of_its_key(tables: dict[str, SourceTable]) -> None:
    assert tables["sales.covering"].key == ("a", "b")
    both = tables["sales.covering_both"]
    assert (both.key, refusal(both)) == (("a",), None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("keyless", "has no primary key"), ("fast", "is unlogged"), ("cash", "has column 'c'"),
        ("disguised", "has columns ('b') whose type has the name"),
        ("parent", "is inherited"), ("seen", "is a view"),
        ("part_one", "is a partition of sales.parts"), ("bare", "REPLICA IDENTITY NOTHING"),
        ("late", "has a DEFERRABLE primary key"), ("mute", "REPLICA IDENTITY NOTHING"),
        ("aside", "a deleted row's key is not logged"), ("halves", "a deleted row's key is not logged"),
        ("quick", "is unlogged"), ("carried", "a deleted row's key is not logged"),
    ],
)  # fmt: skip
def test_each_refusal_is_found(tables: dict[str, SourceTable], name: str, said: str) -> None:
    assert said in (refusal(tables[f"sales.{name}"]) or "")


def test_a_type_beside_the_table_is_taken_for_postgresqls_own_and_a_table_of_that_name_is_not(
    tables: dict[str, SourceTable],
) -> None:
    assert "has columns ('b') whose type has the name" in (refusal(tables["types.beside"]) or "")
    assert refusal(tables["types.bool"]) is None


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("capture", {"policed", "forced"}),
        ("bypassing", set()),
        ("keeper", {"forced"}),
        ("member", {"forced"}),
        ("postgres", set()),
        ("nobody known", {"policed", "forced"}),
    ],
)
def test_row_security_is_refused_to_roles_that_it_hides_rows_from(
    connections: Connections, role: str, hidden: set[str]
) -> None:
    with connect_postgres(connections.get("cdc_source_admin")) as connection:
        connection.execute(
            """
            CREATE ROLE capture LOGIN REPLICATION; CREATE ROLE bypassing LOGIN BYPASSRLS;
            CREATE ROLE keeper LOGIN; CREATE ROLE member LOGIN IN ROLE keeper;
            CREATE TABLE sales.policed (a int PRIMARY KEY); ALTER TABLE sales.policed OWNER TO keeper;
            CREATE TABLE sales.forced (a int PRIMARY KEY); ALTER TABLE sales.forced OWNER TO keeper;
            ALTER TABLE sales.policed ENABLE ROW LEVEL SECURITY;
            ALTER TABLE sales.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            """
        )
        found = read_tables(connection, ["sales"], role=role)
        connection.rollback()
    refused = {table.name for table in found if "row level security" in (refusal(table) or "")}
    assert refused == hidden


def test_a_changelog_is_discovered_with_the_whole_row_logged(
    connections: Connections, pipeline: Pipeline
) -> None:
    with connect_postgres(connections.get("cdc_source_admin"), autocommit=True) as connection:
        found = discover(pipeline, connections, ["sales.keyless"], mode="changelog")
        assert 'ALTER TABLE "sales"."keyless" REPLICA IDENTITY FULL' in dict(found.refused)["sales.keyless"]
        connection.execute("ALTER TABLE sales.keyless REPLICA IDENTITY FULL")
        try:
            [item] = discover(pipeline, connections, ["sales.keyless"], mode="changelog").found
        finally:
            connection.execute("ALTER TABLE sales.keyless REPLICA IDENTITY DEFAULT")
    assert (item["source"], item["mode"]) == ("sales.keyless", "changelog")
    assert "key" not in item


def test_discover_sorts_new_known_and_refused(connections: Connections, pipeline: Pipeline) -> None:
    found = discover(pipeline, connections, ["public.*", "sales.*"], "extra")
    assert [item["source"] for item in found.found] == [
        "sales.both", "sales.child", "sales.covering", "sales.covering_both", "sales.odd", "sales.parts",
        "sales.sums", "sales.undisguised",
    ]  # fmt: skip
    assert {item["stream"] for item in found.found} == {"extra"}
    assert len(found.known) == 4
    refused = dict(found.refused)
    assert set(refused) == {
        f"sales.{name}"
        for name in (
            "disguised",
            "keyless",
            "fast",
            "cash",
            "parent",
            "seen",
            "lineage",
            "part_one",
            "bare",
            "bare_one",
            "late",
            "mute",
            "aside",
            "halves",
            "half_one",
            "quarter",
            "quick",
            "quick_one",
            "carried",
        )
    }
    assert "lineage columns" in refused["sales.lineage"]


def test_tables_that_the_pipeline_excludes_are_not_offered(
    connections: Connections, pipeline: Pipeline
) -> None:
    found = discover(pipeline, connections, ["*"])
    assert [item["source"] for item in found.found if not item["source"].startswith(ODD_SCHEMAS)] == []
    assert [name for name, _ in found.refused if not name.startswith(ODD_SCHEMAS)] == []
    with pytest.raises(UnsupportedSourceError, match=r"pipeline's `exclude` leaves out: generator\.runs"):
        discover(pipeline, connections, ["generator.*"])
    everything = pipeline.model_copy(update={"exclude": ()})
    assert [item["source"] for item in discover(everything, connections, ["generator.*"]).found] == [
        "generator.runs"
    ]


def test_a_pattern_without_a_match_lists_what_there_is(connections: Connections, pipeline: Pipeline) -> None:
    told = r"no table matches nothing\.\*; the source has: (\w+\.\w+, )*public\.customers"
    with pytest.raises(UnsupportedSourceError, match=told):
        discover(pipeline, connections, ["nothing.*"])
