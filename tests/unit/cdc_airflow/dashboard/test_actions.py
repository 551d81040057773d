"""Buttons ask for runs of the platform's DAGs and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdc.spec import Pipeline, load_pipeline
from cdc_airflow.dashboard.actions import actions_of, find_action

REPO = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def shop() -> Pipeline:
    return load_pipeline(REPO / "include" / "pipelines" / "ecommerce.yaml")


def test_every_button_is_a_dag_and_the_ones_that_interrupt_are_marked(shop: Pipeline) -> None:
    actions = actions_of(shop, [shop])
    declared = "".join(file.read_text() for file in (REPO / "dags").glob("*.py"))
    for action in actions:
        assert action.dag_id.startswith("cdc_stream_") or f'dag_id="{action.dag_id}"' in declared
        assert action.label
        assert action.title
    assert {(a.stream, a.name) for a in actions if a.interrupts} == {
        (stream.name, name) for stream in shop.streams for name in ("restart", "pause", "resume", "stop")
    }


def test_parameters_are_those_of_the_dags(shop: Pipeline) -> None:
    for action in actions_of(shop, [shop]):
        file = "cdc_streams" if action.stream else action.dag_id
        names = re.findall(
            r'^\s+"([a-z_]+)": (?:Param\(|seconds\()', (REPO / "dags" / f"{file}.py").read_text(), re.M
        )
        assert set(action.conf) <= set(names), action


def test_two_pipelines_with_a_stream_of_one_name_have_buttons_of_their_own(shop: Pipeline) -> None:
    other = shop.model_copy(update={"name": "other"})
    found = {a.dag_id for a in actions_of(other, [shop, other]) if a.stream}
    assert found == {f"cdc_stream_other_{stream.name}" for stream in shop.streams}


def test_what_is_not_on_the_page_is_not_found(shop: Pipeline) -> None:
    actions = actions_of(shop, [shop])
    assert find_action(actions, "cdc_stream_orders", "stop") is not None
    assert find_action(actions, "cdc_stream_orders", "") is None
    assert find_action(actions, "cdc_stream_other", "stop") is None
    assert find_action(actions, "example_daily_revenue", "") is None
