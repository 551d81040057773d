"""A stop or a pause that is asked for while a stream is to start is newer than the start, and stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from cdc.clients.yarn import Application
from cdc.errors import ConfigurationError
from cdc.model.desired import Desired, ended_meanwhile
from cdc.services import start
from cdc.settings import Settings
from cdc.spec import Pipeline

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = Application(
    "application_1_1", "cdc-ecommerce-orders", "RUNNING", "UNDEFINED", frozenset({"other"}), NOW, "", 0
)


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        (Desired.RUNNING, Desired.RUNNING, True),
        (Desired.RUNNING, Desired.RESTARTING, True),
        (Desired.STOPPED, Desired.STOPPED, True),
        (Desired.PAUSED, Desired.PAUSED, True),
        (Desired.PAUSED, Desired.RUNNING, True),
        (Desired.RUNNING, Desired.STOPPED, False),
        (Desired.RESTARTING, Desired.PAUSED, False),
        (Desired.STOPPED, Desired.PAUSED, False),
    ],
)
def test_what_was_so_when_the_start_was_asked_for_does_not_end_it(
    before: Desired, now: Desired, goes_on: bool
) -> None:
    assert (ended_meanwhile(before, now) == "") is goes_on


class Surroundings:
    """What a start needs of the ops store and of YARN; a person comes in at a chosen moment."""

    def __init__(self, live: Sequence[Application]) -> None:
        self.desired, self.live = Desired.RUNNING, {one.id: one for one in live}
        self.comes: dict[str, Callable[[], None]] = {}

    @contextmanager
    def exclusively(self, _: str) -> Iterator[None]:
        self.comes.get("lock", lambda: None)()
        yield

    def desired_state(self, *_: str) -> Desired:
        return self.desired

    def request_stop(self, *_: str) -> None:
        self.desired = Desired.STOPPED

    def request_pause(self, *_: str) -> None:
        self.desired = Desired.PAUSED

    def request_drain(self, *_: str) -> None:
        self.desired = Desired.RESTARTING

    def request_run(self, *_: str) -> None:
        self.desired = Desired.RUNNING

    def applications(self, tags: Sequence[str] = ()) -> list[Application]:
        return list(self.live.values())

    def application(self, name: str) -> Application:
        self.comes.get("drain", lambda: None)()
        return replace(self.live[name], state="FINISHED")


@pytest.mark.parametrize("state", [Desired.STOPPED, Desired.PAUSED])
@pytest.mark.parametrize("moment", ["lock", "drain"])
def test_it_is_refused_once_a_person_has_ended_the_stream(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str, state: Desired
) -> None:
    submitted: list[Any] = []
    monkeypatch.setattr(start, "submit", lambda *what: submitted.append(what))
    monkeypatch.setattr(start, "APPEARS_WITHIN_S", 0.0)
    around = Surroundings([OLD])
    asks = {Desired.STOPPED: around.request_stop, Desired.PAUSED: around.request_pause}
    around.comes[moment] = asks[state]
    with pytest.raises(ConfigurationError, match=f"it was {state} while it was to start"):
        start.start_stream(
            pipeline,
            pipeline.stream("orders"),
            Path("ecommerce.yaml"),
            Settings(),
            cast("Any", around),
            cast("Any", around),
            lambda _: None,
        )
    assert around.desired is state
    assert submitted == []
