"""Who hears of what: real mails, a real webhook and a real ops store; the components are dead."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from cdc.connections import Connection, Connections
from cdc.errors import UnavailableError
from cdc.ops import DeadLetter, OpsStore
from cdc.spec import load_pipelines
from cdc_airflow.findings import CheckFailedError
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.deliver_again import DeliverAgainOperator
from cdc_airflow.sensors.check import DeadLetterHealthSensor, SlotHealthSensor
from local_stack.context import REPO
from tests.airflow.connections import stores_alone
from tests.receiver import Receiver, receiving
from tests.stack.cdc.conftest import free_port


class Mails:
    """A mail server that can be away; what it takes is read as a person would."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, str]] = []
        self.controller: Controller | None = None

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it by this name
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        mail = message_from_bytes(envelope.content)
        texts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
        text = "".join(t.decode() for t in texts if isinstance(t, bytes))
        self.taken.append((str(make_header(decode_header(mail["Subject"]))), text))
        return "250 OK"

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
        self.controller = None

    def take(self) -> list[tuple[str, str]]:
        taken, self.taken = self.taken, []
        return taken


@pytest.fixture(scope="module")
def mails() -> Iterator[Mails]:
    server = Mails()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def connections(airflow_home: Path, mails: Mails, hook: Receiver) -> Iterator[Connections]:
    """As Airflow knows them: the ops store, mail and webhook live."""
    smtp = {"disable_tls": True, "disable_ssl": True, "from_email": "cdc@localhost", "timeout": 3}
    mail = Connection(id="cdc_smtp", conn_type="smtp", host="127.0.0.1", port=mails.port, extra=smtp)
    webhook = Connection(
        id="cdc_hook", conn_type="http", host="127.0.0.1", port=hook.server_port, password="T/secret"
    )
    with stores_alone(airflow_home, mail, webhook) as found:
        yield found


@pytest.fixture
def ops(connections: Connections, mails: Mails, hook: Receiver) -> Iterator[OpsStore]:
    with OpsStore(connections.get("cdc_ops")) as store:
        store.rows("DROP SCHEMA IF EXISTS cdc_ops CASCADE")
        store.ensure_schema()
        mails.stop()
        mails.start()
        hook.status = 200
        mails.take()
        hook.take()
        yield store


@pytest.fixture(autouse=True)
def with_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample, whose people hear by webhook too."""
    sample = (REPO / "include" / "pipelines" / "ecommerce.yaml").read_text()
    file = tmp_path / "ecommerce.yaml"
    file.write_text(sample.replace("  from: cdc@localhost\n", "  from: cdc@localhost\n  webhook: cdc_hook\n"))
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
    return file


@pytest.fixture
def check(ops: OpsStore) -> Callable[[], None]:
    """`check_dead_letters`, as `cdc_health` runs it; a red task raises."""
    sensor = DeadLetterHealthSensor(
        task_id="check_dead_letters", pipeline="ecommerce", grace_s=0, timeout_s=0
    )
    return lambda: sensor.execute(context())


def context(error: BaseException | None = None, previous: str | None = None) -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="cdc_health",
        task_id="ecommerce.check_dead_letters",
        run_id="scheduled__1",
        log_url="http://airflow.example:8080/log",
        get_previous_ti=lambda **_: SimpleNamespace(state=previous) if previous else None,
    )
    now = datetime.now(UTC)
    return {"ti": ti, "dag_run": SimpleNamespace(logical_date=now, run_after=now), "exception": error}


def plant(ops: OpsStore, offset: int = 7) -> DeadLetter:
    letter = DeadLetter(
        "ecommerce", "orders", "warehouse", "ecommerce.orders.warehouse", "orders_fact",
        "dbserver1.public.orders", 0, offset, datetime.now(UTC), b"k", b"v", "DataError", "<b>too long</b>",
    )  # fmt: skip
    ops.add_dead_letters([letter])
    return letter


def mend(ops: OpsStore, letter: DeadLetter) -> None:
    assert ops.mark_replayed([letter], ops.clock()) == 1


def plant_incident(ops: OpsStore, pipeline: str, looked_at_before: str) -> None:
    ops.rows(
        'INSERT INTO cdc_ops.incidents (pipeline, "check", subject, level, alarm, sentence, began_at, '
        "told_at, looked_at) VALUES (%s, 'slot', 'slot s', 'breach', '', 'x', now(), now(), "
        "now() - %s::interval)",
        (pipeline, looked_at_before),
    )


def make_due(ops: OpsStore) -> None:
    ops.rows("UPDATE cdc_ops.deliveries SET tried_at = tried_at - interval '5 minutes'")


class TestIncident:
    def test_is_one_mail_when_it_begins_and_one_when_it_is_over(
        self, ops: OpsStore, check: Callable[[], None], mails: Mails, hook: Receiver
    ) -> None:
        check()
        assert (mails.take(), hook.take()) == ([], [])
        letter = plant(ops)
        for _ in range(3):
            with pytest.raises(CheckFailedError, match="could not be written") as failed:
                check()
            assert failed.value.told
        ((subject, text),) = mails.take()
        assert subject.startswith("[CDC ecommerce] BREACH: dead letters of ecommerce: 1 event(s)")
        for said in (
            "1 of orders_fact in warehouse",
            "Since",
            "open = 1",
            "cdc dead-letters list",
            "Runbook",
        ):
            assert said in text
        assert "&lt;b&gt;too long" in text
        assert 'href="http://airflow.example:8080/log"' in text
        mend(ops, letter)
        check()
        check()
        ((subject, text),) = mails.take()
        assert subject.startswith("[CDC ecommerce] OVER after")
        assert "none is open" in text
        begun, over = hook.take()
        assert begun[0] == "/T/secret"
        assert begun[1]["text"].startswith("[CDC ecommerce] BREACH")
        assert over[1]["text"].startswith("[CDC ecommerce] OVER")

    def test_is_reminded_of_after_the_policy_s_gap(
        self, ops: OpsStore, check: Callable[[], None], mails: Mails, with_webhook: Path
    ) -> None:
        text = with_webhook.read_text()
        with_webhook.write_text(text.replace("reminder_minutes: 60", "reminder_minutes: 10"))
        plant(ops)
        for minutes_ago in (0, 9, 2):
            ops.rows(
                "UPDATE cdc_ops.incidents SET told_at = told_at - make_interval(mins => %s)", (minutes_ago,)
            )
            with pytest.raises(CheckFailedError):
                check()
        assert [subject.split(":")[0].split(" after")[0] for subject, _ in mails.take()] == [
            "[CDC ecommerce] BREACH",
            "[CDC ecommerce] STILL BREACH",
        ]

    def test_its_failed_task_mails_nothing_more(
        self, ops: OpsStore, check: Callable[[], None], mails: Mails
    ) -> None:
        plant(ops)
        with pytest.raises(CheckFailedError) as failed:
            check()
        mails.take()
        (callback,) = FailureMail.of(*load_pipelines(REPO / "include" / "pipelines", "dev"), once=True)
        callback(context(failed.value))
        assert mails.take() == []


class TestDelivery:
    def test_a_mail_server_that_is_away_is_recorded_and_tried_again(
        self, ops: OpsStore, check: Callable[[], None], mails: Mails, hook: Receiver
    ) -> None:
        mails.stop()
        plant(ops)
        with pytest.raises(CheckFailedError):
            check()
        assert len(hook.take()) == 1
        (lost,) = ops.undelivered("ecommerce")
        assert lost.attempts == 1
        assert "mail to data-team@localhost: ConnectionRefusedError" in lost.error
        again = DeliverAgainOperator(task_id="deliver_again", pipeline="ecommerce")
        make_due(ops)
        with pytest.raises(UnavailableError, match=r"1 message\(s\) could not be delivered: mail to"):
            again.execute(context())
        mails.start()
        make_due(ops)
        assert again.execute(context()) == 1
        ((subject, _),) = mails.take()
        assert subject.startswith("[CDC ecommerce] BREACH")
        assert ops.undelivered("ecommerce") == []
        assert again.execute(context()) == 0

    def test_a_webhook_that_refuses_is_recorded_without_its_secret(
        self, ops: OpsStore, check: Callable[[], None], mails: Mails, hook: Receiver
    ) -> None:
        hook.status = 500
        plant(ops)
        with pytest.raises(CheckFailedError):
            check()
        assert len(mails.take()) == 1
        (lost,) = ops.undelivered("ecommerce")
        assert "webhook to cdc_hook: UnavailableError: webhook cdc_hook answered 500" in lost.error
        assert "secret" not in str(lost)

    def test_a_callback_s_error_is_not_swallowed(self, ops: OpsStore, mails: Mails, hook: Receiver) -> None:
        mails.stop()
        (callback,) = FailureMail.of(*load_pipelines(REPO / "include" / "pipelines", "dev"))
        callback(context(RuntimeError("cannot submit")))
        (lost,) = ops.undelivered("ecommerce")
        assert "cannot submit" in lost.draft.subject
        assert hook.take() == []

    def test_a_message_for_a_webhook_that_was_taken_out_of_the_pipeline_is_given_up(
        self, ops: OpsStore, check: Callable[[], None], hook: Receiver, with_webhook: Path
    ) -> None:
        hook.status = 500
        plant(ops)
        with pytest.raises(CheckFailedError):
            check()
        assert len(hook.take()) == 1
        hook.status = 200
        with_webhook.write_text(with_webhook.read_text().replace("  webhook: cdc_hook\n", ""))
        make_due(ops)
        DeliverAgainOperator(task_id="deliver_again", pipeline="ecommerce").execute(context())
        assert hook.take() == []
        (given_up,) = [one for one in ops.deliveries("ecommerce") if one.draft.channel == "webhook"]
        assert given_up.delivered_at is None
        assert given_up.given_up_at is not None
        assert "no webhook any more, it was to go to cdc_hook" in given_up.error
        assert ops.undelivered("ecommerce") == []

    def test_incidents_of_streams_that_are_gone_end_with_it_and_people_hear_of_it(
        self, ops: OpsStore, mails: Mails
    ) -> None:
        ops.rows(
            'INSERT INTO cdc_ops.incidents (pipeline, "check", subject, level, alarm, sentence, began_at, '
            "told_at) VALUES ('ecommerce', 'queries gone', 'query x', 'breach', '', 'x', now(), now())"
        )
        DeliverAgainOperator(task_id="deliver_again", pipeline="ecommerce").execute(context())
        assert ops.incidents("ecommerce", only_open=True) == []
        ((subject, text),) = mails.take()
        assert subject.startswith("[CDC ecommerce] OVER after")
        assert "query x is checked no more" in subject
        assert 'href="http://airflow.example:8080/log"' in text

    def test_incidents_of_a_pipeline_that_is_gone_end_after_a_day_and_people_hear_of_it(
        self, ops: OpsStore, mails: Mails
    ) -> None:
        plant_incident(ops, "gone", looked_at_before="25 hours")
        plant_incident(ops, "elsewhere", looked_at_before="23 hours")
        DeliverAgainOperator(task_id="deliver_again", pipeline="ecommerce").execute(context())
        assert ops.incidents("gone", only_open=True) == []
        assert len(ops.incidents("elsewhere", only_open=True)) == 1
        ((subject, text),) = mails.take()
        assert subject.startswith("[CDC gone] OVER after")
        assert "slot s is checked no more: no pipeline gone is declared" in text

    def test_a_pipeline_whose_file_is_broken_is_not_taken_for_gone(
        self, ops: OpsStore, mails: Mails, with_webhook: Path
    ) -> None:
        plant_incident(ops, "second", looked_at_before="25 hours")
        with_webhook.with_name("second.yaml").write_text("name: second\nsource: {}\n")
        DeliverAgainOperator(task_id="deliver_again", pipeline="ecommerce").execute(context())
        assert len(ops.incidents("second", only_open=True)) == 1
        assert mails.take() == []


class TestWithoutTheOpsStore:
    @pytest.fixture(autouse=True)
    def away(self, airflow_home: Path, ops: OpsStore, connections: Connections) -> Iterator[None]:
        file = airflow_home / "connections.json"
        document = connections.to_document()
        document["cdc_ops"]["port"] = free_port()
        before = file.read_text()
        file.write_text(json.dumps(document))
        yield
        file.write_text(before)

    def test_people_are_told_by_the_failed_task_once(self, mails: Mails) -> None:
        sensor = SlotHealthSensor(task_id="check_slot", pipeline="ecommerce", grace_s=0, timeout_s=0)
        with pytest.raises(CheckFailedError, match="could not be checked") as failed:
            sensor.execute(context())
        assert not failed.value.told
        (callback,) = FailureMail.of(*load_pipelines(REPO / "include" / "pipelines", "dev"), once=True)
        callback(context(failed.value))
        ((subject, _),) = mails.take()
        assert subject.startswith("[CDC ecommerce] UNKNOWN: replication slot")
        callback(context(failed.value, previous="failed"))
        assert mails.take() == []


def test_a_template_in_a_message_is_never_rendered(ops: OpsStore, mails: Mails) -> None:
    (callback,) = FailureMail.of(*load_pipelines(REPO / "include" / "pipelines", "dev"))
    callback(context(RuntimeError("value {{ 7*7 }}")))
    ((_, text),) = mails.take()
    assert "{{ 7*7 }}" in text


@pytest.fixture(scope="module")
def stored_dags(connections: Connections) -> None:
    command = [sys.executable, "-m", "airflow", "dags", "reserialize"]
    subprocess.run(command, check=True, capture_output=True, timeout=180)


def miss_deadline(dag_id: str, run_type: str) -> str:
    """The scheduler's own steps: a run gets its deadline, which is missed, and the triggerer's callback.

    Returns:
        The run's id.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.deadline import Deadline
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.triggers.callback import CallbackTrigger
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run_id = f"{run_type}__{dag_id}"
    now = datetime.now(UTC)
    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        assert dag is not None
        dag.create_dagrun(
            run_id=run_id,
            logical_date=now,
            data_interval=(now, now),
            run_after=now,
            run_type=DagRunType(run_type),
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.QUEUED,
            session=session,
        )
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one()
        (deadline,) = session.query(Deadline).filter_by(dagrun_id=run.id).all()
        assert deadline.deadline_time > now + timedelta(minutes=100)
        deadline.handle_miss(session)
        session.flush()
        trigger = deadline.callback.trigger
        assert trigger.classpath == "airflow.triggers.callback.CallbackTrigger"
        arguments = trigger.kwargs

    async def run_in_triggerer() -> list[Any]:
        return [event.payload async for event in CallbackTrigger(**arguments).run()]

    *_, last = asyncio.run(run_in_triggerer())
    assert last["state"] == "success", last
    return run_id


@pytest.mark.parametrize("dag_id", ["cdc_reconciliation", "cdc_clickhouse_maintenance"])
def test_a_run_beyond_its_deadline_is_mailed(
    dag_id: str, stored_dags: None, ops: OpsStore, mails: Mails, hook: Receiver
) -> None:
    run_id = miss_deadline(dag_id, "manual")
    ((subject, text),) = mails.take()
    assert subject.startswith(f"[CDC ecommerce] BREACH: DAG {dag_id} has not ended after")
    assert f"/dags/{dag_id}/runs/{run_id}" in text
    assert len(hook.take()) == 1


def test_a_run_of_a_backfill_that_waits_for_the_others_alarms_nobody(
    stored_dags: None, ops: OpsStore, mails: Mails, hook: Receiver
) -> None:
    miss_deadline("cdc_reconciliation", "backfill")
    assert (mails.take(), hook.take()) == ([], [])
