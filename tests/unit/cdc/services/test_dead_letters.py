"""What a person is told of a dead letter, and what a replay covers."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cdc.cli import render
from cdc.ops import DeadLetter
from cdc.services.dead_letters import (
    advice,
    as_document,
    readable,
    replay_arguments,
    replay_report,
    streams_to_replay,
)
from cdc.spec import Pipeline

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def letter(error_class: str = "RefusedError", **more: object) -> DeadLetter:
    values = {
        "timestamp": NOW, "key": b'{"id": 1}', "value": b"\xff\x00", "error_class": error_class,
        "message": "[bold]no[/bold]", "failed_at": NOW, **more,
    }  # fmt: skip
    return DeadLetter("p", "s", "warehouse", "p.s.warehouse", "x", "t.public.x", 2, 77, **values)  # type: ignore[arg-type]


def shown(renderable: object) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (None, "(none)"),
        (b'{"a":"\xc5\x81"}', '{\n  "a": "Ł"\n}'),
        (b"plain", "plain"),
        (b"\xff{", "\\xff{"),
    ],
)
def test_bytes_are_shown_as_a_person_reads_them(raw: bytes | None, text: str) -> None:
    assert readable(raw) == text


def test_each_kind_of_error_has_its_advice() -> None:
    kinds = ("RefusedError", "SchemaChangedError", "DataError", "SomethingElse")
    assert len({advice(letter(kind)) for kind in kinds}) == 4
    assert all("then replay" in advice(letter(kind)) for kind in kinds)
    assert advice(letter(replayed_at=NOW)) == "nothing: it was written by a replay"
    given_up = letter(replayed_at=NOW, discarded="not an event")
    assert advice(given_up) == "nothing: it was discarded, not an event"
    assert "(discarded: not an event)" in shown(render.dead_letters([given_up], {("x", "warehouse"): 1}))


def test_what_nothing_can_mend_can_be_given_up() -> None:
    assert "cdc dead-letters discard" in advice(letter("DataError"))


def test_a_document_is_json_whatever_the_bytes() -> None:
    document = json.loads(json.dumps(as_document(letter())))
    assert (document["value"], document["offset"], document["replayed_at"]) == ("\\xff\x00", 77, None)


def test_a_message_is_never_markup() -> None:
    assert "[bold]no[/bold]" in shown(render.dead_letters([letter()], {("x", "warehouse"): 1}))
    assert "[bold]no[/bold]" in shown(render.dead_letter(letter()))


def test_a_list_that_is_cut_says_so() -> None:
    assert "7 dead letter(s), the first 1" in shown(render.dead_letters([letter()], {("x", "warehouse"): 7}))


def test_a_replay_covers_the_streams_with_open_letters(pipeline: Pipeline) -> None:
    waiting = {("order_items", "warehouse"): 3, ("customers", "clickhouse"): 1, ("dropped", "warehouse"): 1}
    assert streams_to_replay(pipeline, waiting) == {"customers": ["customers"], "orders": ["order_items"]}
    assert replay_arguments(["a", "b"], None) == ("--replay-dead-letters", "--tables", "a,b")
    assert replay_arguments(["a"], "warehouse")[-2:] == ("--sinks", "warehouse")


def test_a_report_tells_what_was_written_and_what_is_left() -> None:
    before = {("a", "w"): 5, ("b", "w"): 2}
    report = replay_report(before, {("a", "w"): 2, ("c", "w"): 9})
    assert report.sentences == ["a → w: 3 written, 2 still open", "b → w: 2 written, 0 still open"]
    assert report.left == {("a", "w"): 2}
    assert json.loads(report.to_json())[1] == {"table": "b", "sink": "w", "replayed": 2, "open": 0}
