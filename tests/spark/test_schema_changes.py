"""The source's table changes while its stream runs: the sinks follow, or the table waits and says why."""

from __future__ import annotations

import itertools
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from cdc.clients.postgres import connect_postgres
from cdc.errors import ConfigurationError, ConflictError, SchemaChangedError, UnavailableError
from cdc.model.toast import PLACEHOLDER
from cdc.services import schema_changes, schema_memory
from cdc.services.effective import effective_pipeline
from cdc.services.new_build import wait_for_batches
from cdc.services.parked_tables import park_table
from cdc.spec import Pipeline, TableSpec
from cdc_spark.bounded import resume
from cdc_spark.main import drive
from cdc_spark.rebuild import rebuild
from cdc_spark.schema import SchemaKeeper

NUMBERS = itertools.count(1)


class Shop:
    """A lab with one table of its own, at the source too."""

    def __init__(self, lab) -> None:
        self.lab, self.name = lab, f"public.evolving{next(NUMBERS)}"
        lab.source(
            f"CREATE TABLE {self.name} (id int PRIMARY KEY, name text NOT NULL, tags text[] NOT NULL, "
            "age int)"
        )
        self.use(
            {
                "source": self.name,
                "name": "evolving",
                "stream": "evolving",
                "key": ["id"],
                "columns": [
                    {"name": "id", "type": "integer", "nullable": False},
                    {"name": "name", "type": "text", "nullable": False},
                    {"name": "tags", "type": "text[]", "nullable": False},
                    {"name": "age", "type": "integer"},
                ],
            }
        )
        lab.apply()
        lab.remember_source()

    def use(self, table: dict[str, object]) -> None:
        document = self.lab.pipeline.model_dump(by_alias=True)
        document["tables"] = [table, *document["tables"][-1:]]
        self.lab.pipeline = Pipeline.model_validate(document)

    def alter(self, action: str) -> None:
        self.lab.source(f"ALTER TABLE {self.name} {action}")

    def send(self, op: str, number: int, **more: object) -> None:
        row = {"id": number, "name": f"n{number}", "tags": ["a"], "age": number, **more}
        self.lab.send(self.name, op, {name: value for name, value in row.items() if value != "absent"})

    def run(self, **options: object) -> None:
        assert self.lab.run("evolving", **options) == 0

    def rows(self, columns: str) -> list[tuple[object, ...]]:
        """Both sinks, which must agree."""
        clickhouse, warehouse = self.lab.both(f"SELECT {columns} FROM VIEW.evolving ORDER BY id")
        assert clickhouse == warehouse
        return [tuple(row.values()) for row in warehouse]

    def again(self) -> None:
        """Everything once more, from the beginning of the topic, and as a bounded run."""
        self.lab.forget_checkpoints()
        self.run()
        assert self.lab.reread("evolving", "earliest") == 0

    @property
    def table(self) -> TableSpec:
        return effective_pipeline(self.lab.pipeline, self.lab.ops).table(self.name)

    def parked(self) -> dict[str, str]:
        return {p.sink: p.reason for p in self.lab.ops.parked(self.lab.pipeline.name)}

    def signals(self) -> int:
        """How often the table's rows were asked for."""
        with connect_postgres(self.lab.connections.get("cdc_source_admin")) as connection:
            text = f'%{self.name.removeprefix("public.")}"%'
            found = connection.execute(
                "SELECT count(*) FROM cdc.signal WHERE data LIKE %s", (text,)
            ).fetchone()
            return int(found[0]) if found else 0

    def letters(self) -> int:
        return len(self.lab.ops.dead_letters(self.lab.pipeline.name))


@pytest.fixture
def shop(lab):
    made = Shop(lab)
    yield made
    lab.source(f"DROP TABLE IF EXISTS {made.name}")


def waiting_sessions(lab, count: int, work: Future[int]) -> None:
    """Wait until so many sessions of the warehouse wait for a lock, while the work goes on."""
    query = (
        "SELECT count(*) AS n FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + 120
    while lab.warehouse(query) != [{"n": count}]:
        assert not work.done(), work.result()
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.1)


def test_an_added_column_arrives_in_the_batch_that_first_has_it(shop):
    shop.send("r", 1)
    shop.run()
    shop.alter("ADD COLUMN city text")
    shop.send("u", 2, city="Łódź")
    shop.send("c", 3)  # an event from before the column, in the same batch
    shop.run()
    expected = [(1, None), (2, "Łódź"), (3, None)]
    assert shop.rows("id, city") == expected
    shop.again()
    assert shop.rows("id, city") == expected
    assert (shop.parked(), shop.letters()) == ({}, 0)


def test_a_row_that_is_read_at_the_source_has_the_column_that_was_just_added(shop):
    """What is read there counts more than the events so far, the first that has the column among them."""
    shop.lab.source(f"GRANT SELECT ON {shop.name} TO debezium")
    shop.alter("ADD COLUMN city text")
    shop.lab.source(f"INSERT INTO {shop.name} VALUES (1, 'n1', '{{a}}', 1, 'Łódź')")
    shop.send("u", 1, name=PLACEHOLDER)  # from before the column, of a row that no sink has
    shop.send("u", 1, city="Łódź")
    shop.run()
    assert shop.rows("id, name, city") == [(1, "n1", "Łódź")]
    shop.again()
    assert shop.rows("id, name, city") == [(1, "n1", "Łódź")]
    assert (shop.parked(), shop.letters()) == ({}, 0)


def test_rows_from_before_a_constant_default_show_it(shop):
    shop.send("r", 1)
    shop.run()
    shop.alter("ADD COLUMN points int NOT NULL DEFAULT 7, ADD COLUMN labels text[] DEFAULT '{}'")
    shop.alter("ADD COLUMN more text[], ADD COLUMN price numeric(10,2) DEFAULT 9.5")
    shop.alter("ALTER COLUMN points SET DEFAULT 8")
    shop.send("c", 2, points=8, labels=["x"], more=None, price="1.00")
    shop.send("c", 3)
    shop.send("d", 4)
    shop.run()
    shop.again()
    found = [tuple(map(str, row)) for row in shop.rows("id, points, labels, more, price")]
    assert found == [
        ("1", "7", "[]", "None", "9.50"),
        ("2", "8", "['x']", "None", "1.00"),
        ("3", "7", "[]", "None", "9.50"),
    ]
    assert (shop.parked(), shop.letters()) == ({}, 0)


def test_rows_from_before_a_volatile_default_are_asked_for_once(shop):
    # What `cdc apply` makes at the source.
    shop.lab.source("CREATE SCHEMA IF NOT EXISTS cdc")
    shop.lab.source("CREATE TABLE IF NOT EXISTS cdc.signal (id text PRIMARY KEY, type text, data text)")
    shop.lab.source("GRANT USAGE ON SCHEMA cdc TO debezium; GRANT INSERT ON cdc.signal TO debezium")
    shop.send("r", 1)
    shop.run()
    shop.alter("ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()")
    token = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    shop.send("c", 2, token=token)
    shop.run()
    assert shop.signals() == 1
    shop.send("r", 1, token=token)  # what the snapshot then sends
    shop.run()
    assert [str(row[1]) for row in shop.rows("id, token")] == [token, token]


def test_a_dropped_column_is_null_from_then_on(shop):
    shop.send("r", 1)
    shop.send("r", 2)
    shop.run()
    shop.alter("DROP COLUMN tags, DROP COLUMN age")
    shop.send("u", 2, tags="absent", age="absent")
    shop.send("c", 3, tags="absent", age="absent")
    shop.run()
    expected = [(1, "n1", ["a"], 1), (2, "n2", None, None), (3, "n3", None, None)]
    assert shop.rows("id, name, tags, age") == expected
    shop.again()
    assert shop.rows("id, name, tags, age") == expected
    assert [c.name for c in shop.table.live_columns] == ["id", "name"]
    assert (shop.parked(), shop.letters()) == ({}, 0)


def test_a_column_that_may_be_null_now_is_null_in_both_sinks(shop):
    shop.send("r", 1)
    shop.run()
    shop.alter("ALTER COLUMN name DROP NOT NULL")
    shop.send("u", 1, name=None)
    shop.run()
    assert shop.rows("id, name") == [(1, None)]
    assert shop.letters() == 0


def test_a_column_that_came_and_went_between_two_batches_is_left_out(shop):
    shop.send("r", 1)
    shop.run()
    shop.alter("ADD COLUMN short int")
    shop.alter("DROP COLUMN short")
    shop.send("u", 1, short=5, name="later")
    shop.send("u", 2)
    shop.run()
    assert shop.rows("id, name") == [(1, "later"), (2, "n2")]
    assert shop.table.vanished == ("short",)
    assert (shop.parked(), shop.letters()) == ({}, 0)


@pytest.mark.parametrize(
    ("action", "row", "said"),
    [
        ("RENAME COLUMN age TO years", {"age": "absent", "years": 3}, "age is named years now"),
        ("ALTER COLUMN age TYPE text", {"age": "three"}, "age is text now, was integer"),
        ("ALTER COLUMN age TYPE bigint", {"age": 2**40}, "age is bigint now, was integer"),
    ],
)
def test_any_other_change_parks_the_table_with_the_difference_and_the_plan(shop, action, row, said):
    shop.send("r", 1)
    shop.run()
    shop.alter(action)
    shop.send("c", 3, **row)
    shop.run()
    assert shop.parked().keys() == {"clickhouse", "warehouse"}
    for reason in shop.parked().values():
        assert said in reason
        assert "cdc schema apply evolving" in reason
    assert shop.rows("id, age") == [(1, 1)]
    assert shop.letters() == 0


def test_a_changed_key_parks_the_table(shop):
    shop.send("r", 1)
    shop.run()
    shop.alter(f"DROP CONSTRAINT {shop.name.removeprefix('public.')}_pkey, ADD PRIMARY KEY (id, name)")
    value = shop.lab.event(shop.name, "c", {"id": 2, "name": "n2", "tags": ["a"], "age": 2})
    shop.lab.send_raw(shop.name, json.dumps({"id": 2, "name": "n2"}).encode(), value)
    shop.run()
    assert "the primary key was (id), now it is (id, name)" in shop.parked()["warehouse"]
    assert shop.letters() == 0


def test_policies_of_a_table_count(shop):
    table = shop.table.model_dump(by_alias=True)
    shop.use({**table, "schema_changes": {"additive": "ignore"}})
    shop.alter("ADD COLUMN city text")
    shop.send("c", 1, city="x")
    shop.run()
    assert shop.table.exclude == ("city",)
    assert shop.rows("id") == [(1,)]
    shop.use({**table, "schema_changes": {"additive": "park"}})
    shop.alter("ADD COLUMN street text")
    shop.send("c", 2, city="x", street="y")
    shop.run()
    assert "street (text) was added" in shop.parked()["clickhouse"]


def test_the_sinks_follow_each_in_its_own_time(shop):
    """What one sink's query has found is made true in the other by that one's own query."""
    shop.send("r", 1)
    shop.run()
    shop.alter("ADD COLUMN points int DEFAULT 7")
    shop.send("c", 2, points=2)
    shop.run(sinks=("warehouse",))
    shop.send("c", 3)
    shop.run(sinks=("clickhouse",))
    shop.run()
    assert shop.rows("id, points") == [(1, 7), (2, 2), (3, 7)]


def test_a_definition_that_arrives_while_a_batch_runs_is_made_before_it_is_used(shop):
    lab = shop.lab

    def keeper(sink: str) -> SchemaKeeper:
        made = SchemaKeeper(
            lab.pipeline, lab.pipeline.stream("evolving"), lab.pipeline.sink(sink), lab.connections, lab.ops
        )
        made.refresh()
        return made

    query, other = keeper("clickhouse"), keeper("warehouse")
    (before,) = query.tables
    shop.alter("ADD COLUMN city text")
    other.examine(before, {"city"})
    query.refresh()  # as another table's thread does, after this table's was told what to write
    query.ready(before)
    assert [column.name for column in query.ready(query.tables[0]).columns][-1] == "city"
    assert lab.clickhouse("SELECT city FROM RAW.evolving") == []


def test_changes_without_an_event_are_found_by_the_comparison(shop):
    shop.send("r", 1)
    shop.run()
    lab = shop.lab
    before = schema_changes.status(lab.pipeline, lab.connections, lab.ops)
    assert {status.state for status in before} == {"unchanged"}
    shop.alter("ADD COLUMN points int NOT NULL DEFAULT 7")
    (found,) = [s for s in schema_changes.status(lab.pipeline, lab.connections, lab.ops) if s.changes]
    assert (found.state, found.source) == ("to follow", shop.name)
    (done,) = [s for s in schema_changes.settle(lab.pipeline, lab.connections, lab.ops) if s.changes]
    assert done.state == "followed"
    assert shop.rows("id, points") == [(1, 7)]
    # A driver that has not looked yet, and an event from before.
    shop.send("c", 2)
    shop.run()
    assert shop.rows("id, points") == [(1, 7), (2, 7)]

    shop.alter("ALTER COLUMN age TYPE bigint")
    (parked,) = [s for s in schema_changes.settle(lab.pipeline, lab.connections, lab.ops) if s.changes]
    assert parked.state == "parked"
    assert parked.plan.startswith("`cdc schema apply evolving`")
    shop.send("c", 3, points=1)
    shop.run()
    assert shop.rows("id") == [(1,), (2,)]
    # Taken back at the source: nothing is different any more.
    shop.alter("ALTER COLUMN age TYPE integer")
    assert lab.resume(shop.name) == 0
    assert shop.rows("id, points") == [(1, 7), (2, 7), (3, 1)]


class TestRebuild:
    """After an approval: built beside the old table, filled from the source, exchanged, resumed."""

    def blocked(self, shop, action: str, **row: object) -> None:
        """Two rows in the sinks and at the source, then a change, one more row, and the table is parked."""
        shop.lab.source(
            f"INSERT INTO {shop.name} VALUES (1, 'n1', '{{a}}', 1), (2, 'n2', '{{a}}', 2);"
            f"GRANT SELECT ON {shop.name} TO debezium"
        )
        shop.send("r", 1)
        shop.send("r", 2)
        shop.send("r", 9)
        shop.send("d", 9)
        shop.run()
        shop.alter(action)
        shop.send("c", 3, **row)
        shop.run()
        # What the events do not show, the comparison does.
        schema_changes.settle(shop.lab.pipeline, shop.lab.connections, shop.lab.ops)
        assert shop.parked().keys() == {"clickhouse", "warehouse"}

    def applied(self, lab) -> None:
        """What `cdc apply` remembers before the connector is told."""
        judged = schema_changes.compared(lab.pipeline, lab.connections, lab.ops)
        schema_memory.record_left_out(lab.pipeline, judged, lab.ops)

    def rebuild(self, shop) -> None:
        table = shop.lab.pipeline.table(shop.name)
        assert rebuild(shop.lab.prepared("evolving"), table, captured=lambda *_: None) == 0

    def test_a_renamed_column(self, shop):
        self.blocked(shop, "RENAME COLUMN age TO years", age="absent", years=3)
        shop.lab.source(f"INSERT INTO {shop.name} VALUES (3, 'n3', '{{a}}', 3)")
        shop.lab.source(f"UPDATE {shop.name} SET years = 20 WHERE id = 2")
        shop.send("u", 2, age="absent", years=20)
        self.rebuild(shop)
        assert (shop.parked(), shop.letters()) == ({}, 0)
        expected = [(1, "n1", 1), (2, "n2", 20), (3, "n3", 3)]
        assert shop.rows("id, name, years") == expected
        shop.send("u", 1, age="absent", years=10)
        shop.send("d", 3)
        shop.send("c", 4, age="absent", years=4)
        shop.run()
        expected = [(1, "n1", 10), (2, "n2", 20), (4, "n4", 4)]
        assert shop.rows("id, name, years") == expected
        shop.again()
        assert shop.rows("id, name, years") == expected
        assert (shop.parked(), shop.letters()) == ({}, 0)

    def test_a_query_that_may_not_have_seen_the_parking_keeps_the_old_table(self, shop, monkeypatch):
        self.blocked(shop, "RENAME COLUMN age TO years", age="absent", years=3)
        at_once = partial(wait_for_batches, limit_s=0)
        monkeypatch.setattr("cdc_spark.rebuild.wait_for_batches", at_once)
        ops, stream = shop.lab.ops, shop.lab.pipeline.stream("evolving")
        for sink in ("clickhouse", "warehouse"):
            ops.acquire_lease(stream.query_name(sink), "application_1", 600)
        with pytest.raises(UnavailableError, match=r"has not reported since .* Nothing was exchanged"):
            self.rebuild(shop)
        assert shop.parked().keys() == {"clickhouse", "warehouse"}
        assert shop.rows("id, age") == [(1, 1), (2, 2)]
        for sink in ("clickhouse", "warehouse"):
            ops.touch_query(stream.query_name(sink), ops.clock() + timedelta(hours=1))
        self.rebuild(shop)
        assert shop.parked() == {}
        assert shop.rows("id, years") == [(1, 1), (2, 2)]

    def test_a_table_that_is_left_out_waits_and_comes_back_by_the_new_build_alone(self, shop, monkeypatch):
        monkeypatch.setattr("cdc_spark.rebuild.LEFT_OUT_LIMIT_S", 0)
        self.blocked(shop, "ALTER COLUMN age TYPE text USING 'a' || age", age="a3")
        lab, name = shop.lab, shop.lab.pipeline.table(shop.name).name
        lab.ops.leave_out(lab.pipeline.name, name, 1)
        with pytest.raises(UnavailableError, match="is left out of the capture"):
            self.rebuild(shop)
        lab.ops.take_back(lab.pipeline.name, name)
        with pytest.raises(ConfigurationError, match=f"cdc resync {name}"):
            resume(lab.prepared("evolving"), lab.pipeline.table(shop.name), accept_loss=False)
        self.rebuild(shop)
        assert (shop.parked(), shop.rows("id, age")) == ({}, [(1, "a1"), (2, "a2")])
        park_table(lab.pipeline, lab.pipeline.table(shop.name), ["clickhouse", "warehouse"], "why", lab.ops)
        schema_changes.rollback(lab.pipeline, lab.pipeline.table(shop.name), lab.connections, lab.ops)
        with pytest.raises(ConfigurationError, match="were left out of the capture"):
            resume(lab.prepared("evolving"), lab.pipeline.table(shop.name), accept_loss=False)

    def test_a_column_that_was_left_out_comes_with_the_values_of_every_row(self, shop, monkeypatch):
        lab = shop.lab
        full = shop.table.model_dump(by_alias=True)
        without = full | {"columns": full["columns"][:-1], "exclude": ["age"]}
        shop.use(without)
        self.applied(lab)
        lab.source(
            f"INSERT INTO {shop.name} VALUES (1, 'n1', '{{a}}', 1), (2, 'n2', '{{a}}', 2);"
            f"GRANT SELECT ON {shop.name} TO debezium"
        )
        shop.send("r", 1, age="absent")
        shop.run()
        shop.use(full)
        # A driver whose file is not the one that was applied judges nothing.
        shop.send("c", 2, age="absent")
        with monkeypatch.context() as impatient:
            impatient.setattr("cdc_spark.main.ONCE_PATIENCE_S", 5.0)
            assert lab.run("evolving") != 0
        assert (shop.parked(), shop.letters()) == ({}, 0)
        self.applied(lab)
        # An event of the time before, and nobody has compared: the stream itself finds out.
        shop.run()
        assert shop.parked().keys() == {"clickhouse", "warehouse"}
        (reason,) = set(shop.parked().values())
        assert f"{shop.name}.age was left out until now" in reason
        assert (shop.letters(), shop.rows("id, age")) == (0, [(1, None)])
        self.rebuild(shop)
        assert shop.rows("id, age") == [(1, 1), (2, 2)]
        shop.send("c", 3)
        shop.run()
        shop.again()
        assert shop.rows("id, age") == [(1, 1), (2, 2), (3, 3)]
        states = {one.state for one in schema_changes.settle(lab.pipeline, lab.connections, lab.ops)}
        assert (states, shop.parked(), shop.letters()) == ({"unchanged"}, {}, 0)

    def test_a_changed_type_and_then_one_more(self, shop):
        self.blocked(shop, "ALTER COLUMN age TYPE text USING 'a' || age", age="a3")
        self.rebuild(shop)
        shop.send("u", 1, age="changed")
        shop.run()
        assert shop.rows("id, age") == [(1, "changed"), (2, "a2")]
        shop.alter("ALTER COLUMN name TYPE varchar(7)")
        shop.alter("ALTER COLUMN age TYPE int USING 5")
        schema_changes.settle(shop.lab.pipeline, shop.lab.connections, shop.lab.ops)
        self.rebuild(shop)
        assert shop.rows("id, age") == [(1, 5), (2, 5)]
        shop.again()
        assert shop.rows("id, age") == [(1, 5), (2, 5)]

    def test_a_table_that_was_made_anew_has_no_row_of_the_old_one(self, shop):
        self.blocked(shop, "ALTER COLUMN age TYPE text", age="three")
        shop.lab.source(
            f"DROP TABLE {shop.name}; CREATE TABLE {shop.name} (key uuid PRIMARY KEY, v jsonb);"
            f"INSERT INTO {shop.name} VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', '[1]');"
            f"GRANT SELECT ON {shop.name} TO debezium"
        )
        self.rebuild(shop)
        clickhouse, warehouse = shop.lab.both("SELECT key, v FROM VIEW.evolving")
        assert [str(row["key"]) for row in clickhouse] == [str(row["key"]) for row in warehouse]
        assert warehouse[0]["v"] == [1]
        shop.again()
        assert len(shop.lab.warehouse("SELECT * FROM VIEW.evolving")) == 1
        assert (shop.parked(), shop.letters()) == ({}, 0)

    def test_a_row_that_a_sink_cannot_hold_is_told_before_anything_is_exchanged(self, shop):
        self.blocked(shop, "ALTER COLUMN age TYPE date USING '2300-01-01'", age=120530)
        before = shop.rows("id, age")
        with pytest.raises(Exception, match="cannot be written: column 'age'"):
            self.rebuild(shop)
        assert shop.rows("id, age") == before
        assert shop.parked().keys() == {"clickhouse", "warehouse"}
        shop.alter("ALTER COLUMN age TYPE bigint USING 7")
        self.rebuild(shop)
        assert shop.rows("id, age") == [(1, 7), (2, 7)]

    def test_a_running_driver_takes_the_new_table_up(self, shop):
        """It has the old definition and the topic's old generation in its memory."""
        self.blocked(shop, "RENAME COLUMN age TO years", age="absent", years=3)
        lab = shop.lab
        prepared = lab.prepared("evolving", sinks=("warehouse",))
        stream = threading.Thread(target=drive, args=(prepared, str(lab.checkpoints)), daemon=True)
        stream.start()
        try:
            # It waits for its first batch with what it read at its start.
            deadline = time.monotonic() + 60
            while not lab.spark.streams.active:
                assert time.monotonic() < deadline, "no query was started"
                time.sleep(0.05)
            self.rebuild(shop)
            shop.send("u", 1, age="absent", years=10)
            assert lab.producer.flush(30) == 0
            deadline = time.monotonic() + 60
            query = "SELECT years FROM VIEW.evolving WHERE id = 1"
            while lab.warehouse(query) != [{"years": 10}]:
                assert time.monotonic() < deadline, lab.warehouse(query)
                time.sleep(0.2)
        finally:
            lab.ops.request_stop(lab.pipeline.name, "evolving")
            stream.join(120)
            lab.ops.request_run(lab.pipeline.name, "evolving")
        assert shop.parked() == {}

    def test_the_old_table_comes_back_by_a_rollback(self, shop):
        self.blocked(shop, "ALTER COLUMN age TYPE text", age="three")
        before = shop.parked()
        self.rebuild(shop)
        assert shop.rows("id, age") == [(1, "1"), (2, "2")]
        lab, table = shop.lab, shop.lab.pipeline.table(shop.name)
        with pytest.raises(ConfigurationError, match="cdc table park evolving"):
            schema_changes.rollback(lab.pipeline, table, lab.connections, lab.ops)
        park_table(lab.pipeline, table, ["clickhouse", "warehouse"], "by hand", lab.ops)
        schema_changes.rollback(lab.pipeline, lab.pipeline.table(shop.name), lab.connections, lab.ops)
        assert shop.rows("id, age") == [(1, 1), (2, 2)]
        assert shop.parked().keys() == before.keys()
        shop.run()
        assert shop.rows("id, age") == [(1, 1), (2, 2)]
        # And forward once more.
        self.rebuild(shop)
        assert shop.rows("id, age") == [(1, "1"), (2, "2")]

    def parked_by_hand(self, shop):
        """One row in the sinks and at the source, and nothing has changed; as for a resync."""
        shop.lab.source(
            f"INSERT INTO {shop.name} VALUES (1, 'n1', '{{a}}', 1), (2, 'n2', '{{a}}', 2);"
            f"GRANT SELECT ON {shop.name} TO debezium"
        )
        shop.send("r", 1)
        shop.run()
        table = shop.lab.pipeline.table(shop.name)
        park_table(shop.lab.pipeline, table, ["clickhouse", "warehouse"], "by hand", shop.lab.ops)
        return table

    def test_a_table_that_is_no_longer_as_it_was_approved_is_not_built(self, shop):
        lab, table = shop.lab, self.parked_by_hand(shop)
        with pytest.raises(SchemaChangedError, match="approved: nothing; approved: a column is named"):
            rebuild(
                lab.prepared("evolving"),
                table,
                captured=lambda *_: pytest.fail("too late"),
                approved="a column is named x now",
            )
        assert shop.parked().keys() == {"clickhouse", "warehouse"}
        assert shop.rows("id") == [(1,)]

    def test_a_table_that_was_resumed_while_it_was_built_is_not_exchanged(self, shop):
        lab, table = shop.lab, self.parked_by_hand(shop)
        with pytest.raises(ConfigurationError, match="has to be parked in each"):
            rebuild(lab.prepared("evolving"), table, captured=lambda *_: lab.resume(shop.name))
        assert shop.parked() == {}
        assert shop.rows("id") == [(1,)]

    def test_a_resume_that_the_exchange_overtakes_gives_up(self, shop):
        """It writes to the old table, and would say that nothing before the topic's end is missing."""
        lab, table = shop.lab, self.parked_by_hand(shop)
        shop.send("c", 2)
        patient = lab.pipeline.streaming.model_copy(update={"lease_s": 600})
        lab.pipeline = lab.pipeline.model_copy(update={"streaming": patient})
        resuming, building = (lab.prepared("evolving", sinks=sinks) for sinks in (("warehouse",), None))
        raw = lab.pipeline.sink("warehouse").raw_schema
        warehouse = lab.connections.get("cdc_warehouse")
        with connect_postgres(warehouse) as holder, ThreadPoolExecutor(2) as pool:
            holder.execute(f"LOCK TABLE {raw}.evolving IN SHARE MODE")
            resumed = pool.submit(resume, resuming, table, accept_loss=False)
            waiting_sessions(lab, 1, resumed)
            built = pool.submit(rebuild, building, table, captured=lambda *_: None)
            waiting_sessions(lab, 2, built)
            shop.send("c", 3)
            assert lab.producer.flush(30) == 0
            holder.rollback()
            with pytest.raises(ConflictError, match="built anew"):
                resumed.result(120)
            assert built.result(120) == 0
        assert shop.parked() == {}
        assert shop.rows("id") == [(1,), (2,), (3,)]

    def test_only_a_parked_table_is_built_anew(self, shop):
        with pytest.raises(ConfigurationError, match="has to be parked in each"):
            self.rebuild(shop)
