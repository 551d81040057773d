"""What a backfill or replay is about, and in which pieces it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.bounded_run import (
    BoundedRun,
    RunKind,
    Scope,
    key_of,
    refuse_new_build,
    refuse_resume,
    scope_of,
    slices,
)

AT = datetime(2026, 1, 2, tzinfo=UTC)
RUN = BoundedRun(
    UUID(int=1), "shop", "orders", RunKind.BACKFILL, {}, ["warehouse"], "running", AT, AT, 2000, 1500
)


def test_a_key_is_the_value_itself_or_a_list_of_several() -> None:
    assert key_of("", ["id"]) == ()
    assert key_of("[1]", ["id"]) == ("[1]",)
    assert key_of('[5, "a b", null, true]', ["a", "b", "c", "d"]) == ("5", "a b", "null", "true")
    for wrong in ("5", "[1, 2, 3]", "[1", '{"a": 1}'):
        with pytest.raises(
            ConfigurationError, match=r"a value for each of order_id, line_no, such as \[1, 1\]"
        ):
            key_of(wrong, ["order_id", "line_no"])


def test_a_form_takes_what_belongs_to_its_scope() -> None:
    assert scope_of("everything", ["id"], "", "", " ") == Scope()
    assert scope_of("key range", ["id"], "", "9", "") == Scope(ends=("9",))
    assert scope_of("condition", ["id"], "", "", " id > 1 ") == Scope(condition="id > 1")
    with pytest.raises(ConfigurationError, match="'everything' with where; expected nothing else"):
        scope_of("everything", ["id"], "", "", "id > 1")
    with pytest.raises(
        ConfigurationError, match="'key range' with nothing else; expected from_key or until_key"
    ):
        scope_of("key range", ["id"], "", "", "")
    with pytest.raises(ConfigurationError, match="'condition' with from_key, where; expected where"):
        scope_of("condition", ["id"], "1", "", "id > 1")


def test_a_scope_survives_its_document_and_says_what_it_is() -> None:
    scope = Scope(("1", "a"), ("2", "b"), "x")
    assert Scope.from_document(scope.as_document()) == scope
    assert scope.sentence == "from 1, a until 2, b where x"
    assert Scope().sentence == "every row"


def test_progress_is_a_sentence() -> None:
    assert RUN.sentence == "backfill of orders into warehouse: running, 1,500 of about 2,000 rows"
    ended = replace(RUN, kind=RunKind.REPLAY, state="done", bad=2)
    assert ended.sentence == "replay of orders into warehouse: done, 1,500 events, 2 did not fit"


def test_which_part_a_run_is_about_is_a_sentence() -> None:
    assert RUN.part == "every row"
    some = {"method": "snapshot", **Scope(("1",), condition="x").as_document()}
    assert replace(RUN, window=some).part == "from 1 where x, by a snapshot"
    events = replace(RUN, kind=RunKind.REPLAY, window={"from": "earliest", "until": "latest"})
    assert events.part == "events from earliest until latest"
    assert replace(RUN, kind=RunKind.RESYNC).part == "every row"


def test_a_run_that_is_silent_for_an_hour_was_killed() -> None:
    assert not RUN.broken_off(AT + timedelta(minutes=59))
    assert RUN.broken_off(AT + timedelta(minutes=60))
    assert not replace(RUN, state="done").broken_off(AT + timedelta(days=1))


@given(
    st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=4),
    st.integers(1, 300),
)
def test_slices_cover_the_stretch_once_and_in_order(parts: dict[int, tuple[int, int]], most: int) -> None:
    since = {p: begin for p, (begin, _) in parts.items()}
    until = {p: begin + length for p, (begin, length) in parts.items()}
    at = dict(since)
    for begin, end in slices(since, until, most):
        assert begin == {p: at[p] for p in begin}
        assert set(begin) == set(end)
        assert sum(end[p] - begin[p] for p in begin) <= max(most, len(begin))
        assert all(end[p] > begin[p] for p in begin)
        at |= end
    assert at == until


def test_a_table_is_not_resumed_while_a_resync_of_it_runs() -> None:
    resync = replace(RUN, kind=RunKind.RESYNC)
    with pytest.raises(ConfigurationError, match=r"orders is being read anew by a resync .*comes back"):
        refuse_resume("orders", [RUN, resync], AT + timedelta(minutes=59))
    refuse_resume("orders", [RUN, replace(resync, state="failed"), replace(resync, state="done")], AT)
    refuse_resume("customers", [resync], AT)


def test_a_table_is_not_built_anew_while_a_replay_of_it_runs() -> None:
    replay = replace(RUN, kind=RunKind.REPLAY)
    with pytest.raises(UnavailableError, match="orders cannot be built anew yet"):
        refuse_new_build("orders", [replay])
    refuse_new_build("customers", [replay])
    refuse_new_build("orders", [replace(RUN, kind=RunKind.RESYNC)])


def test_a_resync_that_was_killed_is_in_nobody_s_way() -> None:
    refuse_resume("orders", [replace(RUN, kind=RunKind.RESYNC)], AT + timedelta(hours=1))
