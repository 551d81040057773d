"""What the policies make of a source table's changes, and what a new build is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import SchemaChangedError
from cdc.model.schema_change import Kind, changes_of
from cdc.model.schema_verdict import rebuilt, verdict, without_vanished
from cdc.model.source_table import FoundColumn, FoundTable, OldRows, followed, relabelled, without_values
from tests.unit.cdc.model.found_tables import AGE, BUILT, ID, NAME, NEW, THEN, declared, now


def test_labels_that_an_enum_gets_later_change_nothing_until_one_is_renamed() -> None:
    mood = FoundColumn("mood", "enum", False, 4, values=("a",), parts={"label 7": "a"})
    table = verdict(declared(), BUILT, now(ID, NAME, AGE, mood)).settled
    built = followed(BUILT, now(ID, NAME, AGE, mood))
    later = now(ID, NAME, AGE, replace(mood, values=("a", "b"), parts={"label 7": "a", "label 8": "b"}))
    assert changes_of(table, built, later) == ()
    renamed = now(ID, NAME, AGE, replace(mood, parts={"label 7": "a", "label 8": "c"}))
    assert changes_of(table, built, renamed) == ()
    (change,) = changes_of(table, relabelled(built, later), renamed)
    assert (change.kind, change.column) == (Kind.RETYPED, "mood")
    assert change.sentence == "public.t.mood: the label 'b' of its enum is 'c' now"


@pytest.mark.parametrize(
    ("column", "default", "reread"),
    [
        (NEW, None, False),
        (replace(NEW, old_rows=OldRows.CONSTANT, constant="7"), "7", False),
        (replace(NEW, old_rows=OldRows.UNKNOWN), None, True),
        (replace(NEW, type="interval", old_rows=OldRows.CONSTANT, constant="P1D"), None, True),
        (replace(NEW, type="text[]", old_rows=OldRows.CONSTANT, constant="{}"), "{}", False),
        (replace(NEW, type="date", old_rows=OldRows.CONSTANT, constant="9999-12-31"), None, True),
        (replace(NEW, not_null=True, old_rows=OldRows.CONSTANT, constant="0"), "0", False),
    ],
)
def test_an_added_column_says_what_old_rows_have(
    column: FoundColumn, default: str | None, reread: bool
) -> None:
    found = verdict(declared(), BUILT, now(ID, NAME, AGE, column))
    added = found.settled.columns[-1]
    assert (added.name, added.nullable, added.added, added.default) == ("new", True, True, default)
    assert found.reread is reread


def test_a_column_declared_before_the_comparison_is_taken_as_an_added_one() -> None:
    columns = [c.model_dump(by_alias=True) for c in declared().columns]
    early = declared(columns=[*columns, {"name": "new", "type": "integer", "nullable": False}])
    constant = replace(NEW, not_null=True, old_rows=OldRows.CONSTANT, constant="1")
    found = verdict(early, BUILT, now(ID, NAME, AGE, constant))
    assert found.settled.columns[-1].default == "1"
    assert verdict(found.settled, BUILT, now(ID, NAME, AGE, constant)).changes == ()


def test_a_dropped_column_stays_and_may_come_back_only_by_a_new_build() -> None:
    found = now(ID, NAME)
    settled = verdict(declared(), BUILT, found).settled
    assert [c.name for c in settled.columns] == ["id", "name", "age"]
    assert [c.name for c in settled.live_columns] == ["id", "name"]
    built = followed(BUILT, found)
    assert changes_of(settled, built, found) == ()
    (change,) = changes_of(settled, built, now(ID, NAME, replace(AGE, number=4)))
    assert change.kind is Kind.REPLACED


def test_one_change_that_blocks_holds_up_the_others() -> None:
    found = verdict(declared(), BUILT, now(ID, replace(NAME, name="title"), AGE, NEW))
    assert [c.kind for c in found.blocking] == [Kind.RENAMED]
    assert found.settled == declared()
    assert "named title now; public.t.new" in found.sentence


def test_policies_park_or_ignore() -> None:
    added, renamed = now(ID, NAME, AGE, NEW), now(ID, replace(NAME, name="title"), AGE)
    parking = declared(schema_changes={"additive": "park"})
    assert [c.kind for c in verdict(parking, BUILT, added).blocking] == [Kind.ADDED]
    ignoring = declared(schema_changes={"additive": "ignore", "other": "ignore"})
    assert verdict(ignoring, BUILT, added).settled.exclude == ("new",)
    settled = verdict(ignoring, BUILT, renamed).settled
    assert (settled.exclude, [c.dropped for c in settled.columns]) == (("title",), [False, True, False])
    rekeyed = verdict(ignoring, BUILT, now(ID, NAME, AGE, key=("name",)))
    assert [c.kind for c in rekeyed.blocking] == [Kind.REKEYED]


def test_an_added_column_that_cannot_be_declared_parks_the_table() -> None:
    found = verdict(declared(), BUILT, now(ID, NAME, AGE, replace(NEW, name="_version")))
    assert [c.kind for c in found.blocking] == [Kind.UNFIT]
    assert "_version" in found.blocking[0].sentence


def test_a_column_that_came_and_went_is_left_out_only_with_a_proof() -> None:
    assert without_vanished(declared(), BUILT, THEN, ["x"]) == declared()
    later = replace(THEN, numbers_used=4)
    assert without_vanished(declared(), BUILT, later, ["x"]).vanished == ("x",)
    assert without_vanished(declared(), BUILT, later, ["age"]) == declared()
    # Number 4 is the added column's, so nothing has vanished.
    with_new = now(ID, NAME, AGE, NEW)
    assert without_vanished(declared(), followed(BUILT, with_new), with_new, ["x"]) == declared()


def test_a_column_that_was_left_out_waits_for_a_new_build_once_it_is_declared() -> None:
    full, without = declared(), declared(columns=declared().columns[:2], exclude=["age"])
    for built in (THEN.built(["age"]), without_values(BUILT, THEN, without.exclude)):
        assert changes_of(without, built, THEN) == ()
        found = verdict(declared(schema_changes={"other": "ignore"}), built, THEN)
        assert [(c.kind, c.column, c.rebuildable) for c in found.blocking] == [(Kind.TAKEN_IN, "age", True)]
        assert "public.t.age was left out until now" in found.sentence
        # Nothing but a new build gives the rows its values.
        assert changes_of(full, without_values(built, THEN, []), THEN) == found.changes
        assert changes_of(full, followed(built, now(ID, NAME, AGE, NEW)), THEN) == found.changes
        new = rebuilt(full, built, THEN)
        assert changes_of(new, THEN.built(new.exclude), THEN) == ()


@pytest.mark.parametrize(
    ("found", "policy"),
    [
        (now(ID, NAME, AGE, NEW), {"additive": "ignore"}),
        (now(ID, NAME, AGE, replace(NEW, refusal="has …")), {"other": "ignore"}),
        (now(ID, NAME, replace(AGE, name="new")), {"other": "ignore"}),
    ],
)
def test_a_column_that_a_policy_left_out_is_not_held_either(
    found: FoundTable, policy: dict[str, str]
) -> None:
    settled = verdict(declared(schema_changes=policy), BUILT, found).settled
    assert settled.exclude == ("new",)
    built = followed(BUILT, found, settled.exclude)
    assert {name for name, column in built.columns.items() if not column.held} == {"new"}
    entry = {"name": "new", "type": "integer"}
    kept = [c.model_dump(by_alias=True) for c in settled.columns]
    fit = replace(found, columns=tuple(replace(c, refusal="") for c in found.columns))
    taken_in = declared(columns=[*kept, entry])
    assert (Kind.TAKEN_IN, "new") in [(c.kind, c.column) for c in changes_of(taken_in, built, fit)]


def test_a_column_that_vanished_is_followed_once_one_of_that_name_is_there() -> None:
    passed = without_vanished(declared(), BUILT, now(ID, NAME, AGE, numbers_used=4), ["new"])
    assert (passed.vanished, passed.exclude) == (("new",), ())
    back = now(ID, NAME, AGE, replace(NEW, number=5, old_rows=OldRows.CONSTANT, constant="7"))
    found = verdict(passed, followed(BUILT, now(ID, NAME, AGE, numbers_used=4)), back)
    assert [(c.kind, c.column) for c in found.changes] == [(Kind.ADDED, "new")]
    assert (found.settled.vanished, found.settled.live_columns[-1].name) == ((), "new")
    assert found.reread


def test_rows_are_read_again_when_the_added_column_may_be_a_second_one_of_its_name() -> None:
    """An event that has a value may have that of the first, which was dropped."""
    assert not verdict(declared(), BUILT, now(ID, NAME, AGE, NEW)).reread
    second = verdict(declared(), BUILT, now(ID, NAME, AGE, replace(NEW, number=5)))
    assert second.reread
    assert "rows from before are read at the source" in second.sentence
    later = now(ID, NAME, AGE, NEW, replace(NEW, name="other", number=6))
    assert {c.name: c.default for c in verdict(declared(), BUILT, later).settled.columns}["new"] is None


def test_a_column_that_was_left_out_is_none_that_was_added_by_another_name_either() -> None:
    built = without_values(BUILT, THEN, ["age"])
    renamed = now(ID, NAME, replace(AGE, name="years"))
    entries = [c.model_dump(by_alias=True) for c in declared().columns[:2]]
    without = declared(columns=entries, exclude=["age"])
    (found,) = verdict(without, built, renamed).blocking
    assert (found.kind, found.column) == (Kind.UNFIT, "years")
    assert "public.t.age, which is left out, is named years now" in found.sentence
    assert verdict(declared(columns=entries, exclude=["age", "years"]), built, renamed).changes == ()
    years = declared(columns=[*entries, {"name": "years", "type": "integer"}])
    for known in (built, followed(built, renamed), followed(built, now(*renamed.columns, NEW), ["age"])):
        assert [(c.kind, c.column) for c in changes_of(years, known, renamed)] == [(Kind.TAKEN_IN, "years")]


def test_a_column_that_is_declared_by_its_new_name_is_built_anew_with_what_was_said_of_it() -> None:
    entries = [c.model_dump(by_alias=True) for c in declared().columns[:2]]
    years = declared(columns=[*entries, {"name": "years", "type": "integer", "as": "text"}])
    renamed = now(ID, NAME, replace(AGE, name="years"))
    assert [(c.kind, c.column) for c in changes_of(years, BUILT, renamed)] == [(Kind.TAKEN_IN, "years")]
    assert {c.name: c.as_ for c in rebuilt(years, BUILT, renamed).columns}["years"] == "text"


def test_a_name_that_comes_back_to_its_column_waits_for_a_new_build() -> None:
    ignoring = declared(schema_changes={"other": "ignore"})
    renamed = now(ID, NAME, replace(AGE, name="years"))
    settled = verdict(ignoring, BUILT, renamed).settled
    built = followed(BUILT, renamed, settled.exclude)
    (found,) = verdict(settled, built, THEN).blocking
    assert (found.kind, found.column) == (Kind.TAKEN_IN, "age")
    assert [c.name for c in rebuilt(settled, built, THEN).live_columns] == ["id", "name", "age"]


def test_only_what_came_and_went_since_the_last_look_makes_old_rows_unknown() -> None:
    second = now(ID, NAME, AGE, replace(NEW, number=5))
    third = now(*second.columns, replace(NEW, name="other", number=6))
    table = verdict(declared(), BUILT, second).settled
    assert not verdict(table, followed(BUILT, second), third).reread


def test_a_new_build_reads_at_the_source_what_no_event_had() -> None:
    """The connector leaves these columns out until it is told otherwise."""
    types = {"twice": "integer", "at": "time with time zone", "grid": "text[][]", "plain": "integer"}
    entries = [{"name": "id", "type": "integer", "nullable": False}]
    entries += [{"name": n, "type": t, "from": "source" if n == "twice" else None} for n, t in types.items()]
    found = [FoundColumn(n, t.replace("[][]", "[]"), False, i) for i, (n, t) in enumerate(types.items(), 2)]
    built = now(ID, *found).built()
    anew = {"at": "time without time zone", "plain": "bigint"}
    changed = now(ID, *(replace(c, type=anew.get(c.name, c.type)) for c in found))
    new = {c.name: c for c in rebuilt(declared(columns=entries), built, changed).columns}
    assert {name for name, column in new.items() if column.from_source} == {"twice", "at", "grid"}
    assert (new["grid"].type, new["at"].type) == ("text[][]", "time without time zone")
    wider = now(ID, *(replace(c, type="text[][][]" if c.name == "grid" else c.type) for c in found))
    assert "text[][][]" in {c.type for c in rebuilt(declared(columns=entries), built, wider).columns}


def test_a_generated_column_that_is_not_published_is_read_at_the_source() -> None:
    virtual = replace(NEW, unpublished=True, old_rows=OldRows.UNKNOWN)
    found = verdict(declared(), BUILT, now(ID, NAME, AGE, virtual))
    assert (found.reread, found.settled.unsent) == (True, frozenset({"new"}))
    assert rebuilt(declared(), BUILT, now(ID, NAME, AGE, virtual)).unsent == {"new"}


def test_a_new_build_takes_the_source_as_it_is_and_keeps_what_was_said_about_it() -> None:
    said = declared(
        exclude=["secret"],
        event_time="made_at",
        derived=[{"name": "d", "type": "text"}],
        columns=[
            {"name": "id", "type": "integer", "nullable": False},
            {"name": "name", "type": "text", "as": "text", "nullable": False},
            {"name": "age", "type": "integer"},
            {"name": "made_at", "type": "timestamptz"},
        ],
    )
    secret = FoundColumn("secret", "varbit", False, 5, refusal="has column 'secret'")
    title = replace(NAME, name="title")
    made = rebuilt(said, BUILT, now(replace(ID, type="bigint"), title, secret))
    assert [(c.name, c.type, c.nullable, c.as_) for c in made.columns] == [
        ("id", "bigint", False, None),
        ("title", "text", False, "text"),
    ]
    assert (made.key, made.exclude, made.event_time) == (("id",), ("secret",), None)
    assert made.derived == said.derived
    with pytest.raises(SchemaChangedError, match="secret"):
        rebuilt(declared(), BUILT, now(ID, secret, oid=7))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Additions and removals of columns beside the key, as a person makes them."""
    return draw(st.lists(st.tuples(st.sampled_from(["add", "drop"]), st.integers(0, 5)), max_size=12))


@given(histories(), st.booleans())
def test_whatever_is_added_and_dropped_is_followed_step_by_step_or_at_once(
    history: list[tuple[str, int]], often: bool
) -> None:
    """The sinks' table has the source's columns in the end, or a name that came back blocks."""
    table, built, columns, used = declared(), BUILT, [ID, NAME, AGE], 3
    names: set[str] = {"id", "name", "age"}
    came_back = False

    def follow(found: FoundTable) -> None:
        nonlocal table, built, came_back
        told = verdict(table, built, found)
        came_back |= bool(told.blocking)
        if not told.blocking:
            table, built = told.settled, followed(built, found)

    for action, number in history:
        name = f"c{number}"
        if action == "add" and name not in {c.name for c in columns}:
            used += 1
            columns = [*columns, FoundColumn(name, "integer", False, used)]
            names.add(name)
        elif action == "drop":
            columns = [c for c in columns if c.name != name]
        if often:
            follow(now(*columns, numbers_used=used))
    found = now(*columns, numbers_used=used)
    follow(found)
    if not came_back:
        assert {c.name for c in table.live_columns} == {c.name for c in columns}
        assert changes_of(table, built, found) == ()
    assert all(c.nullable for c in table.columns if c.optional)
