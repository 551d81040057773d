"""The ops store on a real PostgreSQL."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
import pytest

from cdc.errors import ConfigurationError, ConflictError, FencedError, GenerationError, UnavailableError
from cdc.model.bounded_run import BoundedRun, RunKind
from cdc.model.desired import Desired
from cdc.model.generations import TopicIdentity
from cdc.ops import BatchProgress, DeadLetter, OpsStore, Repair
from cdc.ops.overview import OverviewStore
from cdc.ops.records import Launch
from cdc.services.topics import Raised, raise_generation
from cdc.spec import Pipeline

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def progress(batch: int, at: datetime = NOW, query: str = "p.s.warehouse") -> BatchProgress:
    pipeline, stream, sink = query.split(".")
    return BatchProgress(
        pipeline, stream, sink, query, batch, at - timedelta(seconds=1), at, input_rows=7,
        until_offsets={"t": {0: 5, 1: 9}}, end_offsets={"t": {0: 5, 1: 10}}, offsets_behind=1,
        max_source_ts=at, tables={"x": {"inserted": 7}},
    )  # fmt: skip


def letter(offset: int) -> DeadLetter:
    return DeadLetter(
        "p", "s", "warehouse", "p.s.warehouse", "x", "t", 0, offset, NOW, b"\x00k", b"\xff", "DataError",
        "bad\x00value", headers=[["h", None], ["i", "j"]],
    )  # fmt: skip


class TestSchema:
    def test_is_made_by_many_at_once(self, ops: OpsStore, dsn: str) -> None:
        def ensure(_: int) -> None:
            with OpsStore(dsn) as store:
                store.ensure_schema()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ensure, range(8)))
        assert ops.latest_progress("p") == []

    def test_a_missing_schema_says_what_to_do(self, postgres: Any) -> None:
        with (
            OpsStore(postgres.create_database("empty")) as store,
            pytest.raises(ConfigurationError, match="run `cdc apply`"),
        ):
            store.parked("p")


class TestLeases:
    def test_only_one_of_many_gets_it(self, ops: OpsStore, dsn: str) -> None:
        barrier = threading.Barrier(8)

        def ask(number: int) -> int | None:
            with OpsStore(dsn) as store:
                barrier.wait()
                try:
                    return store.acquire_lease("q", f"owner-{number}", 60).epoch
                except ConflictError:
                    return None

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(ask, range(8)), key=str) == [1, *[None] * 7]

    def test_the_next_owner_fences_the_last(self, ops: OpsStore) -> None:
        first = ops.acquire_lease("q", "a", 60)
        with pytest.raises(ConflictError, match="held by a until"):
            ops.acquire_lease("q", "b", 60)
        second = ops.acquire_lease("q", "b", 60, previous_ended=True)
        assert (first.epoch, second.epoch) == (1, 2)
        with pytest.raises(FencedError, match=r"lost its lease to b \(epoch 2\)"):
            ops.renew_lease(first, 60)
        assert ops.renew_lease(second, 90).expires_at > second.expires_at

    def test_an_expired_one_is_free(self, ops: OpsStore) -> None:
        ops.acquire_lease("q", "a", 0)
        assert ops.acquire_lease("q", "b", 60).epoch == 2

    def test_a_released_one_is_free_with_a_higher_epoch(self, ops: OpsStore) -> None:
        lease = ops.acquire_lease("q", "a", 60)
        ops.release_lease(lease)
        assert ops.acquire_lease("q", "b", 60).epoch == 2
        ops.release_lease(lease)
        stored = ops.lease("q")
        assert stored is not None
        assert stored.owner == "b"
        with pytest.raises(ConflictError):
            ops.acquire_lease("q", "c", 60)


class TestStreams:
    def test_wanted_until_somebody_asks_to_stop(self, ops: OpsStore) -> None:
        assert ops.desired_state("p", "s") == "running"
        ops.request_stop("p", "s")
        assert ops.desired_state("p", "s") == "stopped"
        ops.request_run("p", "s")
        assert ops.desired_state("p", "s") == "running"

    def test_a_pause_and_a_restart_are_states_of_their_own(self, ops: OpsStore) -> None:
        ops.request_pause("p", "s")
        first = ops.launch("p", "s")
        assert first is not None
        assert ops.desired_state("p", "s") is Desired.PAUSED
        ops.request_pause("p", "s")
        # Since when it is paused, not when somebody said so again.
        assert ops.launch("p", "s") == first
        ops.request_drain("p", "s")
        assert ops.desired_state("p", "s").wants_driver
        ops.request_run("p", "s")
        assert ops.desired_state("p", "s") is Desired.RUNNING
        assert [launch.stream for launch in ops.all_launches()] == ["s"]

    def test_an_older_store_takes_the_new_states(self, ops: OpsStore, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE cdc_ops.streams DROP CONSTRAINT streams_desired_check, ADD CONSTRAINT "
                "streams_desired_check CHECK (desired IN ('running', 'stopped'))"
            )
            connection.execute("COMMENT ON SCHEMA cdc_ops IS 'older'")
        ops.ensure_schema()
        ops.request_pause("p", "s")
        assert ops.desired_state("p", "s") is Desired.PAUSED

    def test_live_leases_are_those_that_have_not_expired(self, ops: OpsStore) -> None:
        ops.acquire_lease("p.s.warehouse", "application_1_1/1", 60)
        ops.release_lease(ops.acquire_lease("p.s.clickhouse", "application_1_1/1", 60))
        assert [lease.query for lease in ops.live_leases()] == ["p.s.warehouse"]

    def test_a_launch_forgets_the_last_failure_and_keeps_the_request(self, ops: OpsStore) -> None:
        ops.request_stop("p", "s")
        ops.record_failure("p", "s", "boom")
        before = ops.launch("p", "s")
        ops.record_launch("p", "s", "application_1", "abc")
        after = ops.launch("p", "s")
        assert before is not None
        assert before.failure == "boom"
        assert after is not None
        assert (after.failure, after.application_id, after.desired) == (None, "application_1", "stopped")

    def test_a_launch_is_a_beginning_once_there_was_a_sign_of_life_or_a_request(self, ops: OpsStore) -> None:
        def launched() -> Launch:
            ops.record_launch("p", "s", "application_1", "abc")
            found = ops.launch("p", "s")
            assert found is not None
            return found

        first = launched()
        assert first.waiting_since == first.launched_at
        # A query of another stream whose name begins alike, and an old sign of life.
        ops.touch_query("p.s2.warehouse", datetime.now(UTC) + timedelta(hours=1))
        ops.touch_query("p.s.warehouse", datetime.now(UTC) - timedelta(hours=1))
        again = launched()
        assert again.waiting_since == first.waiting_since != again.launched_at

        ops.touch_query("p.s.warehouse", datetime.now(UTC))
        lived = launched()
        assert lived.waiting_since == lived.launched_at
        ops.request_stop("p", "s")
        ops.request_run("p", "s")
        asked = launched()
        assert asked.waiting_since == asked.launched_at

    def test_the_lock_is_exclusive_across_connections(self, ops: OpsStore, dsn: str) -> None:
        order = []

        def other() -> None:
            with OpsStore(dsn) as store, store.exclusively("launch"):
                order.append("second")

        thread = threading.Thread(target=other)
        with ops.exclusively("launch"):
            thread.start()
            thread.join(0.5)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]


class TestProgress:
    def test_comes_back_as_it_was_recorded(self, ops: OpsStore) -> None:
        ops.record_progress(progress(1))
        ops.record_progress(progress(1))
        assert ops.progress_history("p.s.warehouse") == [progress(1)]

    def test_the_newest_batch_of_each_query(self, ops: OpsStore) -> None:
        for number in range(3):
            ops.record_progress(progress(number, NOW + timedelta(seconds=number)))
        ops.record_progress(progress(0, query="p.s.clickhouse"))
        newest = {item.query: item.batch_id for item in ops.latest_progress("p")}
        assert newest == {"p.s.warehouse": 2, "p.s.clickhouse": 0}
        assert [item.sink for item in ops.latest_progress("p", "s", "clickhouse")] == ["clickhouse"]
        assert ops.latest_progress("p", "other") == []

    def test_an_idle_query_is_not_dead(self, ops: OpsStore) -> None:
        ops.record_progress(progress(1))
        ops.touch_query("p.s.warehouse", NOW + timedelta(minutes=5))
        ops.touch_query("p.s.warehouse", NOW)
        assert ops.touched_at("p.s.warehouse") == NOW + timedelta(minutes=5)
        assert ops.touched_at("other") is None

    def test_purging_keeps_the_newest_of_each_query(self, ops: OpsStore) -> None:
        long_ago = NOW - timedelta(days=400)
        for number in range(3):
            ops.record_progress(progress(number, long_ago + timedelta(seconds=number)))
        assert ops.purge(30)["batches"] == 2
        assert [item.batch_id for item in ops.progress_history("p.s.warehouse")] == [2]


class TestReconciliations:
    def test_the_last_report_of_each_table_is_found_and_kept(self, ops: OpsStore, dsn: str) -> None:
        for number, table in ((1, "a"), (2, "a"), (3, "b")):
            ops.record_reconciliation("p", table, NOW, equal=number == 2, report={"number": number})
        found = ops.last_reconciliations("p")
        assert {table: (x["equal"], x["report"]) for table, x in found.items()} == {
            "a": (True, {"number": 2}),
            "b": (False, {"number": 3}),
        }
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE cdc_ops.reconciliations SET finished_at = now() - interval '1 year'")
        assert ops.purge(30)["reconciliations"] == 1
        assert ops.last_reconciliations("p").keys() == {"a", "b"}

    def test_a_report_of_a_window_does_not_stand_for_the_whole_table(self, ops: OpsStore, dsn: str) -> None:
        whole = {"window": None}
        window = {"window": ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"]}
        ops.record_reconciliation("p", "a", NOW, equal=False, report=whole)
        ops.record_reconciliation("p", "a", NOW, equal=True, report=window)
        ops.record_reconciliation("p", "b", NOW, equal=True, report=window)
        assert {table: x["equal"] for table, x in ops.last_reconciliations("p").items()} == {"a": False}
        with OverviewStore(dsn) as overview:
            assert [(x.table, x.equal) for x in overview.reconciled("p")] == [("a", False)]
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE cdc_ops.reconciliations SET finished_at = now() - interval '1 year'")
        assert ops.purge(30)["reconciliations"] == 2
        assert ops.last_reconciliations("p").keys() == {"a"}

    def test_keys_of_a_repair_are_kept_until_it_is_done(self, ops: OpsStore) -> None:
        run, other = uuid4(), uuid4()
        wanted = [Repair("t", "clickhouse", b'{"id":1}', 2), Repair("t", "warehouse", b"\x00\xff", 0)]
        for _ in range(2):
            ops.ask_repairs(run, "p", wanted)
        ops.ask_repairs(other, "p", wanted[:1])
        assert ops.repairs(run, "p", "t", "clickhouse") == wanted[:1]
        assert ops.repairs(run, "p", "t", "warehouse") == wanted[1:]
        ops.forget_repairs(run)
        assert ops.repairs(run, "p", "t", "clickhouse") == []
        assert ops.repairs(other, "p", "t", "clickhouse") == wanted[:1]

    def test_parts_of_a_table_are_those_of_its_last_comparison(self, ops: OpsStore) -> None:
        assert ops.recorded_parts("p", "t") is None
        ops.record_parts("p", "t", [[1, "low", 5, "FOR VALUES"]])
        ops.record_parts("p", "t", [[1, "low", 6, "FOR VALUES"]])
        assert ops.recorded_parts("p", "t") == [[1, "low", 6, "FOR VALUES"]]


class TestDeadLetters:
    def test_are_kept_once_with_their_bytes(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter(1), letter(2)])
        ops.add_dead_letters([letter(2)])
        kept = ops.dead_letters("p")
        assert [item.offset for item in kept] == [1, 2]
        assert (kept[0].key, kept[0].value) == (b"\x00k", b"\xff")
        assert kept[0].headers == [["h", None], ["i", "j"]]
        assert kept[0].message == "bad\\0value"

    def test_replayed_ones_are_no_longer_open(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter(1), letter(2)])
        assert ops.mark_replayed([letter(1)], ops.clock()) == 1
        assert ops.mark_replayed([letter(1)], ops.clock()) == 0
        assert ops.open_dead_letters("p", "x", "warehouse") == 1
        assert ops.count_dead_letters("p", only_open=False) == {("x", "warehouse"): 2}
        assert [item.offset for item in ops.dead_letters("p")] == [2]
        assert [item.offset for item in ops.dead_letters_at("p", "t", 0, 1)] == [1]

    def test_one_that_fails_again_during_its_replay_stays_open(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter(1), letter(2)])
        since = ops.clock()
        ops.add_dead_letters([replace(letter(2), message="still bad")])
        assert ops.mark_replayed([letter(1), letter(2)], since) == 1
        assert [item.message for item in ops.dead_letters("p")] == ["still bad"]

    def test_one_that_fails_after_its_replay_is_open_again(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter(1)])
        ops.mark_replayed([letter(1)], ops.clock())
        ops.add_dead_letters([letter(1)])
        assert ops.open_dead_letters("p", "x", "warehouse") == 1

    def test_what_a_discarded_one_has_said_is_in_no_sink(self, ops: OpsStore) -> None:
        ops.add_dead_letters([replace(letter(1), key=b"given up"), replace(letter(2), key=None), letter(3)])
        ops.discard_dead_letters(ops.dead_letters("p")[:2], "no use")
        # One without a key could be any row's, which would doubt the whole table for ever.
        assert sorted(map(str, ops.open_keys("p", "x", "warehouse"))) == ["b'\\x00k'", "b'given up'"]

    def test_a_discarded_one_is_closed_for_good(self, ops: OpsStore) -> None:
        other_sink = replace(letter(1), sink="clickhouse", query="p.s.clickhouse")
        ops.add_dead_letters([letter(1), other_sink, letter(2)])
        given_up = ops.dead_letters_at("p", "t", 0, 1)
        assert {item.sink for item in ops.discard_dead_letters(given_up, "not an event")} == {
            "warehouse", "clickhouse",
        }  # fmt: skip
        assert ops.discard_dead_letters(given_up, "once more") == []
        assert [item.offset for item in ops.dead_letters("p")] == [2]
        # The topic is read again from its beginning: what a person gave up is no news.
        ops.add_dead_letters([letter(1), letter(2)])
        assert [item.offset for item in ops.dead_letters("p")] == [2]
        assert {item.discarded for item in ops.dead_letters_at("p", "t", 0, 1)} == {"not an event"}

    def test_those_of_a_table_are_discarded_together(self, ops: OpsStore) -> None:
        other = replace(letter(3), table="y")
        ops.add_dead_letters([letter(1), letter(2), replace(letter(1), sink="c", query="p.s.c"), other])
        ops.mark_replayed([letter(2)], ops.clock())
        ops.add_dead_letters([replace(letter(9), pipeline="q", query="q.s.warehouse")])
        assert ops.discard_dead_letters_of("p", "x", "dropped") == {("x", "c"): 1, ("x", "warehouse"): 1}
        assert [item.table for item in ops.dead_letters("p")] == ["y"]
        assert [item.discarded for item in ops.dead_letters_at("p", "t", 0, 2)] == [""]
        assert len(ops.dead_letters("q")) == 1

    def test_a_topic_made_anew_does_not_hide_the_letters_of_the_one_before(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter(1), replace(letter(1), generation=2, value=b"new")])
        assert [item.value for item in ops.dead_letters("p")] == [b"\xff", b"new"]
        first = ops.replayable("p", "x", "warehouse", "t", after=(0, 0, -1), limit=10)
        assert [item.generation for item in first] == [1]
        then = ops.replayable("p", "x", "warehouse", "t", after=(1, 0, 1), limit=10)
        assert [item.generation for item in then] == [2]

    def test_an_older_store_keeps_its_letters(self, ops: OpsStore, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE cdc_ops.dead_letters DROP COLUMN generation, DROP COLUMN failed_at, "
                'ADD PRIMARY KEY (query, topic, partition, "offset")'
            )
            connection.execute(
                'INSERT INTO cdc_ops.dead_letters (pipeline, stream, sink, query, "table", topic, partition, '
                "\"offset\", error_class, message) VALUES ('p', 's', 'w', 'q', 'x', 't', 0, 7, 'E', 'm')"
            )
            connection.execute("COMMENT ON SCHEMA cdc_ops IS 'older'")
        ops.ensure_schema()
        ops.add_dead_letters([letter(7)])
        assert {(item.query, item.generation) for item in ops.dead_letters("p")} == {
            ("p.s.warehouse", 1),
            ("q", 1),
        }


class TestTopics:
    def test_the_first_record_begins_generation_one(self, ops: OpsStore) -> None:
        ops.record_topic("t", "id-1", 2)
        ops.record_topic("t", "id-1", 2)
        assert ops.topic_identity("t") == TopicIdentity("t", "id-1", 2)
        assert ops.generations(["t"]).for_topic("t") == {0: [(0, 1)], 1: [(0, 1)]}

    def test_a_changed_topic_is_refused_until_the_generation_is_raised(self, ops: OpsStore) -> None:
        ops.record_topic("t", "id-1", 1)
        with pytest.raises(GenerationError, match="made anew"):
            ops.record_topic("t", "id-2", 1)
        assert ops.raise_generation(TopicIdentity("t", "id-2", 1), {0: 0}) == 2
        ops.record_topic("t", "id-2", 1)
        assert ops.generations(["t"]).of("t", 0, 0) == 2

    def test_a_parked_table_waits_from_the_beginning_of_what_a_generation_begins_with(
        self, ops: OpsStore, pipeline: Pipeline
    ) -> None:
        def waiting() -> dict[str, Mapping[int, int]]:
            return {item.table: item.offsets for item in ops.parked(pipeline.name)}

        table = pipeline.table("customers")
        topic = pipeline.topic(table)
        ops.record_topic(topic, "id-1", 2)
        ops.park(pipeline.name, "customers", "warehouse", "why", {0: 500, 1: 400})
        ops.park(pipeline.name, "products", "warehouse", "why", {0: 7})
        wider, anew = TopicIdentity(topic, "id-1", 3), TopicIdentity(topic, "id-2", 2)
        # Nobody has reported to have read anything.
        unread = {sink.name: 1200 for sink in pipeline.sinks}
        ends, all_there = {0: 600, 1: 600, 2: 0}, dict.fromkeys(range(3), 0)
        assert raise_generation(pipeline, table, wider, ends, all_there, 9, ops) == Raised(2, (), unread)
        assert ops.open_gaps(pipeline.name) == {}
        assert waiting() == {"customers": {0: 500, 1: 400, 2: 0}, "products": {0: 7}}
        sinks = tuple(sink.name for sink in pipeline.sinks)
        raised = raise_generation(pipeline, table, anew, {0: 3, 1: 4}, {0: 0, 1: 0}, 9, ops)
        assert raised == Raised(3, ("warehouse",), {}, sinks)
        assert set(ops.open_gaps(pipeline.name)) == {("customers", sink) for sink in sinks}
        assert waiting() == {"customers": {0: 0, 1: 0}, "products": {0: 7}}

    def test_records_that_kafka_removed_unread_are_a_gap(self, ops: OpsStore, pipeline: Pipeline) -> None:
        table = pipeline.table("customers")
        topic = TopicIdentity(pipeline.topic(table), "id-1", 1)
        ops.record_topic(topic.topic, "id-1", 1)
        raised = raise_generation(pipeline, table, topic, {0: 600}, {0: 100}, 9, ops)
        assert set(raised.missing) == {sink.name for sink in pipeline.sinks}
        assert "`cdc reconcile customers --repair`" in ops.open_gaps(pipeline.name)["customers", "warehouse"]
        assert ops.trusted_from(pipeline.name, "warehouse") == {"customers": 9}

    def test_the_highest_truncate_floor_counts(self, ops: OpsStore) -> None:
        assert ops.truncate_floor("p", "x") is None
        for floor in ((1, 900), (2, 5), (2, 5)):
            ops.record_truncate("p", "x", *floor)
        assert ops.truncate_floor("p", "x") == (2, 5)

    def test_applied_tables_and_snapshots(self, ops: OpsStore) -> None:
        ops.record_applied("p", "x", [{"name": "id"}], NOW)
        ops.record_applied("p", "x", [{"name": "id"}, {"name": "a"}], NOW)
        assert [column["name"] for column in ops.applied_tables("p")["x"].columns] == ["id", "a"]
        ops.record_snapshot("p", "public.x", "initial")
        ops.record_snapshot("p", "public.x", "blocking")
        assert ops.snapshotted("p") == {"public.x"}

    def test_an_older_store_takes_every_kind_of_snapshot(self, ops: OpsStore, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE cdc_ops.snapshots DROP CONSTRAINT snapshots_kind_check, "
                "ADD CHECK (kind IN ('initial', 'incremental'))"
            )
            connection.execute("COMMENT ON SCHEMA cdc_ops IS 'older'")
        ops.ensure_schema()
        ops.record_snapshot("p", "public.a b", "blocking")
        assert ops.snapshotted("p") == {"public.a b"}


class TestGaps:
    def test_a_gap_is_open_until_rows_were_read_after_it(self, ops: OpsStore) -> None:
        before = ops.clock()
        ops.record_gap("p", "x", ["clickhouse", "warehouse"], 500, "the slot was lost")
        ops.record_gap("p", "y", ["warehouse"], 500, "removed")
        assert ops.close_gaps("p", "x", ["clickhouse", "warehouse"], before) == []
        assert ops.close_gaps("p", "x", ["clickhouse"], ops.clock()) == ["clickhouse"]
        assert ops.open_gaps("p") == {("x", "warehouse"): "the slot was lost", ("y", "warehouse"): "removed"}
        assert ops.close_gaps("p", "x", ["clickhouse"], ops.clock()) == []
        ops.record_gap("p", "x", ["clickhouse"], 400, "once more")
        assert ops.open_gaps("p")["x", "clickhouse"] == "once more"
        # Rows below the further gap stay as old as they were.
        assert ops.trusted_from("p", "clickhouse") == {"x": 500}

    def test_a_gap_that_was_closed_is_open_again_when_an_earlier_table_is_back(self, ops: OpsStore) -> None:
        ops.record_gap("p", "x", ["clickhouse"], 500, "the slot was lost")
        ops.record_reread("p", "x", ["warehouse"], 500)
        assert ops.close_gaps("p", "x", ["clickhouse"], ops.clock()) == ["clickhouse"]
        ops.reopen_gaps("p", "x")
        assert ops.open_gaps("p") == {("x", "clickhouse"): "the slot was lost"}

    def test_rows_that_are_read_again_are_no_gap(self, ops: OpsStore) -> None:
        ops.record_reread("p", "x", ["warehouse"], 700)
        ops.record_reread("p", "x", ["warehouse"], 600)
        assert ops.open_gaps("p") == {}
        assert ops.trusted_from("p", "warehouse") == {"x": 700}
        ops.record_gap("p", "y", ["warehouse"], 500, "lost")
        ops.record_reread("p", "y", ["warehouse"], 800)
        assert ops.open_gaps("p") == {("y", "warehouse"): "lost"}
        assert ops.trusted_from("p", "warehouse") == {"x": 700, "y": 800}


class TestFailures:
    def test_a_restarted_server_is_found_again(self, ops: OpsStore, postgres: Any) -> None:
        ops.record_progress(progress(1))
        postgres.kill_and_restart()
        ops.record_progress(progress(2, NOW + timedelta(seconds=1)))
        assert [item.batch_id for item in ops.progress_history("p.s.warehouse")] == [2, 1]

    def test_a_server_that_is_down_is_a_transient_error(self) -> None:
        with pytest.raises(UnavailableError, match="does not answer"):
            OpsStore("postgresql://nobody@127.0.0.1:1/none").parked("p")

    def test_a_pickled_store_connects_by_itself(self, ops: OpsStore) -> None:
        ops.add_dead_letters([replace(letter(1), key=None)])
        copy: OpsStore = pickle.loads(pickle.dumps(ops))
        assert copy.open_dead_letters("p", "x", "warehouse") == 1
        copy.close()


class TestBoundedRuns:
    WINDOW: ClassVar[dict[str, Any]] = {"method": "direct", "from_key": ["1"]}

    def begin(self, ops: OpsStore, window: dict[str, Any] | None = None, **options: Any) -> BoundedRun:
        return ops.begin_run("p", "x", RunKind.BACKFILL, window or self.WINDOW, ["a", "b"], **options)

    def test_one_that_was_broken_off_is_gone_on_with_and_another_is_not(self, ops: OpsStore) -> None:
        first = self.begin(ops, estimate=10)
        ops.advance_run(first.id, 4, {"after": ["4"]}, bad=1)
        ops.end_run(first.id, "killed", failed=True)
        assert ops.bounded_run(first.id).finished_at is not None
        again = self.begin(ops, estimate=99)
        assert (again.id, again.state, again.done, again.bad) == (first.id, "running", 4, 1)
        assert (again.position, again.estimate, again.finished_at) == ({"after": ["4"]}, 10, None)
        assert self.begin(ops, {"method": "snapshot"}).id != first.id
        anew = self.begin(ops, anew=True)
        assert anew.id != first.id
        assert self.begin(ops).id == anew.id, "the newest of a window counts"
        ops.end_run(anew.id)
        assert self.begin(ops).id not in (first.id, anew.id)

    def test_one_of_long_ago_begins_anew(self, ops: OpsStore) -> None:
        first = self.begin(ops)
        ops.rows("UPDATE cdc_ops.bounded_runs SET touched_at = now() - interval '25 hours'")
        assert self.begin(ops).id != first.id

    def test_the_one_ahead_counts_and_what_is_done_stays_so(self, ops: OpsStore) -> None:
        run = self.begin(ops)
        ops.advance_run(run.id, 9, {"after": ["9"]})
        ops.advance_run(run.id, 7, {"after": ["7"]})
        assert ops.bounded_run(run.id).position == {"after": ["9"]}
        ops.end_run(run.id, "two did not fit")
        ops.end_run(run.id, "its operator was killed", failed=True)
        ended = ops.bounded_run(run.id)
        assert (ended.state, ended.message) == ("done", "two did not fit")
        assert ops.bounded_runs("p") == [ended]
        with pytest.raises(ConfigurationError, match="cdc runs"):
            ops.bounded_run(uuid4())

    def test_replays_that_have_not_ended_well_tell_what_they_may_write(self, ops: OpsStore) -> None:
        place = {"since": {0: 5, 2: 7}, "until": {0: 9, 2: 9}}
        run = ops.begin_run("p", "x", RunKind.REPLAY, {"from": "a"}, ["a"], position=place)
        ops.begin_run("p", "y", RunKind.REPLAY, {"from": "a"}, ["a"], position=place)
        assert sorted(ops.replayed_places("p", "x")) == [(0, 5), (2, 7)]
        ops.end_run(run.id, "killed", failed=True)
        assert sorted(ops.replayed_places("p", "x")) == [(0, 5), (2, 7)]
        ops.advance_run(run.id, 2, {"since": {0: 6}, "until": {0: 9}})
        assert ops.replayed_places("p", "x") == [(0, 6)]
        ops.end_run(run.id)
        assert ops.replayed_places("p", "x") == []
