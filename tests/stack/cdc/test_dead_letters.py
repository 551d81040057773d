"""`cdc dead-letters` on a real ops store: tables that the pipeline has no more, topics made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdc.cli.app import app
from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.model.health import evaluate
from cdc.model.verdict import Level
from cdc.ops import DeadLetter, OpsStore
from cdc.services.watching import sample_dead_letters
from cdc.spec import Pipeline
from tests.stack.cdc.conftest import SAMPLE

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def letter(table: str, offset: int, sink: str = "warehouse", generation: int = 1) -> DeadLetter:
    query = f"ecommerce.orders.{sink}"
    return DeadLetter(
        "ecommerce", "orders", sink, query, table, f"ecommerce.public.{table}", 0, offset, NOW, b"k", b"v",
        "DataError", "too long", generation=generation,
    )  # fmt: skip


@pytest.fixture
def connections(postgres: Any, ops: OpsStore) -> Connections:
    return Connections([postgres.connection("test_dead_letters").model_copy(update={"id": "cdc_ops"})])


@pytest.fixture
def cdc(
    ops: OpsStore, connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps(connections.to_document()))
    monkeypatch.setenv("CDC_CONNECTIONS_FILE", str(file))
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(SAMPLE.parent))
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["dead-letters", *arguments], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output

    return run


class TestTablesThatThePipelineHasNoMore:
    @pytest.fixture(autouse=True)
    def letters(self, ops: OpsStore) -> None:
        ops.add_dead_letters([letter("gone", 1), letter("gone", 2, "clickhouse"), letter("customers", 3)])

    def test_are_listed_by_the_name_they_had(self, cdc: Callable[..., str]) -> None:
        found = json.loads(cdc("list", "--table", "gone", "--json"))
        assert [(one["table"], one["offset"]) for one in found] == [("gone", 1), ("gone", 2)]
        with pytest.raises(ConfigurationError, match="no table 'nonsense'"):
            cdc("list", "--table", "nonsense")

    def test_are_given_up_at_once_and_stay_listed(self, cdc: Callable[..., str], ops: OpsStore) -> None:
        said = cdc("discard", "--table", "gone", "--reason", "dropped", "--yes")
        assert "discarded: 1 of gone → clickhouse" in said
        assert "discarded: 1 of gone → warehouse" in said
        assert ops.count_dead_letters("ecommerce") == {("customers", "warehouse"): 1}
        assert "(discarded: dropped)" in cdc("list", "--table", "gone", "--all")
        with pytest.raises(ConfigurationError, match=r"no open dead letters of 'gone'"):
            cdc("discard", "--table", "gone", "--reason", "again", "--yes")

    def test_are_given_up_by_a_person_who_says_so(self, cdc: Callable[..., str], ops: OpsStore) -> None:
        assert "for good?" in cdc("discard", "--table", "gone", "--reason", "dropped", code=1)
        assert sum(ops.count_dead_letters("ecommerce").values()) == 3

    @pytest.mark.parametrize("name", ["customers", "public.customers"])
    def test_those_of_a_table_that_it_has_are_replayed_instead(
        self, cdc: Callable[..., str], name: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=rf"replay --table {name}`"):
            cdc("discard", "--table", name, "--reason", "no use", "--yes")

    def test_an_event_or_a_table_is_given_up_and_not_both(self, cdc: Callable[..., str]) -> None:
        for words in (("t", "0", "1", "--table", "gone"), ("--table", "gone", "--generation", "1")):
            with pytest.raises(ConfigurationError, match="received both"):
                cdc("discard", *words, "--reason", "no use", "--yes")
        for place in ((), ("t", "0")):
            with pytest.raises(ConfigurationError, match="expected `<topic> <partition> <offset>`"):
                cdc("discard", *place, "--reason", "no use", "--yes")

    def test_a_replay_says_how_they_are_given_up(self, cdc: Callable[..., str]) -> None:
        said = cdc("replay", "--table", "gone", code=1)
        assert "left gone: the pipeline has no such table any more" in said
        assert "`cdc dead-letters discard --table gone --reason …`" in said
        assert "gone → warehouse: 0 written, 1 still open" in said

    def test_the_alarm_says_how_they_are_given_up(
        self, connections: Connections, pipeline: Pipeline, ops: OpsStore
    ) -> None:
        verdict = evaluate(sample_dead_letters(pipeline, connections), pipeline.policies)
        assert verdict.level is Level.BREACH
        assert "DAG cdc_dead_letter_replay" in verdict.todo
        assert verdict.todo.endswith(
            "The pipeline has no table gone any more: `cdc dead-letters discard --table gone --reason …` "
            "gives its events up."
        )
        ops.discard_dead_letters_of("ecommerce", "gone", "dropped")
        assert "no table" not in evaluate(sample_dead_letters(pipeline, connections), pipeline.policies).todo


class TestTopicsMadeAnew:
    TOPIC = "ecommerce.public.customers"

    @pytest.fixture(autouse=True)
    def letters(self, ops: OpsStore) -> None:
        ops.add_dead_letters(
            [
                letter("customers", 5, sink, generation)
                for sink in ("clickhouse", "warehouse")
                for generation in (1, 2)
            ]
        )

    def test_an_event_is_given_up_in_the_generation_that_was_chosen(
        self, cdc: Callable[..., str], ops: OpsStore
    ) -> None:
        words = ("discard", self.TOPIC, "0", "5", "--reason", "not an event", "--yes")
        with pytest.raises(ConfigurationError, match=r"of generations 1, 2: .*--generation"):
            cdc(*words)
        with pytest.raises(ConfigurationError, match=r"5 of generation 3"):
            cdc(*words, "--generation", "3")
        assert len(ops.dead_letters("ecommerce")) == 4
        assert cdc(*words, "--generation", "2").count("discarded: customers → ") == 2
        assert [one.generation for one in ops.dead_letters("ecommerce")] == [1, 1]
        # One generation is left, so there is nothing to choose.
        assert cdc(*words).count("discarded: customers → ") == 2

    def test_what_is_given_up_was_shown(self, cdc: Callable[..., str]) -> None:
        words = ("discard", self.TOPIC, "0", "5", "--reason", "not an event", "--generation", "2")
        said = cdc(*words, code=1)
        assert said.count("partition 0 offset 5 of generation 2") == 2
        assert {"clickhouse", "warehouse"} <= set(said.split())
