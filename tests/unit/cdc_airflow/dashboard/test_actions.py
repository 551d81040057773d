"""Buttons ask for runs of the platform's DAGs and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdc.spec import Pipeline, load_pipeline
from cdc_airflow.dashboard.actions import actions_of, find_action
from cdc_airflow.pipelines import reconciliation_dags, stream_dag_ids

REPO = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def shop() -> Pipeline:
    return load_pipeline(REPO / "include" / "pipelines" / "ecommerce.yaml")


def test_every_button_is_a_dag_and_the_ones_that_interrupt_are_marked(shop: Pipeline) -> None:
    actions = actions_of(shop, [shop])
    declared = "".join(file.read_text() for file in (REPO / "dags").glob("*.py"))
    made = {*stream_dag_ids([shop]).values(), *reconciliation_dags([shop]), "cdc_restart_ecommerce"}
    for action in actions:
        assert action.dag_id in made or f'dag_id="{action.dag_id}"' in declared
        assert action.label
        assert action.title
    assert {(a.stream, a.name) for a in actions if a.interrupts} == {
        ("", ""),
        *((s.name, name) for s in shop.streams for name in ("restart", "pause", "resume", "stop")),
    }


def test_parameters_are_those_of_the_dags(shop: Pipeline) -> None:
    for action in actions_of(shop, [shop]):
        file = "cdc_streams" if action.stream else action.dag_id.removesuffix("_ecommerce")
        names = re.findall(
            r'"([a-z_]+)": (?:pipeline_param|Param|seconds)\(', (REPO / "dags" / f"{file}.py").read_text()
        )
        assert set(action.conf) <= set(names), action


def test_two_pipelines_with_a_stream_of_one_name_have_buttons_of_their_own(shop: Pipeline) -> None:
    other = shop.model_copy(update={"name": "other"})
    found = {a.dag_id for a in actions_of(other, [shop, other]) if a.stream}
    assert found == {f"cdc_stream_other_{stream.name}" for stream in shop.streams}


def test_a_pipeline_with_a_schedule_of_its_own_has_its_own_reconciliation(shop: Pipeline) -> None:
    policies = shop.policies.model_copy(update={"reconcile_schedule": "@hourly"})
    other = shop.model_copy(update={"name": "other", "policies": policies})
    found = {a.dag_id for a in actions_of(other, [shop, other]) if a.label == "Reconcile"}
    assert found == {"cdc_reconciliation_other"}


def test_what_is_not_on_the_page_is_not_found(shop: Pipeline) -> None:
    actions = actions_of(shop, [shop])
    assert find_action(actions, "cdc_stream_orders", "stop") is not None
    assert find_action(actions, "cdc_stream_orders", "") is None
    assert find_action(actions, "cdc_stream_other", "stop") is None
    assert find_action(actions, "example_daily_revenue", "") is None
