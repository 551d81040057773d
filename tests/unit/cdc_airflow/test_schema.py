"""A difference is asked about once, by one mail that says what and what then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from cdc.spec import load_pipeline
from cdc_airflow.notifications.approval_mail import ApprovalMail
from cdc_airflow.operators.ask_for_approval import AskForApprovalOperator
from cdc_airflow.operators.compare_schema import approval_run
from cdc_airflow.operators.rebuild_table import ApproveChangeOperator, RebuildTableOperator

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "ecommerce.yaml"
SAID = "public.t.v is named title now"


def test_the_same_difference_is_the_same_run_for_as_long_as_its_table_is_parked() -> None:
    since = datetime(2026, 1, 2, tzinfo=UTC)

    def run_id(table: str = "t", said: str = SAID, plan: str = "plan", later_s: float = 0) -> str:
        at = since + timedelta(seconds=later_s)
        return str(approval_run("shop", table, said, plan, at)["trigger_run_id"])

    first = approval_run("shop", "t", SAID, "plan", since)
    assert first["trigger_run_id"] == run_id() == run_id(plan="another plan")
    assert len({run_id(), run_id("u"), run_id(said=f"{SAID}; more"), run_id(later_s=1)}) == 4
    assert first["conf"] == {"pipeline": "shop", "table": "t", "difference": SAID, "plan": "plan"}


def test_what_the_source_calls_its_columns_is_no_template() -> None:
    conf = {"difference": "public.t.v is named {{ conn.cdc_warehouse.password }} {% now"}
    ask = AskForApprovalOperator(task_id="t", trigger_dag_id="cdc_schema_change", conf=conf)
    ask.render_template_fields({})
    assert ask.conf == conf
    mapped = AskForApprovalOperator.partial(task_id="u", trigger_dag_id="cdc_schema_change")
    assert mapped.expand_kwargs([{"conf": conf}]).template_fields == ()


def test_the_mail_tells_the_difference_and_the_plan() -> None:
    (mail,) = ApprovalMail.of(load_pipeline(SAMPLE))
    params = {"table": "t", "difference": SAID, "plan": "`cdc schema apply t` builds it anew"}
    said = str(mail.error({"params": params}))
    assert f"t is parked, the source has changed: {SAID}" in said
    assert "`cdc schema apply t` builds it anew" in said
    assert "Required Actions" in said


def test_an_approval_that_came_with_the_run_is_no_question() -> None:
    def ask(**more: Any) -> ApproveChangeOperator:
        return ApproveChangeOperator(task_id="t", pipeline="shop", subject="Build?", **more)

    assert ask(only="shop", approved="True").execute({}) is None
    with pytest.raises(AirflowSkipException, match="is about pipeline 'other'"):
        ask(only="other", approved="True").execute({})


def test_a_build_is_of_the_difference_that_was_approved_and_a_cleared_one_builds_again() -> None:
    asked = {"table": "{{ params.table }}", "difference": "{{ params.difference }}"}
    build = RebuildTableOperator(task_id="t", pipeline="shop", **asked)
    build.render_template_fields({"params": {"table": "t", "difference": SAID}})
    assert (build.table, build.difference) == ("t", SAID)
    assert not build.durable
