"""Apply, twice and with a table that joins later, on the real services from source to sinks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.connect import ConnectClient
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.errors import ConfigurationError, GenerationError, SchemaChangedError, UnavailableError
from cdc.model.health import Level, evaluate
from cdc.model.toast import PLACEHOLDER
from cdc.ops import OpsStore
from cdc.services import changelog_snapshot
from cdc.services.apply import apply, plan
from cdc.services.captured import refuse_unsent
from cdc.services.changelog_snapshot import ChangelogSnapshot
from cdc.services.changes import Change
from cdc.services.connector import connector_config
from cdc.services.connector_object import ConnectorObject
from cdc.services.first_snapshots import expect_first_snapshot
from cdc.services.health import sample_connector, sample_slot
from cdc.services.left_out import left_out
from cdc.services.schema_changes import settle
from cdc.services.watching import watch_connector
from cdc.services.watermarks import prove
from cdc.spec import Pipeline, TableSpec
from local_stack.components.source import Source


def events(stack: Any, topic: str) -> list[dict[str, Any]]:
    """Every committed change event of a topic."""
    return [event for event, _ in events_with_headers(stack, topic)]


def events_with_headers(stack: Any, topic: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every committed change event of a topic, with Kafka's headers."""
    bootstrap = stack.connections.get("cdc_kafka").bootstrap_servers()
    ends = KafkaClient(bootstrap).end_offsets([topic]).get(topic, {})
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "t", "isolation.level": "read_committed",
         "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    at_end: set[int | None] = set()
    while len(at_end) < len(ends):
        message = consumer.poll(10)
        assert message is not None, f"{topic} does not answer"
        if message.error():
            at_end.add(message.partition())
        elif (value := message.value()) is not None:
            found.append((json.loads(value), dict(message.headers() or [])))
    consumer.close()
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def smaller(pipeline: Pipeline) -> Pipeline:
    """The sample without products, which joins later."""
    return pipeline.model_copy(
        update={"tables": tuple(table for table in pipeline.tables if table.name != "products")}
    )


def count(stack: Any, table: str) -> int:
    with connect_postgres(stack.connections.get("cdc_source_admin")) as connection:
        row = connection.execute(
            psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
        )
        return int(row.fetchone()[0])  # type: ignore[index]


def test_1_apply_makes_everything_and_existing_rows_flow(stack: Any, smaller: Pipeline) -> None:
    planned = plan(smaller, stack.connections)
    assert {change.kind for change in planned.changes} == {"source", "topic", "ddl", "connector"}
    said: list[str] = []
    report = apply(smaller, stack.connections, said.append)
    assert report.changed
    assert list(report.steps) == said
    wait_for(lambda: len(events(stack, "dbserver1.public.customers")) == count(stack, "customers"))
    event = events(stack, "dbserver1.public.customers")[0]
    assert event["op"] == "r"
    assert set(event["after"]) == {column.name for column in smaller.table("customers").columns}


def test_2_apply_again_has_nothing_to_do(stack: Any, smaller: Pipeline) -> None:
    assert plan(smaller, stack.connections).changes == ()
    assert not apply(smaller, stack.connections).changed


def test_3_both_sinks_have_the_views(stack: Any, smaller: Pipeline) -> None:
    client = connect_clickhouse(stack.connections.get("cdc_clickhouse"))
    with connect_postgres(stack.connections.get("cdc_warehouse")) as warehouse:
        for table in smaller.tables:
            assert client.query(f"SELECT count() FROM analytics.{table.name}").result_rows == [(0,)]
            view = psycopg.sql.Identifier("public", table.name)
            counted = warehouse.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(view))
            assert counted.fetchone() == (0,)
    client.close()


def test_4_topics_are_recorded_with_their_first_generation(stack: Any, smaller: Pipeline) -> None:
    with OpsStore(stack.connections.get("cdc_ops")) as ops:
        identity = ops.topic_identity("dbserver1.public.orders")
        assert identity is not None
        assert identity.partitions == 3
        assert ops.generations(["dbserver1.public.orders"]).of("dbserver1.public.orders", 2, 100) == 1


def test_5_the_heartbeat_writes_and_reaches_kafka(stack: Any) -> None:
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        beat = "SELECT beat_at, lsn, oldest_xact FROM cdc.heartbeat"
        first = connection.execute(beat).fetchone()
        wait_for(lambda: connection.execute(beat).fetchone() != first, 30)
        with connect_postgres(stack.connections.get("cdc_source_admin")) as writing:
            writing.execute("UPDATE customers SET phone = phone WHERE id = 1")
            began = writing.execute("SELECT now()").fetchone()
            oldest = "SELECT oldest_xact FROM cdc.heartbeat"
            wait_for(lambda: connection.execute(oldest).fetchone() == began, 30)
            writing.rollback()
    wait_for(lambda: bool(events(stack, "dbserver1.cdc.heartbeat")), 30)
    assert all(event["after"]["id"] == 1 for event in events(stack, "dbserver1.cdc.heartbeat"))


def test_6_health_is_sampled_from_the_real_services(stack: Any, smaller: Pipeline) -> None:
    connector = evaluate(sample_connector(smaller, stack.connections), smaller.policies)
    slot = evaluate(sample_slot(smaller, stack.connections), smaller.policies)
    assert (connector.level, slot.level) == (Level.OK, Level.OK), (connector, slot)


def test_7_a_table_that_joins_later_arrives_with_its_rows(
    stack: Any, pipeline: Pipeline, smaller: Pipeline
) -> None:
    connect = ConnectClient(stack.connections.get("cdc_connect").url())
    kinds = {change.kind for change in plan(pipeline, stack.connections).changes}
    assert kinds == {"source", "topic", "ddl", "connector", "snapshot"}
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        connection.execute("UPDATE products SET price = price + 1 WHERE id = 1")
    apply(pipeline, stack.connections)
    status = connect.status("ecommerce")
    assert status is not None
    assert status.running
    wanted = count(stack, "products")

    def arrived() -> bool:
        return len({event["after"]["id"] for event in events(stack, "dbserver1.public.products")}) == wanted

    wait_for(arrived)
    assert plan(pipeline, stack.connections).changes == ()
    before = len(events(stack, "dbserver1.public.customers"))
    assert before == count(stack, "customers"), "the tables that were there are not snapshotted again"


def test_8_changes_of_the_new_table_flow_too(stack: Any) -> None:
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        connection.execute("UPDATE products SET name = 'changed' WHERE id = 2")
    wait_for(
        lambda: any(
            event["op"] == "u" and event["after"]["name"] == "changed"
            for event in events(stack, "dbserver1.public.products")
        )
    )


def test_9_a_long_value_that_was_not_touched_is_a_placeholder_and_a_moved_row_names_its_old_key(
    stack: Any,
) -> None:
    long = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(400))
    statements = (
        (
            "INSERT INTO products (id, sku, name, description, price) VALUES (900, 'long', 'a', %s, 1)",
            (long,),
        ),
        ("UPDATE products SET name = 'b' WHERE id = 900", ()),
        ("UPDATE products SET id = 901 WHERE id = 900", ()),
    )
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        for statement, values in statements:
            connection.execute(statement, values)

    def ours() -> list[tuple[dict[str, Any], dict[str, Any]]]:
        found = events_with_headers(stack, "dbserver1.public.products")
        rows = [(e, h) for e, h in found if (e["after"] or e["before"])["id"] in (900, 901)]
        return sorted(rows, key=lambda row: (row[0]["source"]["lsn"], row[0]["op"] == "c"))

    wait_for(lambda: len(ours()) == 4)
    (insert, _), (update, plain), (delete, _), (create, headers) = ours()
    assert [e["op"] for e in (insert, update, delete, create)] == ["c", "u", "d", "c"]
    assert insert["after"]["description"] == long
    assert update["after"]["description"] == create["after"]["description"] == PLACEHOLDER
    assert "__debezium.oldkey" not in plain
    assert json.loads(headers["__debezium.oldkey"]) == {"id": 900}
    assert create["source"]["lsn"] == delete["source"]["lsn"]


def with_apart(pipeline: Pipeline) -> Pipeline:
    apart = TableSpec.model_validate(
        {
            "source": "public.apart",
            "stream": pipeline.tables[0].stream,
            "key": ["id"],
            "columns": [{"name": "id", "type": "integer", "nullable": False}, {"name": "v", "type": "text"}],
        }
    )
    return pipeline.model_copy(update={"tables": (*pipeline.tables, apart)})


def test_90_values_from_before_a_changed_type_hold_up_no_other_table(stack: Any, pipeline: Pipeline) -> None:
    wider, topic = with_apart(pipeline), "dbserver1.public.apart"
    name, connect = wider.source.connector, ConnectClient(stack.connections.get("cdc_connect").url())
    with (
        connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source,
        OpsStore(stack.connections.get("cdc_ops")) as ops,
    ):
        source.execute("CREATE TABLE apart (id int PRIMARY KEY, v text); INSERT INTO apart VALUES (1, 'one')")
        apply(wider, stack.connections)
        wait_for(lambda: len(events(stack, topic)) == 1)
        connect.stop(name)
        # The task ends a while later, and would read the change by the types of before.
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        wait_for(lambda: source.execute(active, (wider.source.slot,)).fetchone() == (False,))
        source.execute("UPDATE apart SET v = 'two'")
        source.execute("ALTER TABLE apart ALTER v TYPE int USING length(v)")
        source.execute("UPDATE customers SET full_name = 'behind it' WHERE id = 1")
        connect.resume(name)
        wait_for(lambda: bool((status := connect.status(name)) and status.failed))
        watch_connector(wider, stack.connections)
        assert left_out(wider, ops) == {"apart"}
        named = lambda: [e["after"]["full_name"] for e in events(stack, "dbserver1.public.customers")]  # noqa: E731
        wait_for(lambda: "behind it" in named())
        # It comes back once the connector has passed the change, and nobody takes its topic for complete.
        wait_for(lambda: watch_connector(wider, stack.connections) is not None and not left_out(wider, ops))
        source.execute("INSERT INTO apart VALUES (2, 22)")
        wait_for(lambda: [e["after"]["v"] for e in events(stack, topic)] == ["one", 22])
        (parked, _) = [one for one in ops.parked(wider.name) if one.table == "apart"]
        assert "public.apart.v is integer now, was text" in parked.reason
        with pytest.raises(ConfigurationError, match="cdc resync apart"):
            ops.place_to_resume(wider.name, "apart", parked.sink)
        assert ops.hold_parked(wider.name, replace(parked, times_left_out=0)) is None
        held = ops.hold_parked(wider.name, parked)
        assert held is not None
        assert ops.exchanged(wider.name, held, {0: 2}) is not None
        assert ops.place_to_resume(wider.name, "apart", parked.sink) is not None


def test_90_a_column_that_was_left_out_is_not_taken_in_without_its_old_rows(
    stack: Any, pipeline: Pipeline
) -> None:
    topic = "dbserver1.public.partly"

    def declared(note: bool) -> Pipeline:
        columns = [{"name": "id", "type": "integer", "nullable": False}, {"name": "v", "type": "text"}]
        entry = {"source": "public.partly", "stream": pipeline.tables[0].stream, "key": ["id"]}
        more = {"columns": [*columns, {"name": "note", "type": "text"}]} if note else {"exclude": ["note"]}
        table = TableSpec.model_validate({**entry, "columns": columns, **more})
        return pipeline.model_copy(update={"tables": (*pipeline.tables, table)})

    def sent() -> list[Any]:
        return [event["after"].get("note", "not sent") for event in events(stack, topic)]

    without, full = declared(note=False), declared(note=True)
    with (
        connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source,
        OpsStore(stack.connections.get("cdc_ops")) as ops,
    ):
        source.execute("CREATE TABLE partly (id int PRIMARY KEY, v text, note text)")
        source.execute("INSERT INTO partly VALUES (1, 'v', 'first')")
        apply(without, stack.connections)
        wait_for(lambda: sent() == ["not sent"])
        refuse_unsent(without, stack.connections, ops, without.table("partly"))
        with pytest.raises(ConfigurationError, match=r"leaves out note of public\.partly.*`cdc apply`"):
            refuse_unsent(full, stack.connections, ops, full.table("partly"))
        planned = [str(change) for change in plan(full, stack.connections).changes]
        assert any("park: public.partly.note was left out until now" in change for change in planned)
        apply(full, stack.connections)
        parked = {one.sink: one.reason for one in ops.parked(full.name) if one.table == "partly"}
        assert parked.keys() == {"clickhouse", "warehouse"}
        assert "cdc schema apply partly" in parked["warehouse"]
        refuse_unsent(full, stack.connections, ops, full.table("partly"))
        source.execute("INSERT INTO partly VALUES (2, 'v', 'second')")
        wait_for(lambda: sent() == ["not sent", "second"])
        # Left out once more, the rows lack what happens until it comes back.
        held = ops.table_schemas(full.name)["partly"]
        built = {**held.built.columns, "note": replace(held.built.columns["note"], held=True)}
        ops.record_schema(full.name, replace(held, built=replace(held.built, columns=built)))
        assert not [c for c in plan(full, stack.connections).changes if c.kind == "schema"]
        apply(without, stack.connections)
        assert not ops.table_schemas(full.name)["partly"].built.columns["note"].held


VISITS = "dbserver1.public.visits"
_COLUMNS = ("page", "note")


def with_visits(pipeline: Pipeline) -> Pipeline:
    """The sample with a table that has no key."""
    columns = [{"name": name, "type": "text"} for name in _COLUMNS]
    table = {"source": "public.visits", "mode": "changelog", "columns": columns}
    return pipeline.model_copy(update={"tables": (*pipeline.tables, TableSpec.model_validate(table))})


def added_up(stack: Any) -> Counter[tuple[Any, ...]]:
    """The rows that the topic's events add up to."""
    found = events(stack, VISITS)
    floor = max((e["source"]["lsn"] for e in found if e["op"] == "t"), default=0)
    rows: Counter[tuple[Any, ...]] = Counter()
    for event in found:
        for half, count in (("before", -1), ("after", 1)):
            if event[half] is not None and event["source"]["lsn"] >= floor:
                rows[tuple(event[half][name] for name in _COLUMNS)] += count
    return +rows if min(rows.values(), default=0) >= 0 else rows


class Busy(threading.Thread):
    """Changes the table without pause: duplicates come, change and go, one after the other."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn, self.ending, self.rounds = dsn, threading.Event(), 0

    def run(self) -> None:
        one = "ctid = (SELECT ctid FROM visits WHERE page = %(page)s LIMIT 1)"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.ending.is_set():
                page = {"page": f"p{self.rounds % 5}", "note": f"n{self.rounds % 3}"}
                with connection.transaction():
                    connection.execute(
                        "INSERT INTO visits VALUES (%(page)s, %(note)s), (%(page)s, %(note)s)", page
                    )
                    connection.execute(f"UPDATE visits SET note = %(note)s WHERE {one}", page)
                if self.rounds % 3:
                    connection.execute(f"DELETE FROM visits WHERE {one}", page)
                self.rounds += 1


@contextlib.contextmanager
def busy(stack: Any) -> Iterator[Busy]:
    thread = Busy(stack.connections.get("cdc_source_admin").dsn())
    thread.start()
    try:
        wait_for(lambda: thread.rounds > 20)
        yield thread
        rounds = thread.rounds
        wait_for(lambda: thread.rounds > rounds + 20)
    finally:
        thread.ending.set()
        thread.join()


def there(stack: Any) -> Counter[tuple[Any, ...]]:
    with connect_postgres(stack.connections.get("cdc_source_admin")) as connection:
        return Counter(connection.execute("SELECT page, note FROM visits").fetchall())


def test_91_a_table_without_a_key_is_refused_before_its_own_updates_would_fail(
    stack: Any, pipeline: Pipeline
) -> None:
    wider = with_visits(pipeline)
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        connection.execute("CREATE TABLE visits (page text, note text)")
        for attempt in (plan, apply):
            with pytest.raises(
                SchemaChangedError, match=r'ALTER TABLE "public"\."visits" REPLICA IDENTITY FULL'
            ):
                attempt(wider, stack.connections)
        connection.execute("INSERT INTO visits VALUES ('x', 'y')")
        connection.execute("UPDATE visits SET note = 'z'")
        connection.execute("ALTER TABLE visits REPLICA IDENTITY FULL")
    assert KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers()).topic_identity(VISITS) is None


def test_92_its_rows_arrive_once_each_though_others_write_meanwhile(stack: Any, pipeline: Pipeline) -> None:
    wider = with_visits(pipeline)
    with busy(stack):
        apply(wider, stack.connections)
    wait_for(lambda: added_up(stack) == there(stack))
    assert plan(wider, stack.connections).changes == ()
    assert not apply(wider, stack.connections).changed
    identity = KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers()).topic_identity(VISITS)
    assert identity is not None
    assert identity.partitions == 1


def test_93_a_table_that_was_away_comes_back_with_what_happened_since(stack: Any, pipeline: Pipeline) -> None:
    apply(pipeline, stack.connections)
    with busy(stack):
        pass
    with busy(stack):
        apply(with_visits(pipeline), stack.connections)
    wait_for(lambda: added_up(stack) == there(stack))


def test_94_rows_are_read_anew_when_asked_for(stack: Any, pipeline: Pipeline) -> None:
    wider = with_visits(pipeline)
    again = ChangelogSnapshot(wider, stack.connections, wider.table("visits"))
    with busy(stack):
        assert again.take_again() > 0
    wait_for(lambda: added_up(stack) == there(stack))
    for _ in range(2):  # with nothing in between
        assert again.take_again() == there(stack).total()
    assert added_up(stack) == there(stack)
    with pytest.raises(ConfigurationError, match="mode: rows"):
        ChangelogSnapshot(wider, stack.connections, wider.table("customers")).take_again()


def test_94_a_change_of_the_definition_that_waits_for_the_lock_takes_no_rows_away(
    stack: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider, connection = with_visits(pipeline), stack.connections.get("cdc_source_admin")

    def rewrite() -> None:
        with connect_postgres(connection, autocommit=True, application_name="rewriter") as session:
            session.execute("ALTER TABLE visits ALTER page TYPE text USING page || ''")

    rewriting = threading.Thread(target=rewrite)
    read = ChangelogSnapshot._events

    def waits() -> bool:
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'rewriter' AND wait_event_type = 'Lock'"
        )
        with connect_postgres(connection) as session:
            return session.execute(query).fetchone() is not None or not rewriting.is_alive()

    def after_the_change_has_come(*args: Any) -> Iterator[bytes]:
        rewriting.start()
        wait_for(waits)
        yield from read(*args)

    monkeypatch.setattr(ChangelogSnapshot, "_events", after_the_change_has_come)
    assert there(stack).total() > 0
    assert (
        ChangelogSnapshot(wider, stack.connections, wider.table("visits")).take_again()
        == there(stack).total()
    )
    rewriting.join()
    wait_for(lambda: added_up(stack) == there(stack))


def test_95_a_transaction_that_keeps_the_table_is_waited_for_and_then_named(
    stack: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelog_snapshot, "LOCK_TIMEOUT_S", 1)
    apply(pipeline, stack.connections)
    before = len(events(stack, VISITS))
    with connect_postgres(stack.connections.get("cdc_source_admin")) as writing:
        writing.execute("INSERT INTO visits VALUES ('open', NULL)")
        with pytest.raises(UnavailableError, match=r"public\.visits: a transaction has written to it"):
            apply(with_visits(pipeline), stack.connections)
        assert len(events(stack, VISITS)) == before
    apply(with_visits(pipeline), stack.connections)
    wait_for(lambda: added_up(stack) == there(stack))


def test_96_rows_of_a_table_that_was_away_are_read_again_by_whichever_name(
    stack: Any, pipeline: Pipeline
) -> None:
    def declared(name: str) -> Pipeline:
        columns = [{"name": "id", "type": "integer", "nullable": False}, {"name": "v", "type": "text"}]
        entry = {"source": "public.away", "name": name, "stream": pipeline.tables[0].stream, "key": ["id"]}
        table = TableSpec.model_validate({**entry, "columns": columns})
        return pipeline.model_copy(update={"tables": (*pipeline.tables, table)})

    def sent() -> list[tuple[str, Any]]:
        return [(e["op"], e["after"]["v"]) for e in events(stack, "dbserver1.public.away")]

    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source:
        source.execute("CREATE TABLE away (id int PRIMARY KEY, v text); INSERT INTO away VALUES (1, 'one')")
        apply(declared("away"), stack.connections)
        wait_for(lambda: sent() == [("r", "one")])
        with pytest.raises(ConfigurationError, match="is captured as away in the sinks"):
            apply(declared("afar"), stack.connections)
        apply(pipeline, stack.connections)
        source.execute("UPDATE away SET v = 'two'")
        said = apply(declared("away"), stack.connections).steps
        assert any("cdc reconcile away --repair" in step for step in said)
        with OpsStore(stack.connections.get(pipeline.ops.connection)) as ops:
            assert {("away", sink.name) for sink in pipeline.sinks} <= set(ops.open_gaps(pipeline.name))
        wait_for(lambda: sent() == [("r", "one"), ("r", "two")])
        assert not apply(declared("away"), stack.connections).changed
        apply(pipeline, stack.connections)
        apply(declared("afar"), stack.connections)
        wait_for(lambda: sent() == [("r", "one"), ("r", "two"), ("r", "two")])


LOST = {
    "gone": "was gone",
    "made again by hand": "was not the one that was read before",
    "outrun": "was lost: the source has removed WAL",
    "offsets": "had no offsets any more",
}


@pytest.mark.parametrize("how", LOST)
def test_96_where_nothing_goes_on_from_what_was_captured_a_gap_is_told_and_every_row_read_anew(
    stack: Any, pipeline: Pipeline, how: str
) -> None:
    wider = with_visits(pipeline)
    connect = ConnectClient(stack.connections.get("cdc_connect").url())
    name, slot, topic = wider.source.connector, wider.source.slot, wider.topic(wider.table("customers"))

    def told(mail: str) -> list[str]:
        return [e["op"] for e in events(stack, topic) if e["after"] and e["after"]["email"] == mail]

    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source:
        apply(wider, stack.connections)
        connect.stop(name)
        inactive = "SELECT NOT active FROM pg_replication_slots WHERE slot_name = %s"
        wait_for(lambda: source.execute(inactive, (slot,)).fetchone() == (True,))
        change = "UPDATE customers SET email = %s WHERE id = (SELECT min(id) FROM customers)"
        source.execute(change, (f"{how} before",))
        source.execute("INSERT INTO visits VALUES ('while nobody captured', 1)")
        lose(stack, how, wider, connect)
        planned = "register" if how == "offsets" else "begin anew and read every row"
        assert any(planned in str(step) for step in plan(wider, stack.connections).changes)
        assert any(planned in step for step in apply(wider, stack.connections).steps)
        wait_for(lambda: told(f"{how} before") == ["r"])
        source.execute(change, (f"{how} after",))
        wait_for(lambda: told(f"{how} after") == ["u"])
        wait_for(lambda: not apply(wider, stack.connections).changed)
    wait_for(lambda: added_up(stack) == there(stack))
    with OpsStore(stack.connections.get(pipeline.ops.connection)) as ops:
        names = {table.name for table in wider.tables}
        found = {place: why for place, why in ops.open_gaps(pipeline.name).items() if place[0] in names}
    # A changelog's snapshot makes up for what was not captured; deletes of the others are in none.
    assert set(found) == {(table.name, sink.name) for table in pipeline.tables for sink in wider.sinks}
    assert all(LOST[how] in why for why in found.values())
    proofs = prove(pipeline, stack.connections, sink_patience_s=1)
    assert all(one.doubt == f"changes are missing: {found[one.table, one.sink]}" for one in proofs)


@pytest.mark.parametrize("how", ["by itself", "interrupted"])
def test_96_a_first_snapshot_that_nobody_asked_for_leaves_a_gap_since_no_event_has_its_deletes(
    stack: Any, pipeline: Pipeline, how: str
) -> None:
    apply(pipeline, stack.connections)
    connect, name = ConnectClient(stack.connections.get("cdc_connect").url()), pipeline.source.connector
    topic = pipeline.topic(pipeline.table("customers"))
    sinks = [sink.name for sink in pipeline.sinks]

    def said(mail: str) -> list[str]:
        found = events(stack, topic)
        return [e["op"] for e in found if (e["after"] or e["before"] or {}).get("email") == mail]

    with (
        connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source,
        connect_postgres(stack.connections.get("cdc_source_admin")) as holding,
        OpsStore(stack.connections.get(pipeline.ops.connection)) as ops,
    ):
        prove(pipeline, stack.connections, sink_patience_s=1)
        for table in pipeline.tables:
            ops.close_gaps(pipeline.name, table.name, sinks, ops.clock())
        source.execute("INSERT INTO customers (email, full_name) VALUES (%s, 'kept'), (%s, 'gone')",
                       (f"{how} kept", f"{how} gone"))  # fmt: skip
        wait_for(lambda: said(f"{how} gone") == ["c"])
        connect.forget_offsets(name)
        if how == "interrupted":
            expect_first_snapshot(pipeline, stack.connections, ops)
            holding.execute("LOCK TABLE order_items")
            connect.resume(name)
            wait_for(lambda: said(f"{how} gone") == ["c", "r"])
            stack.kill("connect")
        source.execute("DELETE FROM customers WHERE email = %s", (f"{how} gone",))
        holding.rollback()
        if how == "interrupted":
            stack.start("connect")
        connect.resume(name)
        wait_for(lambda: said(f"{how} kept").count("r") == (2 if how == "interrupted" else 1))
        proofs = prove(pipeline, stack.connections, sink_patience_s=1)
        assert "d" not in said(f"{how} gone")
        gaps = ops.open_gaps(pipeline.name)
        again = {place for place, why in gaps.items() if "was taken again" in why}
        assert again == {(table.name, sink) for table in pipeline.tables for sink in sinks}
        assert all("changes are missing" in one.doubt for one in proofs)


def test_96_a_table_that_is_not_published_is_not_called_complete(stack: Any, pipeline: Pipeline) -> None:
    apply(pipeline, stack.connections)
    [*_, unpublished] = prove(with_visits(pipeline), stack.connections, sink_patience_s=1)
    assert unpublished.doubt == "it is not captured yet: run DAG cdc_connectors"


def lose(stack: Any, how: str, pipeline: Pipeline, connect: ConnectClient) -> None:
    name, slot = pipeline.source.connector, pipeline.source.slot
    if how == "outrun":
        outrun(stack, slot)
    elif how == "offsets":
        connect.forget_offsets(name)
        assert connect.delete(name)
    else:
        with connect_postgres(stack.connections.get("cdc_source"), autocommit=True) as capture:
            capture.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            if how != "gone":
                capture.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
                connect.resume(name)
                wait_for(lambda: "no longer available" in failure(connect, pipeline))


def outrun(stack: Any, slot: str) -> None:
    """Write more than the source keeps for its slots."""
    status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
    with Source().connect(stack.ctx, "shop") as source:

        def lost() -> bool:
            source.execute("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
            source.execute("CHECKPOINT")
            return source.execute(status, (slot,)).fetchone() == ("lost",)

        wait_for(lost)


def failure(connect: ConnectClient, pipeline: Pipeline) -> str:
    status = connect.status(pipeline.source.connector)
    return status.failed if status is not None else ""


def test_97_a_heartbeat_without_its_row_gets_one(stack: Any, pipeline: Pipeline) -> None:
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source:
        apply(pipeline, stack.connections)
        source.execute("TRUNCATE cdc.heartbeat")
        assert apply(pipeline, stack.connections).steps == ("source    table cdc.heartbeat: add its row",)
        wait_for(lambda: source.execute("SELECT lsn FROM cdc.heartbeat").fetchone() not in (None, (None,)))


def test_a_topic_of_several_partitions_is_refused_for_a_changelog(stack: Any, pipeline: Pipeline) -> None:
    kafka = KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers())
    kafka.create_topic("dbserver1.public.clicks", 3, 3_600_000)
    with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as connection:
        connection.execute("CREATE TABLE clicks (page text, note text)")
        connection.execute("ALTER TABLE clicks REPLICA IDENTITY FULL")
    table = with_visits(pipeline).tables[-1].model_copy(update={"source": "public.clicks", "name": "clicks"})
    table = TableSpec.model_validate(table.model_dump(by_alias=True))
    changed = pipeline.model_copy(update={"tables": (*pipeline.tables, table)})
    with pytest.raises(ConfigurationError, match="has 3 partitions, expected 1"):
        apply(changed, stack.connections)


def test_a_column_that_a_stream_follows_while_apply_looks_stays_in_the_views(
    stack: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, meanwhile = ConnectorObject.pending, iter([True])

    def followed(part: ConnectorObject) -> list[Change]:
        if next(meanwhile, False):
            with connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as session:
                session.execute("ALTER TABLE order_items ADD COLUMN nickname text")
            with OpsStore(stack.connections.get("cdc_ops")) as ops:
                settle(pipeline, stack.connections, ops)
        return pending(part)

    monkeypatch.setattr(ConnectorObject, "pending", followed)
    apply(pipeline, stack.connections)
    client = connect_clickhouse(stack.connections.get("cdc_clickhouse"))
    assert client.query("SELECT count(nickname) FROM analytics.order_items").result_rows == [(0,)]
    client.close()
    with connect_postgres(stack.connections.get("cdc_warehouse")) as warehouse:
        assert warehouse.execute("SELECT count(nickname) FROM public.order_items").fetchone() == (0,)


def test_a_source_that_is_not_as_declared_is_refused(stack: Any, pipeline: Pipeline) -> None:
    table = pipeline.table("customers")
    wrong = table.model_copy(update={"columns": table.columns[:-1]})
    changed = pipeline.model_copy(update={"tables": (wrong,)})
    with pytest.raises(SchemaChangedError, match=r"public\.customers\.updated_at is not declared"):
        plan(changed, stack.connections)


def test_a_topic_that_was_made_anew_is_refused(stack: Any, pipeline: Pipeline) -> None:
    with OpsStore(stack.connections.get("cdc_ops")) as ops:
        ops.rows("UPDATE cdc_ops.topics SET topic_id = 'other' WHERE topic = 'dbserver1.public.orders'")
        with pytest.raises(GenerationError, match=r"cdc generation raise dbserver1\.public\.orders"):
            plan(pipeline, stack.connections)
        actual = KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers()).topic_identity(
            "dbserver1.public.orders"
        )
        assert actual is not None
        ops.rows("UPDATE cdc_ops.topics SET topic_id = %s WHERE topic = %s", (actual.topic_id, actual.topic))


def test_a_wrong_setting_is_named_by_connect(stack: Any, pipeline: Pipeline) -> None:
    connect = ConnectClient(stack.connections.get("cdc_connect").url())
    config = connector_config(pipeline, stack.connections) | {"snapshot.mode": "sometimes"}
    with pytest.raises(ConfigurationError, match=r"snapshot\.mode"):
        connect.validate(config)


def test_kafka_that_is_away_is_a_transient_error() -> None:
    client = KafkaClient("127.0.0.1:1", timeout_s=0.5)
    with pytest.raises(UnavailableError):
        client.topic_identity("t")
