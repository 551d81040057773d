"""Every change of a source table, followed or parked on real servers; and tables exchanged in both sinks."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from cdc.errors import ConfigurationError, DataError, SchemaChangedError, UnavailableError
from cdc.model.generations import TopicIdentity
from cdc.model.schema_verdict import rebuilt
from cdc.services import schema_changes as service
from cdc.services import schema_memory
from cdc.services.captured import wait_captured
from cdc.services.changes import Part
from cdc.services.clickhouse_objects import ClickHouseObjects
from cdc.services.compare import compare_table
from cdc.services.effective import effective_pipeline
from cdc.services.exchange import beside, discard, exchange, prepare
from cdc.services.source_schema import judge, read_source
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec
from cdc.spec.definitions import definition_of
from tests.stack.cdc.place import COLUMNS, Place


def test_nothing_has_changed(place: Place) -> None:
    place.source("ALTER TABLE t ALTER COLUMN age SET NOT NULL")
    assert place.settle().state == "unchanged"


def test_a_column_that_is_added_while_the_table_is_applied_is_followed(place: Place) -> None:
    place.ops.rows("DELETE FROM cdc_ops.table_schemas RETURNING 1")
    place.source("ALTER TABLE t ADD COLUMN late boolean DEFAULT true")
    schema_memory.record_built(place.pipeline, place.connections, place.ops)
    assert place.settle().state == "followed"
    assert place.table.columns[-1].name == "late"


def test_drivers_are_told_of_definitions_and_of_generations(place: Place) -> None:
    def revision() -> int:
        return place.ops.schema_revision(place.pipeline.name, [place.pipeline.topic(place.table)])

    topic = TopicIdentity(place.pipeline.topic(place.table), f"id{place.number}", 1)
    first = revision()
    assert place.settle().state == "unchanged"
    assert revision() == first
    place.ops.record_topic(topic.topic, topic.topic_id, topic.partitions)
    place.ops.raise_generation(topic, {0: 5})
    second = revision()
    place.source("ALTER TABLE t ADD COLUMN new int")
    place.settle()
    assert first < second < revision()


def test_a_comparison_that_began_before_a_change_does_not_undo_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = iter([True])

    def read_slowly(connection: Any, **more: Any) -> Any:
        found = read_source(connection, **more)
        if next(meanwhile, False):  # a driver sees the column in an event, and follows
            place.source("ALTER TABLE t ADD COLUMN city text")
            service.settle(place.pipeline, place.connections, place.ops)
        return found

    monkeypatch.setattr(service, "read_source", read_slowly)
    service.settle(place.pipeline, place.connections, place.ops)
    assert [column.name for column in place.table.columns if column.dropped] == []
    assert "city" in [column.name for column in place.table.columns]


def test_a_comparison_that_began_before_a_table_was_built_anew_does_not_park_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = iter([True])

    def read_slowly(connection: Any, **more: Any) -> Any:
        if next(meanwhile, False):
            place.source("ALTER TABLE t ALTER COLUMN age TYPE bigint")
            found = read_source(connection)
            (item,) = judge(place.pipeline.tables, place.ops.table_schemas(place.pipeline.name), found)
            assert item.found is not None
            new = rebuilt(item.table, item.schema.built, item.found)
            built = replace(item.schema, built=item.found.built(), definition=definition_of(new))
            place.ops.record_schema(place.pipeline.name, built)
        return read_source(connection, **more)

    monkeypatch.setattr(service, "read_source", read_slowly)
    service.settle(place.pipeline, place.connections, place.ops)
    assert place.ops.parked(place.pipeline.name) == []
    assert place.settle().state == "unchanged"


def test_a_definition_that_becomes_visible_after_a_later_one_is_told(place: Place) -> None:
    def revision() -> int:
        return place.ops.schema_revision(place.pipeline.name, [])

    (schema,) = place.ops.table_schemas(place.pipeline.name).values()
    with psycopg.connect(place.connections.get("cdc_ops").dsn()) as slow:
        slow.execute("UPDATE cdc_ops.table_schemas SET revision = nextval('cdc_ops.schema_revisions')")
        place.ops.record_schema(place.pipeline.name, replace(schema, table="other"))
        before = revision()
    assert revision() != before


@pytest.mark.parametrize(
    ("kind", "default", "shown"),
    [
        ("integer", "7", 7),
        ("bigint", "-9007199254740993", -9007199254740993),
        ("numeric(20,4)", "1.5", "1.5000"),
        ("double precision", "1e-7", 1e-07),
        ("boolean", "true", True),
        ("text", "'it''s\\ \"x\"'", 'it\'s\\ "x"'),
        ("varchar(5)", "'abc'", "abc"),
        ("uuid", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ("date", "'2026-02-03'", "2026-02-03"),
        ("timestamp", "'2026-02-03 04:05:06.7'", "2026-02-03 04:05:06.700000"),
        ("jsonb", "'{\"a\": [1]}'", {"a": [1]}),
        ("text[]", "'{}'", []),
        ("text[]", "NULL", None),
        ("integer", "NULL", None),
    ],
)
def test_rows_from_before_show_a_constant_default(place: Place, kind: str, default: str, shown: Any) -> None:
    place.row(1)
    place.source(f"ALTER TABLE t ADD COLUMN new {kind} DEFAULT {default}")
    assert place.settle().state == "followed"
    place.row(2)  # written by a driver that does not know the column yet
    warehouse = place.warehouse("SELECT new FROM VIEW.t ORDER BY id")
    clickhouse = place.clickhouse("SELECT new FROM VIEW.t ORDER BY id")
    assert [plain(row[0]) for row in warehouse] == [plain(row[0]) for row in clickhouse] == [shown] * 2


def plain(value: Any) -> Any:
    """A value as both drivers could show it."""
    if value is None or isinstance(value, bool | int | float | list | dict):
        return value
    return json.loads(value) if str(value).startswith("{") else str(value).removesuffix("+00:00")


@pytest.mark.parametrize(
    "definition",
    [
        "uuid DEFAULT gen_random_uuid()",
        "interval DEFAULT '1 day'",
        "date DEFAULT '9999-12-31'",
        "int GENERATED ALWAYS AS IDENTITY",
        "int GENERATED ALWAYS AS (id * 2) STORED",
    ],
)
def test_rows_are_asked_for_when_only_they_know_their_values(place: Place, definition: str) -> None:
    place.source("INSERT INTO t VALUES (1, 'n', '{}', 5)")
    place.source(f"ALTER TABLE t ADD COLUMN new {definition}")
    place.row(1)
    assert "read at the source" in place.settle().changes[0]
    assert place.both("SELECT new FROM VIEW.t") == [(None,)]
    signals = place._run("cdc_source", "SELECT type, data FROM cdc.signal")
    assert [kind for kind, _ in signals] == ["execute-snapshot"]


def test_a_default_that_a_rewrite_has_taken_out_of_the_catalogue_is_read_at_the_source(place: Place) -> None:
    place.source("INSERT INTO t VALUES (1, 'n', '{}', 5); ALTER TABLE t ADD COLUMN new int DEFAULT 7")
    place.source("VACUUM FULL t")
    assert "read at the source" in place.settle().changes[0]


def test_a_domain_brings_its_own_default(place: Place) -> None:
    place.source("CREATE DOMAIN d AS int DEFAULT 3; ALTER TABLE t ADD COLUMN new d")
    said = place.settle().changes[0]
    assert "'3'" in said or "read at the source" in said


def test_dropped_columns_stay_and_can_be_null(place: Place) -> None:
    place.row(1)
    place.source("ALTER TABLE t DROP COLUMN name, DROP COLUMN tags, DROP COLUMN age")
    assert place.settle().state == "followed"
    assert place.both("SELECT id, name, tags, age FROM VIEW.t") == [(1, "n", ["a"], 5)]
    kinds = place.clickhouse("SELECT name, type FROM system.columns WHERE database || '.' = 'RAW.'")
    assert dict(kinds)["name"] == "Nullable(String)"
    assert dict(kinds)["_is_null__tags"] == "UInt8"


def test_an_enum_gets_labels_and_nothing_else_happens(place: Place) -> None:
    place.source("CREATE TYPE mood AS ENUM ('a'); ALTER TABLE t ADD COLUMN mood mood DEFAULT 'a'")
    place.row(1)
    place.settle()
    place.source("ALTER TYPE mood ADD VALUE 'b'")
    assert place.settle().state == "unchanged"
    assert place.both("SELECT mood FROM VIEW.t") == [("a",)]
    place.source("ALTER TYPE mood RENAME VALUE 'b' TO 'c'")
    assert place.settle().changes == ("public.t.mood: the label 'b' of its enum is 'c' now",)


@pytest.mark.parametrize(
    ("types", "column", "statement"),
    [
        ("CREATE TYPE mood AS ENUM ('a', 'b')", "mood", "ALTER TYPE mood RENAME VALUE 'b' TO 'c'"),
        ("CREATE TYPE mood AS ENUM ('a', 'b')", "mood[]", "ALTER TYPE mood RENAME VALUE 'b' TO 'c'"),
        (
            "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN d AS mood; CREATE TYPE pair AS (n int, m d[])",
            "pair",
            "ALTER TYPE mood RENAME VALUE 'a' TO 'c'",
        ),
        ("CREATE TYPE pair AS (n int)", "pair[]", "ALTER TYPE pair ADD ATTRIBUTE m text"),
        ("CREATE TYPE pair AS (n int, m int)", "pair", "ALTER TYPE pair DROP ATTRIBUTE m"),
        (
            "CREATE TYPE one AS ENUM ('a'); CREATE TYPE two AS ENUM ('a', 'b')",
            "one",
            "ALTER TABLE t ALTER COLUMN new TYPE two USING 'b'::two",
        ),
    ],
)
def test_a_type_in_which_old_rows_print_otherwise_now_parks_the_table(
    place: Place, types: str, column: str, statement: str
) -> None:
    place.source(f"{types}; ALTER TABLE t ADD COLUMN new {column}")
    assert [place.settle().state, place.settle().state] == ["followed", "unchanged"]
    place.source(statement)
    found = place.settle()
    assert found.state == "parked"
    assert "public.t.new: " in found.changes[0]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE t RENAME COLUMN age TO years", "public.t.age is named years now"),
        ("ALTER TABLE t ALTER COLUMN age TYPE bigint", "public.t.age is bigint now, was integer"),
        ("ALTER TABLE t ALTER COLUMN name TYPE varchar(9)", "is character varying(9) now, was text"),
        (
            "ALTER TABLE t DROP COLUMN age; ALTER TABLE t ADD COLUMN age int",
            "age was dropped and added again",
        ),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", "the primary key was (id), now it is gone"),
        ("ALTER TABLE t RENAME TO u", "public.t is named public.u now"),
        (f"DROP TABLE t; CREATE TABLE t ({COLUMNS})", "public.t was dropped and created again"),
        ("DROP TABLE t", "public.t does not exist at the source any more"),
        ("ALTER TABLE t ADD COLUMN places int2vector", "int2vector"),
        (
            "ALTER TABLE t ADD UNIQUE (name); ALTER TABLE t REPLICA IDENTITY USING INDEX t_name_key",
            "so a deleted row's key is not logged",
        ),
    ],
)
def test_other_changes_park_the_table_once(place: Place, statement: str, said: str) -> None:
    place.source(statement)
    (before,) = service.status(place.pipeline, place.connections, place.ops)
    assert before.state == "to park"
    found = place.settle()
    assert found.state == "parked"
    assert said in "; ".join(found.changes)
    parked = place.ops.parked(place.pipeline.name)
    assert {item.sink for item in parked} == {"clickhouse", "warehouse"}
    assert all(said in item.reason and found.plan in item.reason for item in parked)
    if "created again" in said:
        published = "SELECT tablename FROM pg_publication_tables ORDER BY tablename"
        assert place._run("cdc_source", published) == [("heartbeat",), ("signal",), ("t",)]


def test_a_comparison_with_a_source_of_another_type_is_no_accident(place: Place) -> None:
    place.source("ALTER TABLE t ALTER COLUMN age TYPE text; INSERT INTO t VALUES (1, 'n', '{}', 'five')")
    with pytest.raises(DataError, match="cdc schema status"):
        compare_table(place.pipeline, place.connections, place.table)


def test_the_pipeline_file_counts_again_once_it_was_edited(place: Place) -> None:
    place.source("ALTER TABLE t ADD COLUMN new int DEFAULT 7")
    place.settle()
    assert place.table.columns[-1].default == "7"
    columns = place.table.model_dump(mode="json", by_alias=True)["columns"]
    edited = place.declare(columns=columns)
    assert effective_pipeline(edited, place.ops).tables[0] == edited.tables[0]
    place.pipeline = edited
    assert place.settle().state == "unchanged"


def test_readers_views_and_privileges_outlive_an_added_column(place: Place) -> None:
    place.warehouse("CREATE ROLE reader")
    place.warehouse("GRANT SELECT ON VIEW.t TO reader; CREATE VIEW mine AS SELECT id FROM VIEW.t")
    place.source("ALTER TABLE t ADD COLUMN new int")
    assert place.settle().state == "followed"
    may = f"SELECT has_table_privilege('reader', 'view{place.number}.t', 'SELECT')"
    assert place.warehouse(may) == [(True,)]
    place.warehouse("DROP OWNED BY reader; DROP ROLE reader")


class TestExchange:
    """Both tables have names from the beginning."""

    def built(self, place: Place, at: datetime) -> tuple[TableSpec, TableSpec]:
        schemas = place.ops.table_schemas(place.pipeline.name)
        source = read_source(place.connections.get("cdc_source"))
        (item,) = judge(place.pipeline.tables, schemas, source)
        assert item.found is not None
        new = rebuilt(item.table, item.schema.built, item.found)
        shadow = beside(new, at)
        for sink in place.pipeline.sinks:
            prepare(place.pipeline, new, shadow, sink, place.connections)
        return new, shadow

    def test_there_and_back(self, place: Place) -> None:
        place.row(1)
        old = place.table
        place.warehouse("CREATE ROLE auditor; GRANT SELECT ON VIEW.t TO PUBLIC")
        place.warehouse("GRANT SELECT ON VIEW.t TO auditor WITH GRANT OPTION")
        place.source("ALTER TABLE t RENAME COLUMN age TO years")
        new, shadow = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        assert shadow.name == "t__build_20260102000000"
        exchange(place.pipeline, new, shadow.name, place.connections)
        assert place.both("SELECT years FROM VIEW.t") == []
        assert place.both(f"SELECT age FROM RAW.{shadow.name}") == [(5,)]
        exchange(place.pipeline, old, shadow.name, place.connections, back=True)
        assert place.both("SELECT age FROM VIEW.t") == [(5,)]
        granted = place.warehouse(
            "SELECT CASE WHEN grantee = 0 THEN 'public' ELSE grantee::regrole::text END, is_grantable "
            f"FROM aclexplode((SELECT relacl FROM pg_class WHERE oid = 'view{place.number}.t'::regclass)) "
            "WHERE grantee <> 10 ORDER BY 1"
        )
        assert granted == [("auditor", True), ("public", False)]
        place.warehouse("DROP OWNED BY auditor; DROP ROLE auditor")

    def test_what_came_to_nothing_is_dropped_and_what_is_kept_is_not(self, place: Place) -> None:
        _, kept = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        _, lost = self.built(place, datetime(2026, 1, 3, tzinfo=UTC))
        for sink in place.pipeline.sinks:
            assert discard(place.table, kept.name, sink, place.connections) == (lost.name,)
            assert discard(place.table, kept.name, sink, place.connections) == ()

    @pytest.mark.parametrize("length", [41, 42, 63])
    def test_builds_of_a_table_with_a_long_name_are_dropped_too(self, place: Place, length: int) -> None:
        table = place.table.model_copy(update={"name": "n" * length})
        other = place.table.model_copy(update={"name": "n" * (length - 1) + "m"})
        built, others = (beside(one, datetime(2026, 1, 2, tzinfo=UTC)) for one in (table, other))
        for sink in place.pipeline.sinks:
            for one, shadow in ((table, built), (other, others)):
                prepare(place.pipeline, one, shadow, sink, place.connections)
            assert discard(table, "", sink, place.connections) == (built.name,)
            assert discard(other, "", sink, place.connections) == (others.name,)

    def test_truncates_that_came_while_the_table_was_filled_count(self, place: Place) -> None:
        new, shadow = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        place.row(1)
        for run in (place.warehouse, place.clickhouse):
            names = "RAW._truncate_floors (table_name, generation, lsn)"
            run(f"INSERT INTO {names} VALUES ('{shadow.name}', 9, 1)")
        exchange(place.pipeline, new, shadow.name, place.connections)
        exchange(place.pipeline, new, shadow.name, place.connections, back=True)
        assert place.both("SELECT id FROM VIEW.t") == []

    def test_a_view_of_a_reader_on_the_view_is_told_and_nothing_is_exchanged(self, place: Place) -> None:
        place.row(1)
        place.warehouse("CREATE VIEW mine AS SELECT age FROM VIEW.t")
        place.source("ALTER TABLE t RENAME COLUMN age TO years")
        new, shadow = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        with pytest.raises(ConfigurationError, match="view mine depends on"):
            exchange(place.pipeline, new, shadow.name, place.connections, pytest.fail)
        assert place.warehouse("SELECT age FROM mine") == [(5,)]
        assert place.both("SELECT age FROM VIEW.t") == [(5,)]

    def test_whoever_asks_again_finds_it_done(self, place: Place) -> None:
        """Also when the table's comment was written again since, and both ways."""
        place.row(1)
        old = place.table
        place.source("ALTER TABLE t RENAME COLUMN age TO years")
        new, shadow = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        for _ in range(2):
            for _ in range(2):
                exchange(place.pipeline, new, shadow.name, place.connections)
                assert place.both("SELECT years FROM VIEW.t") == []
            place.warehouse("COMMENT ON TABLE RAW.t IS 'public.t of a pipeline'")
            for _ in range(2):
                exchange(place.pipeline, old, shadow.name, place.connections, back=True)
                assert place.both("SELECT age FROM VIEW.t") == [(5,)]

    def test_a_table_that_somebody_has_dropped_is_named(self, place: Place) -> None:
        new, shadow = self.built(place, datetime(2026, 1, 2, tzinfo=UTC))
        place.clickhouse(f"DROP TABLE RAW.{shadow.name}")
        with pytest.raises(ConfigurationError, match=f"clickhouse has no table {shadow.name}"):
            exchange(place.pipeline, new, shadow.name, place.connections, pytest.fail)
        assert place.both("SELECT age FROM VIEW.t") == []


def objects(place: Place, pipeline: Pipeline, sink: SinkSpec, blocked: Collection[str] = ()) -> Part:
    if isinstance(sink, ClickHouseSink):
        return ClickHouseObjects(pipeline, sink, place.connections, blocked)
    return WarehouseObjects(pipeline, sink, place.connections, blocked)


def test_a_table_that_waits_stays_as_it_is_in_a_sink_and_is_made_where_it_is_not(place: Place) -> None:
    """Its entry may say already what its new build will have, of other types; and a sink may be new."""
    place.row(1)
    columns = [{"name": "id", "type": "integer", "nullable": False}, {"name": "age", "type": "text"}]
    edited = place.declare(columns=columns)
    for sink in edited.sinks:
        with pytest.raises(SchemaChangedError, match="columns of other types"):
            objects(place, edited, sink).pending()
        waits = objects(place, edited, sink, {"t"})
        waits.run(pytest.fail)
        assert waits.pending() == []
        names = {name: f"new_{value}" for name, value in sink if name.startswith(("raw_", "view_"))}
        made: list[str] = []
        objects(place, edited, sink.model_copy(update=names), {"t"}).run(made.append)
        assert any("create table" in step for step in made)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]


def test_a_rollback_needs_something_to_go_back_to(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="nothing to go back to"):
        service.rollback(place.pipeline, place.pipeline.tables[0], place.connections, place.ops)


def test_waiting_for_the_connector_ends_with_its_confirmation(place: Place, monkeypatch: Any) -> None:
    connection, source = place.connections.get("cdc_source"), place.pipeline.source
    table = place.pipeline.tables[0]
    monkeypatch.setattr("cdc.services.captured.WAIT_S", 0.2)
    with pytest.raises(ConfigurationError, match="is not in publication"):
        wait_captured(connection, source, table, sleep=lambda _: None)
    place.source(f"CREATE PUBLICATION {source.publication} FOR TABLE t")
    with pytest.raises(UnavailableError, match="has not confirmed"):
        wait_captured(connection, source, table, sleep=lambda _: None)
    place.source(f"SELECT pg_create_logical_replication_slot('{source.slot}', 'pgoutput')")
    place.source(f"SELECT pg_replication_slot_advance('{source.slot}', pg_current_wal_lsn())")
    wait_captured(connection, source, table, sleep=lambda _: None)
    place.source(f"SELECT pg_drop_replication_slot('{source.slot}')")
