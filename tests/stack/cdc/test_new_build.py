"""A parked table and the one built beside it are exchanged in real sinks, and no resume slips in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from cdc.ddl import clickhouse
from cdc.errors import ConfigurationError, ConflictError, SchemaChangedError, UnavailableError
from cdc.model.generations import TopicIdentity
from cdc.model.parking import ParkedTable
from cdc.model.schema_verdict import rebuilt
from cdc.ops import TableSchema
from cdc.services import schema_changes, schema_memory
from cdc.services.exchange import beside, discard, prepare
from cdc.services.new_build import (
    NewBuild,
    before_new_build,
    exchanged,
    refuse_older_driver,
    refuse_unapproved,
    undo_broken_off,
    wait_for_batches,
)
from cdc.services.parked_tables import check_resumable
from cdc.services.source_schema import judge, read_source
from cdc.spec.definitions import definition_of, fingerprint
from tests.stack.cdc.place import Place

SINKS = ("clickhouse", "warehouse")
PARKED_AT = {0: 5}


def parked(place: Place) -> dict[str, ParkedTable]:
    """Where a resume begins in each sink."""
    found = {sink: place.ops.place_to_resume(place.pipeline.name, "t", sink) for sink in SINKS}
    return {sink: item for sink, item in found.items() if item is not None}


@pytest.fixture
def build(place: Place) -> NewBuild:
    """Row 1 is in the table, which is parked; none is in the new one, whose generation begins there."""
    return make_build(place, "ALTER TABLE t RENAME COLUMN age TO years")


def make_build(place: Place, change: str) -> NewBuild:
    place.row(1)
    for name in SINKS:
        place.ops.park(place.pipeline.name, "t", name, "why", PARKED_AT)
    place.source(change)
    schemas = place.ops.table_schemas(place.pipeline.name)
    (item,) = judge(place.pipeline.tables, schemas, read_source(place.connections.get("cdc_source")))
    assert item.found is not None
    new = rebuilt(item.table, item.schema.built, item.found)
    shadow = beside(new, datetime(2026, 1, 2, tzinfo=UTC))
    for sink in place.pipeline.sinks:
        prepare(place.pipeline, new, shadow, sink, place.connections)
    places = parked(place)
    topic = place.pipeline.topic(item.table)
    place.ops.record_topic(topic, "first", 1)
    previous = before_new_build(item, shadow.name, places, "first")
    schema = TableSchema("t", item.found.built(), fingerprint(item.declared), definition_of(new), 2, previous)
    return NewBuild(new, shadow.name, schema, places, PARKED_AT)


def take_over(place: Place, build: NewBuild, meanwhile: Callable[[], object] = lambda: None) -> None:
    with exchanged(place.pipeline, build, place.connections, place.ops) as places:
        meanwhile()
        for at in places.values():
            released = place.ops.release(place.pipeline.name, at, {0: 9})
            assert released is not None
            assert place.ops.unpark(place.pipeline.name, released)


def refused_resume(place: Place) -> None:
    with pytest.raises(ConflictError, match="t is being exchanged"):
        check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_nobody_else_resumes_the_table_until_its_builder_has(place: Place, build: NewBuild) -> None:
    take_over(place, build, lambda: refused_resume(place))
    assert place.both("SELECT years FROM VIEW.t") == []
    assert parked(place) == {}
    assert place.ops.table_schemas(place.pipeline.name)["t"].generation == 2
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_a_resume_that_began_before_the_exchange_does_not_end_well(
    place: Place,
    build: NewBuild,
) -> None:
    """Also when no event came meanwhile, so that the table is parked at the same offsets as before."""
    begun = parked(place)
    with (
        pytest.raises(RuntimeError, match="killed"),
        exchanged(place.pipeline, build, place.connections, place.ops),
    ):
        raise RuntimeError("killed")
    assert {sink: at.offsets for sink, at in parked(place).items()} == dict.fromkeys(SINKS, PARKED_AT)
    for at in begun.values():
        assert place.ops.release(place.pipeline.name, at, {0: 9}) is None
    for at in parked(place).values():
        assert place.ops.release(place.pipeline.name, at, {0: 9}) is not None


@pytest.mark.parametrize("ended", [True, False], ids=["resumed", "being resumed"])
def test_a_table_that_was_resumed_since_is_not_exchanged(
    place: Place,
    build: NewBuild,
    ended: bool,
) -> None:
    released = place.ops.release(place.pipeline.name, build.parked["warehouse"], PARKED_AT)
    assert released is not None
    if ended:
        assert place.ops.unpark(place.pipeline.name, released)
    with pytest.raises(ConfigurationError, match=r"t was resumed in warehouse .*Nothing was exchanged"):
        take_over(place, build)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert place.ops.table_schemas(place.pipeline.name)["t"].generation == 0


def test_an_exchange_that_a_sink_refuses_leaves_every_sink_as_it_was(place: Place, build: NewBuild) -> None:
    begun = parked(place)
    place.warehouse("CREATE VIEW mine AS SELECT age FROM VIEW.t")
    with pytest.raises(ConfigurationError, match="view mine depends on"):
        take_over(place, build)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert parked(place) == begun
    for at in begun.values():
        assert place.ops.release(place.pipeline.name, at, {0: 9}) is None
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_what_clickhouse_breaks_off_is_undone(
    place: Place, build: NewBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real = parked(place), clickhouse.create_view
    statements = iter(["CREATE nonsense"])
    monkeypatch.setattr(clickhouse, "create_view", lambda *given: next(statements, real(*given)))
    with pytest.raises(DatabaseError, match="nonsense"):
        take_over(place, build)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert parked(place) == begun
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_a_rollback_that_clickhouse_breaks_off_is_undone(
    place: Place, build: NewBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_over(place, build)
    park_again(place)
    real, statements = clickhouse.create_view, iter(["CREATE nonsense"])
    monkeypatch.setattr(clickhouse, "create_view", lambda *given: next(statements, real(*given)))
    with pytest.raises(DatabaseError, match="nonsense"):
        gone_back(place)
    assert place.both("SELECT years FROM VIEW.t") == []
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)
    gone_back(place)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]


class Killed(BaseException):
    """Of a process that is gone: nobody undoes anything."""


@contextmanager
def killed_between_sinks() -> Iterator[None]:
    """ClickHouse has exchanged the tables, the warehouse does not commit."""

    def view(*_: object) -> str:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clickhouse, "create_view", view)
        yield


def broken_off(place: Place, build: NewBuild) -> None:
    with killed_between_sinks(), pytest.raises(Killed):
        take_over(place, build)
    assert place.clickhouse("SELECT years FROM RAW.t") == []
    assert place.warehouse("SELECT age FROM RAW.t") == [(5,)]


def test_no_resume_goes_on_from_an_exchange_that_was_broken_off(place: Place, build: NewBuild) -> None:
    """The change taken back, it would write NULLs into the new table of one sink."""
    broken_off(place, build)
    table = place.pipeline.tables[0]
    with pytest.raises(ConfigurationError, match=f"the exchange of t with {build.other} was broken off"):
        check_resumable(place.pipeline, table, place.ops)
    assert schema_changes.rollback(place.pipeline, table, place.connections, place.ops) == build.other
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert {sink: at.offsets for sink, at in parked(place).items()} == dict.fromkeys(SINKS, PARKED_AT)
    check_resumable(place.pipeline, table, place.ops)
    with pytest.raises(ConfigurationError, match="nothing to go back to"):
        schema_changes.rollback(place.pipeline, table, place.connections, place.ops)


def test_a_build_after_one_that_was_broken_off_keeps_the_old_table(place: Place, build: NewBuild) -> None:
    broken_off(place, build)
    table = place.pipeline.tables[0]
    assert undo_broken_off(place.pipeline, table, place.connections, place.ops) == build.other
    for sink in place.pipeline.sinks:
        assert discard(table, "", sink, place.connections) == (build.other,)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert undo_broken_off(place.pipeline, table, place.connections, place.ops) is None


def edited(place: Place, *columns: dict[str, object]) -> Place:
    """A person has brought the source's change into the pipeline file, and more."""
    kept = [c for c in definition_of(place.pipeline.tables[0])["columns"] if c["name"] != "age"]
    place.pipeline = place.declare(columns=[*kept, *columns])
    return place


YEARS: dict[str, object] = {"name": "years", "type": "integer"}


def test_an_exchange_that_was_broken_off_is_undone_whatever_the_pipeline_file_says_by_now(
    place: Place,
) -> None:
    """The old table lacks the column by its new name; its rows are shown without it until the next build."""
    edited(place, YEARS)
    build = make_build(place, "ALTER TABLE t RENAME COLUMN age TO years")
    broken_off(place, build)
    table = place.pipeline.tables[0]
    assert undo_broken_off(place.pipeline, table, place.connections, place.ops) == build.other
    assert place.both("SELECT age FROM RAW.t") == [(5,)]
    assert place.both("SELECT id, name FROM VIEW.t") == [(1, "n")]
    check_resumable(place.pipeline, table, place.ops)


def gone_back(place: Place) -> str:
    return schema_changes.rollback(place.pipeline, place.pipeline.tables[0], place.connections, place.ops)


def rollback_broken_off(place: Place, build: NewBuild) -> None:
    take_over(place, build)
    for sink in SINKS:
        place.ops.park(place.pipeline.name, "t", sink, "by hand", {0: 9})
    with killed_between_sinks(), pytest.raises(Killed):
        gone_back(place)
    assert place.clickhouse("SELECT age FROM RAW.t") == [(5,)]
    assert place.warehouse("SELECT years FROM RAW.t") == []


def test_a_rollback_that_was_broken_off_is_ended_by_the_next(place: Place, build: NewBuild) -> None:
    rollback_broken_off(place, build)
    assert gone_back(place) == build.other
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    assert place.both(f"SELECT years FROM RAW.{build.other}") == []
    assert place.ops.table_schemas(place.pipeline.name)["t"].generation == 0
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_a_build_after_a_rollback_that_was_broken_off_begins_with_the_newer_table(
    place: Place, build: NewBuild
) -> None:
    rollback_broken_off(place, build)
    undo_broken_off(place.pipeline, place.pipeline.tables[0], place.connections, place.ops)
    assert place.both("SELECT years FROM VIEW.t") == []
    assert place.both(f"SELECT age FROM RAW.{build.other}") == [(5,)]


def test_a_table_is_built_or_brought_back_by_one_at_a_time(place: Place, build: NewBuild) -> None:
    take_over(place, build)
    with (
        place.ops.building(place.pipeline.name, "t"),
        pytest.raises(ConflictError, match="t is built anew, or brought back, by another run"),
    ):
        gone_back(place)
    with place.ops.building(place.pipeline.name, "t"):
        pass


def test_a_resume_is_refused_while_a_sink_waits_with_the_exchange(place: Place, build: NewBuild) -> None:
    reader = psycopg.connect(place.connections.get("cdc_warehouse").dsn())
    waiting = (
        "SELECT count(*) > 0 FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with reader, ThreadPoolExecutor(1) as pool:
        reader.execute(f"LOCK TABLE raw{place.number}.t IN ACCESS SHARE MODE")
        taken = pool.submit(take_over, place, build)
        deadline = time.monotonic() + 30
        while place.warehouse(waiting) != [(True,)]:
            assert not taken.done(), taken.result()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        refused_resume(place)
        reader.rollback()
        taken.result(30)
    assert place.both("SELECT years FROM VIEW.t") == []


def test_what_was_left_out_while_the_table_was_built_is_not_taken_for_held(
    place: Place, build: NewBuild
) -> None:
    (judged,) = schema_changes.compared(place.pipeline, place.connections, place.ops)
    without = replace(
        judged,
        declared=place.declare(
            columns=[{"name": "id", "type": "integer", "nullable": False}], exclude=["years"]
        ).tables[0],
    )
    schema_memory.record_left_out(place.pipeline, [without], place.ops)
    take_over(place, build)
    columns = place.ops.table_schemas(place.pipeline.name)["t"].built.columns
    assert {name for name, column in columns.items() if not column.held} == {"years"}


def test_an_exchange_waits_for_whoever_writes_the_table_beside_its_stream(
    place: Place, build: NewBuild
) -> None:
    """A replay or a repair that has read the old definition would write to the new table."""
    waiting = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with place.ops.writing(place.pipeline.name, "t"), place.ops.writing(place.pipeline.name, "t"):
            taken = pool.submit(take_over, place, build)
            deadline = time.monotonic() + 30
            while place.ops.one(waiting) != {"n": 1}:
                assert not taken.done(), taken.result()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert place.both("SELECT age FROM VIEW.t") == [(5,)]
        taken.result(30)
    assert place.both("SELECT years FROM VIEW.t") == []


def test_a_rollback_ends_the_resumes_that_began_before(place: Place, build: NewBuild) -> None:
    take_over(place, build)
    for sink in SINKS:
        place.ops.park(place.pipeline.name, "t", sink, "by hand", {0: 9})
    begun = parked(place)
    with place.ops.exchanging(place.pipeline.name, "t"):
        refused_resume(place)
    kept = schema_changes.rollback(place.pipeline, place.pipeline.tables[0], place.connections, place.ops)
    assert kept == build.other
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    for at in begun.values():
        assert place.ops.release(place.pipeline.name, at, {0: 9}) is None
    assert {sink: at.offsets for sink, at in parked(place).items()} == dict.fromkeys(SINKS, PARKED_AT)


def park_again(place: Place) -> dict[str, ParkedTable]:
    for sink in SINKS:
        place.ops.park(place.pipeline.name, "t", sink, "by hand", {0: 9})
    return parked(place)


def test_no_rollback_to_a_table_that_the_pipeline_file_has_otherwise(place: Place, build: NewBuild) -> None:
    """As after `cdc schema apply --write`: the view would have columns that the old table lacks."""
    take_over(place, build)
    before, as_it_was = park_again(place), place.pipeline
    place.pipeline = place.declare(columns=definition_of(build.table)["columns"])
    with pytest.raises(
        ConfigurationError, match=r"another definition of t .*\(age, years\): put its entry back"
    ):
        gone_back(place)
    assert parked(place) == before
    assert place.both("SELECT years FROM VIEW.t") == []
    place.pipeline = as_it_was
    gone_back(place)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]


def test_no_rollback_to_a_table_that_lacks_a_column_which_was_left_out(place: Place) -> None:
    full = place.pipeline
    columns = definition_of(full.tables[0])["columns"]
    without = place.declare(columns=columns[:-1], exclude=["age"])
    (judged,) = schema_changes.compared(place.pipeline, place.connections, place.ops)
    declared = replace(judged.schema, declared=fingerprint(without.tables[0]))
    place.ops.record_schema(place.pipeline.name, declared)
    schema_memory.record_left_out(place.pipeline, [replace(judged, declared=without.tables[0])], place.ops)
    build = make_build(place, "INSERT INTO t VALUES (1, 'n', '{a}', 7)")
    take_over(place, build)
    before = park_again(place)
    with pytest.raises(ConfigurationError, match=r"another definition of t .*\(age, exclude\)"):
        gone_back(place)
    assert parked(place) == before
    place.pipeline = without
    gone_back(place)
    assert "age" not in [column.name for column in place.table.columns]
    assert place.both("SELECT id FROM VIEW.t") == [(1,)]


def test_no_rollback_to_a_table_that_lacks_a_column_or_has_it_with_another_type(place: Place) -> None:
    """The file had both before the table was built: it is as it was then, and not as the old table is."""
    edited(place, {"name": "age", "type": "bigint"}, {"name": "new", "type": "integer"})
    change = "ALTER TABLE t ALTER COLUMN age TYPE bigint; ALTER TABLE t ADD COLUMN new integer"
    take_over(place, make_build(place, change))
    before = park_again(place)
    with pytest.raises(ConfigurationError, match=r"another definition of t .*\(age, new"):
        gone_back(place)
    assert parked(place) == before


def test_a_rollback_that_is_refused_leaves_the_newer_table_to_a_resume(place: Place, build: NewBuild) -> None:
    take_over(place, build)
    park_again(place)
    place.ops.raise_generation(TopicIdentity(place.pipeline.topic(build.table), "second", 1), {0: 0})
    place.warehouse("CREATE VIEW mine AS SELECT years FROM VIEW.t")
    with pytest.raises(ConfigurationError, match="view mine depends on"):
        gone_back(place)
    check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_a_rollback_over_a_topic_that_was_made_anew_is_resumed_by_nobody(
    place: Place, build: NewBuild
) -> None:
    """Its events are not those that were written since the table was parked, whatever their offsets."""
    take_over(place, build)
    park_again(place)
    anew = TopicIdentity(place.pipeline.topic(build.table), "second", 1)
    place.ops.raise_generation(anew, {0: 0})
    gone_back(place)
    assert place.both("SELECT age FROM VIEW.t") == [(5,)]
    with pytest.raises(ConfigurationError, match=r"its topic was made anew.*`cdc resync t`"):
        check_resumable(place.pipeline, place.pipeline.tables[0], place.ops)


def test_only_the_difference_that_was_approved_is_built(place: Place) -> None:
    def refuse(approved: str) -> None:
        (item,) = schema_changes.compared(place.pipeline, place.connections, place.ops)
        refuse_unapproved(item, approved)

    place.source("ALTER TABLE t RENAME COLUMN age TO years")
    approved = "; ".join(place.settle().changes)
    refuse(approved)
    refuse("")
    place.source("ALTER TABLE t ALTER COLUMN name TYPE varchar(9)")
    now = r"public\.t\.name is .* now, .*; public\.t\.age is named years now"
    with pytest.raises(
        SchemaChangedError, match=f"approved: {now}; approved: public.t.age is named years now"
    ):
        refuse(approved)
    place.source("ALTER TABLE t ALTER COLUMN name TYPE text; ALTER TABLE t RENAME COLUMN years TO age")
    with pytest.raises(SchemaChangedError, match=r"approved: nothing; approved: public\.t\.age"):
        refuse(approved)


def test_an_approved_build_that_was_exchanged_may_be_made_again(place: Place, build: NewBuild) -> None:
    """A task that failed to resume the table is tried again with the same approval."""
    take_over(place, build)
    (item,) = schema_changes.compared(place.pipeline, place.connections, place.ops)
    assert item.verdict.sentence == ""
    refuse_unapproved(item, "public.t.age is named years now")
    with pytest.raises(SchemaChangedError, match="now from what was approved: nothing"):
        refuse_unapproved(item, "public.t.age is of another type now")


def queries(place: Place) -> list[str]:
    stream = place.pipeline.stream(place.pipeline.tables[0].stream)
    return [stream.query_name(sink) for sink in SINKS]


def test_a_build_waits_for_the_batch_in_which_its_table_was_parked(place: Place, build: NewBuild) -> None:
    """Such a batch knows nothing of the parking, and may be about to write."""
    parked_by = place.ops.clock()
    for query in queries(place):
        place.ops.acquire_lease(query, "application_1", 600)
        # The batch before, told by a driver whose clock is a little ahead.
        place.ops.touch_query(query, parked_by + timedelta(seconds=2))

    def wait(limit_s: float) -> None:
        wait_for_batches(place.pipeline, build.table, parked_by, place.ops, limit_s)

    later = parked_by + timedelta(seconds=10)
    first, last = queries(place)
    place.ops.touch_query(first, later)
    with pytest.raises(
        UnavailableError, match=f"{last} of application_1 has not reported since t was parked"
    ):
        wait(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait, 60)
        place.ops.touch_query(last, later)
        waiting.result(60)


def test_a_build_waits_for_no_query_that_may_not_write(place: Place, build: NewBuild) -> None:
    parked_by = place.ops.clock()
    first, warehouse = queries(place)
    ended = place.ops.acquire_lease(first, "application_1", 600)
    place.ops.release_lease(ended)
    place.ops.acquire_lease(warehouse, "application_2", 0.001)
    deadline = time.monotonic() + 30
    while (lease := place.ops.lease(warehouse)) and lease.expires_at > place.ops.clock():
        assert time.monotonic() < deadline
    wait_for_batches(place.pipeline, build.table, parked_by, place.ops, 0)


def test_a_driver_with_an_earlier_pipeline_file_is_restarted_before_its_table_is_built(place: Place) -> None:
    """It would write the new table as the old one."""
    pipeline, ops = place.pipeline, place.ops
    table, stream = pipeline.tables[0], pipeline.streams[0]
    query = stream.query_name("warehouse")
    refuse_older_driver(pipeline, table, ops)
    ops.record_launch(pipeline.name, stream.name, "application_7", "of an earlier file")
    refuse_older_driver(pipeline, table, ops)
    ops.acquire_lease(query, "application_77/1", 600)
    refuse_older_driver(pipeline, table, ops)
    ops.record_launch(pipeline.name, stream.name, "application_77", "of an earlier file")
    with pytest.raises(UnavailableError, match=rf"`cdc stream start {stream.name}`, restarts it"):
        refuse_older_driver(pipeline, table, ops)
    ops.record_launch(pipeline.name, stream.name, "application_77", pipeline.spec_hash(stream))
    refuse_older_driver(pipeline, table, ops)
