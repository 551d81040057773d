"""A component that hangs costs a page a moment and one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cdc.errors import UnavailableError
from cdc_airflow.dashboard.readings import Readings


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_is_kept_until_it_is_too_old() -> None:
    answers = iter(range(10))
    readings = Readings()
    first = readings.get("k", lambda: next(answers), 60)
    assert (first.value, first.problem) == (0, "")
    assert first.at is not None
    assert readings.get("k", lambda: next(answers), 60) == first
    assert readings.get("k", lambda: next(answers), 0).value == 1


def test_a_question_that_hangs_is_asked_once_and_not_waited_for(hanging: threading.Event) -> None:
    asked: list[int] = []

    def question() -> str:
        asked.append(1)
        hanging.wait(20)
        return "late"

    readings = Readings(patience_s=0.05)
    began = time.monotonic()
    for _ in range(5):
        found = readings.get("k", question, 0)
        assert found.value is None
        assert "no answer for" in found.problem
    assert time.monotonic() - began < 5
    assert len(asked) == 1


def test_an_error_is_a_sentence_beside_the_older_answer() -> None:
    def fail() -> str:
        raise UnavailableError("Kafka does not answer")

    readings = Readings()
    good = readings.get("k", lambda: "good", 0)
    bad = readings.get("k", fail, 0)
    assert (bad.value, bad.at) == ("good", good.at)
    assert "Kafka does not answer" in bad.problem


def test_different_questions_are_asked_side_by_side(hanging: threading.Event) -> None:
    readings = Readings(patience_s=0.3)
    readings.ask("slow", lambda: hanging.wait(20), 0)
    assert readings.get("quick", lambda: "here", 0).value == "here"
