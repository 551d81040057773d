"""Incidents and deliveries in the ops store, on a real PostgreSQL; a slot that grows there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cdc.cli import render
from cdc.cli.app import app
from cdc.connections import Connections
from cdc.model.health import evaluate
from cdc.model.incidents import Incident, News, Turn, follow
from cdc.model.restarts import Restart
from cdc.model.verdict import Alarm, Level, Verdict
from cdc.ops import DeadLetter, Draft, OpsStore
from cdc.services.status import PipelineStatus
from cdc.services.watching import sample_dead_letters, sample_watermarks, watch_slot
from cdc.spec import Pipeline
from tests.stack.cdc.conftest import SAMPLE

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GAP = timedelta(minutes=60)
BREACH = Verdict(Level.BREACH, "slot s", "slot s is lost", {"mb": 9.5}, "look", NOW, Alarm.SLOT_LOST)
OK = Verdict(Level.OK, "slot s", "slot s is active")
DRAFT = Draft("mail", "a@b", "subject", "<p>body</p>")


def deciding(verdicts: Sequence[Verdict], at: datetime) -> Callable[[dict[str, Incident]], list[Turn]]:
    return lambda open_: follow(open_, verdicts, GAP, at)


def compose(turns: Sequence[Turn]) -> list[tuple[Draft, Sequence[Turn]]]:
    return [(DRAFT, [turn]) for turn in turns if turn.news]


def look(
    ops: OpsStore, verdict: Verdict, minutes: float = 0, check: str = "slot"
) -> tuple[list[Turn], list[Any]]:
    at = NOW + timedelta(minutes=minutes)
    return ops.follow_incidents("p", check, deciding([verdict], at), compose)


class TestIncidents:
    def test_lives_from_the_first_look_to_the_end(self, ops: OpsStore) -> None:
        heard = [look(ops, BREACH, 0), look(ops, BREACH, 5), look(ops, BREACH, 61), look(ops, OK, 65)]
        assert [[turn.news for turn in turns] for turns, _ in heard] == [
            [News.BEGUN], [None], [News.REMINDER], [News.OVER],
        ]  # fmt: skip
        assert [len(deliveries) for _, deliveries in heard] == [1, 0, 1, 1]
        (one,) = ops.incidents("p")
        assert one.began_at == NOW
        assert one.over_at == NOW + timedelta(minutes=65)
        assert (one.level, one.alarm, one.figures, one.told) == (
            Level.BREACH, Alarm.SLOT_LOST, {"mb": 9.5}, (Alarm.SLOT_LOST,),
        )  # fmt: skip
        assert (one.sentence, one.ending) == ("slot s is lost", "slot s is active")
        assert [list(d.incidents) for d in ops.deliveries("p")] == [[one.id]] * 3
        assert ops.incidents("p", only_open=True) == []
        assert ops.incidents("q") == []

    def test_the_same_thing_may_begin_again(self, ops: OpsStore) -> None:
        for minute, verdict in ((0, BREACH), (5, OK), (10, BREACH)):
            look(ops, verdict, minute)
        newest, older = ops.incidents("p")
        assert newest.over_at is None
        assert older.over_at is not None

    def test_looks_at_once_tell_people_once(self, ops: OpsStore, dsn: str) -> None:
        def one(_: int) -> int:
            with OpsStore(dsn) as store:
                return len(look(store, BREACH)[1])

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(one, range(6))) == 1
        assert len(ops.incidents("p")) == 1

    def test_what_cannot_be_composed_is_not_kept_either(self, ops: OpsStore) -> None:
        def fail(_: Sequence[Turn]) -> list[tuple[Draft, Sequence[Turn]]]:
            raise ValueError("no text")

        with pytest.raises(ValueError, match="no text"):
            ops.follow_incidents("p", "slot", deciding([BREACH], NOW), fail)
        assert ops.incidents("p") == []

    def test_a_check_that_was_renamed_takes_its_incident_over(self, ops: OpsStore) -> None:
        look(ops, BREACH, check="old name")
        look(ops, BREACH, 5, check="new name")
        assert len(ops.incidents("p")) == 1
        assert [turn.news for turn in look(ops, OK, 10, check="new name")[0]] == [News.OVER]

    def test_what_no_check_looks_at_any_more_ends(self, ops: OpsStore) -> None:
        look(ops, BREACH, check="queries orders")
        assert ops.end_other_incidents("p", ["queries orders", "slot"], NOW, compose) == []
        (told,) = ops.end_other_incidents("p", ["slot"], NOW, compose)
        (over,) = ops.incidents("p")
        assert (over.over_at, over.ending) == (NOW, "slot s is checked no more")
        assert list(told.incidents) == [over.id]
        assert ops.end_other_incidents("p", ["slot"], NOW, compose) == []

    def test_those_of_a_pipeline_that_nobody_declares_or_looks_at_end(self, ops: OpsStore) -> None:
        look(ops, BREACH)
        a_day_ago = datetime.now(UTC) - timedelta(days=1)
        # Another folder of pipelines may share this ops store, and looks at its own.
        assert ops.unwatched_pipelines(["q"], a_day_ago) == []
        ops.rows("UPDATE cdc_ops.incidents SET looked_at = now() - interval '25 hours'")
        assert ops.unwatched_pipelines(["p"], a_day_ago) == []
        assert ops.unwatched_pipelines(["q"], a_day_ago) == ["p"]
        look(ops, BREACH, 5)
        assert ops.unwatched_pipelines(["q"], a_day_ago) == []
        (told,) = ops.end_other_incidents("p", [], NOW, compose, why="p is gone", kept_by="q")
        assert [one.ending for one in ops.incidents("p")] == ["slot s is checked no more: p is gone"]
        # Whose people hear of it, and where it is tried again.
        assert [one.id for one in ops.undelivered("q")] == [told.id]
        assert ops.unwatched_pipelines(["q"], datetime.now(UTC) + timedelta(hours=1)) == []

    def test_an_alarm_of_another_version_is_read_all_the_same(self, ops: OpsStore) -> None:
        look(ops, BREACH)
        ops.rows("UPDATE cdc_ops.incidents SET alarm = 'OF_TOMORROW', told = '{OF_TOMORROW}'")
        assert ops.incidents("p")[0].alarm is Alarm.NONE

    def test_are_forgotten_when_they_are_over_and_old(self, ops: OpsStore) -> None:
        for minute, verdict in ((0, BREACH), (5, OK), (10, BREACH)):
            look(ops, verdict, minute)
        ops.rows("UPDATE cdc_ops.deliveries SET created_at = now() - interval '31 days'")
        gone = ops.purge(30)
        assert (gone["incidents"], gone["deliveries"]) == (1, 3)
        assert [one.over_at for one in ops.incidents("p")] == [None]


class TestDeliveries:
    def test_what_failed_is_due_again_until_it_got_there(self, ops: OpsStore) -> None:
        (kept,) = ops.record_deliveries("p", [DRAFT])
        # Whoever recorded it is sending it at this moment.
        assert ops.undelivered("p", due=True) == []
        ops.record_outcome(kept, "SMTP says no")
        ops.rows("UPDATE cdc_ops.deliveries SET tried_at = now() - interval '5 minutes'")
        (due,) = ops.undelivered("p", due=True)
        assert (due.draft, due.attempts, due.error) == (DRAFT, 1, "SMTP says no")
        ops.record_outcome(due, "")
        assert ops.undelivered("p") == []
        (done,) = ops.deliveries("p")
        assert (done.attempts, done.error) == (2, "")
        assert done.delivered_at is not None

    def test_what_was_given_up_is_told_apart_and_not_sent_again(self, ops: OpsStore) -> None:
        (kept,) = ops.record_deliveries("p", [DRAFT])
        ops.give_up(kept, "nobody is there any more")
        ops.rows("UPDATE cdc_ops.deliveries SET tried_at = now() - interval '5 minutes'")
        assert (ops.undelivered("p", due=True), ops.undelivered("p")) == ([], [])
        (shown,) = ops.deliveries("p")
        assert (shown.delivered_at, shown.error) == (None, "nobody is there any more")
        assert shown.given_up_at is not None

    def test_what_is_a_day_old_is_shown_and_not_sent_again(self, ops: OpsStore) -> None:
        ops.record_deliveries("p", [DRAFT])
        ops.rows("UPDATE cdc_ops.deliveries SET created_at = now() - interval '25 h', tried_at = created_at")
        assert ops.undelivered("p", due=True) == []
        assert len(ops.undelivered("p")) == 1

    def test_a_nul_in_a_text_hinders_nothing(self, ops: OpsStore) -> None:
        (kept,) = ops.record_deliveries("p", [Draft("mail", "a@b", "a\x00b", "c\x00d")])
        ops.record_outcome(kept, "e\x00f")
        ops.record_restart("p", Restart("c", "task 0", "g\x00h", NOW))
        look(ops, Verdict(Level.BREACH, "slot t", "i\x00j"))
        assert ops.undelivered("p")[0].error == "e\\0f"
        assert ops.incidents("p")[0].sentence == "i\\0j"

    def test_only_the_pipeline_s_own(self, ops: OpsStore) -> None:
        ops.record_deliveries("q", [DRAFT])
        assert ops.deliveries("p") == []


class TestCommand:
    """`cdc alerts` and what `cdc status` says below its table."""

    @pytest.fixture
    def cdc(
        self, ops: OpsStore, postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., str]:
        database = postgres.connection("test_incidents").model_copy(update={"id": "cdc_ops"})
        file = tmp_path / "connections.json"
        file.write_text(json.dumps(Connections([database]).to_document()))
        monkeypatch.setenv("CDC_CONNECTIONS_FILE", str(file))
        monkeypatch.setenv("CDC_PIPELINES_DIR", str(SAMPLE.parent))
        monkeypatch.setenv("COLUMNS", "250")

        def run(*arguments: str) -> str:
            done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
            assert done.exit_code == 0
            return done.output

        assert "no incidents" in run("alerts")
        for minute, verdict in ((0, BREACH), (5, OK), (10, BREACH)):
            at = NOW + timedelta(minutes=minute)
            ops.follow_incidents(
                "ecommerce", "slot", deciding([verdict], at), lambda turns: [(DRAFT, t) for t in [turns]]
            )
        first, second, _ = reversed(ops.deliveries("ecommerce"))
        ops.record_outcome(first, "")
        ops.record_outcome(second, "mail to a@b: it says no")
        ops.record_restart("ecommerce", Restart("c", "task 0", "boom", datetime.now(UTC)))
        return run

    def test_lists_incidents_and_what_people_were_told(self, cdc: Callable[..., str]) -> None:
        text = cdc("alerts")
        assert "breach for" in text
        assert "slot s is lost" in text
        assert "to do: look" in text
        assert "over after 5 min" in text
        assert "restarted task 0 of connector c: boom" in text
        assert "failed 1 time(s): mail to a@b: it says no" in " ".join(text.split())

    def test_as_json_and_only_what_is_open(self, cdc: Callable[..., str]) -> None:
        every = json.loads(cdc("alerts", "--json"))
        assert [one["over_at"] is None for one in every["incidents"]] == [True, False]
        assert [one["error"] for one in every["deliveries"]] == ["", "mail to a@b: it says no", ""]
        assert every["incidents"][0]["alarm"] == "replication slot … is lost"
        now = json.loads(cdc("alerts", "--json", "--open"))
        assert len(now["incidents"]) == 1
        assert len(now["deliveries"]) == 2
        assert "body" not in now["deliveries"][0]
        assert now["restarts"][0]["cause"] == "boom"

    def test_the_status_says_what_is_wrong_and_what_was_not_delivered(
        self, cdc: Callable[..., str], ops: OpsStore
    ) -> None:
        del cdc
        incidents = tuple(ops.incidents("ecommerce", only_open=True))
        found = PipelineStatus("ecommerce", (), incidents, tuple(ops.undelivered("ecommerce")))
        console = Console(width=200)
        with console.capture() as capture:
            console.print(render.status(found))
        assert "breach: slot s is lost" in capture.get()
        assert "not delivered: mail to a@b: it says no" in capture.get()
        assert json.loads(found.to_json())["incidents"][0]["sentence"] == "slot s is lost"


class TestRestarts:
    def test_are_counted_since_a_time(self, ops: OpsStore) -> None:
        for minutes in (0, 90):
            ops.record_restart("p", Restart("c", "task 0", "boom", NOW + timedelta(minutes=minutes)))
        (late,) = ops.restarts("p", NOW + timedelta(minutes=30))
        assert late == Restart("c", "task 0", "boom", NOW + timedelta(minutes=90))
        assert ops.restarts("other", NOW - GAP) == []


class TestLooks:
    @pytest.fixture
    def connections(self, ops: OpsStore, postgres: Any) -> Connections:
        database = postgres.connection("test_incidents")
        names = ("cdc_ops", "cdc_source_admin")
        return Connections(database.model_copy(update={"id": name}) for name in names)

    def test_a_slot_that_nobody_reads_grows_and_is_told_with_the_time_that_is_left(
        self, postgres: Any, ops: OpsStore, connections: Connections, pipeline: Pipeline
    ) -> None:
        policy = pipeline.policies.model_copy(update={"min_slot_minutes_left": 1_000_000})
        with psycopg.connect(connections.get("cdc_source_admin").dsn(), autocommit=True) as source:
            source.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
            source.execute("SELECT pg_reload_conf()")
            source.execute(
                "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (pipeline.source.slot,)
            )
            try:
                first = watch_slot(pipeline, connections)
                assert first.retained_per_s is None
                assert evaluate(first, policy).level is Level.WARN
                # The looks of a schedule are minutes apart.
                ops.rows("UPDATE cdc_ops.slot_samples SET at = at - interval '5 minutes'")
                source.execute("SELECT pg_logical_emit_message(false, 'x', repeat('y', 8000000))")
                second = watch_slot(pipeline, connections)
                assert second.retained_per_s is not None
                assert 20_000 < second.retained_per_s < 60_000
                verdict = evaluate(second, policy)
                assert verdict.alarm is Alarm.SLOT_ENDANGERED
                assert "at the present rate" in verdict.sentence
                left = verdict.figures["minutes_to_invalidation"]
                assert isinstance(left, float)
                assert 200 < left < 1500
                idle = policy.model_copy(update={"max_slot_inactive_s": 1, "min_slot_minutes_left": 1})
                source.execute("SELECT pg_sleep(1.2)")
                verdict = evaluate(watch_slot(pipeline, connections), idle)
                assert verdict.alarm is Alarm.SLOT_INACTIVE
                assert verdict.since is not None
            finally:
                source.execute("SELECT pg_drop_replication_slot(%s)", (pipeline.source.slot,))
                source.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
                source.execute("SELECT pg_reload_conf()")

    def test_a_slot_is_judged_also_when_nothing_can_be_kept(self, postgres: Any, pipeline: Pipeline) -> None:
        admin = postgres.connection("test_incidents").model_copy(update={"id": "cdc_source_admin"})
        away = admin.model_copy(update={"id": "cdc_ops", "port": 1})
        with psycopg.connect(admin.dsn(), autocommit=True) as source:
            source.execute(
                "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (pipeline.source.slot,)
            )
            try:
                sample = watch_slot(pipeline, Connections([admin, away]))
            finally:
                source.execute("SELECT pg_drop_replication_slot(%s)", (pipeline.source.slot,))
        assert sample.exists
        assert sample.retained_per_s is None

    def test_dead_letters_and_watermarks_are_read_as_they_are(
        self, ops: OpsStore, connections: Connections, pipeline: Pipeline
    ) -> None:
        name = pipeline.name
        assert evaluate(sample_dead_letters(pipeline, connections), pipeline.policies).level is Level.OK
        assert evaluate(sample_watermarks(pipeline, connections), pipeline.policies).level is Level.WARN
        ops.add_dead_letters(
            [
                DeadLetter(
                    name, "orders", "warehouse", f"{name}.orders.warehouse", "orders_fact", "t", 0, 7,
                    NOW, b"k", b"v", "DataError", "too long",
                )
            ]
        )  # fmt: skip
        verdict = evaluate(sample_dead_letters(pipeline, connections), pipeline.policies)
        assert verdict.level is Level.BREACH
        assert "1 of orders_fact in warehouse" in verdict.sentence
        assert verdict.sentence.endswith("the newest: too long")
        assert verdict.since is not None
