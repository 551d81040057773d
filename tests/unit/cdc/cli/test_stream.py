"""What `cdc stream orphans` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cdc.cli import stream as commands
from cdc.cli.app import app
from cdc.model.orphans import Orphan, Why
from cdc.settings import Settings

DRIVER = Orphan(Why.UNDECLARED, "application_1_1", "cdc-shop-orders")
FOREIGN = Orphan(Why.FOREIGN, "application_1_2", "cdc-other-orders")


class Cluster:
    """In place of YARN and an ops store."""

    def find(self) -> list[Orphan]:
        return [DRIVER, FOREIGN]

    def end(self, found: Sequence[Orphan], *, by_person: bool) -> list[Orphan]:
        return [orphan for orphan in found if orphan.may_be_ended(by_person=by_person)]


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(*_: Any) -> Iterator[Cluster]:
        yield Cluster()

    target = SimpleNamespace(settings=Settings(), connections=None, yarn=None)
    monkeypatch.setattr(commands, "find_target", lambda *_, **__: target)
    monkeypatch.setattr(commands, "orphans_of", opened)


def test_json_says_what_was_ended() -> None:
    done = CliRunner().invoke(app, ["stream", "orphans", "--json", "--end", "--yes"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(one["name"], one["ended"]) for one in found] == [(DRIVER.name, True), (FOREIGN.name, False)]
    assert found[0]["sentence"] == DRIVER.sentence


def test_json_alone_ends_nothing() -> None:
    done = CliRunner().invoke(app, ["stream", "orphans", "--json"])
    assert [one["ended"] for one in json.loads(done.stdout)] == [False, False]


def test_json_is_no_place_for_a_question() -> None:
    done = CliRunner().invoke(app, ["stream", "orphans", "--json", "--end"])
    assert done.exit_code == 2
    assert "--yes" in done.output
