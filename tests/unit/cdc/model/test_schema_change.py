"""What became of a source table, told from PostgreSQL's numbers."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from cdc.model.schema_change import Kind, changes_of
from cdc.model.source_table import BuiltFrom, FoundColumn, FoundTable, without_values
from cdc.spec import TableSpec
from tests.unit.cdc.model.found_tables import AGE, BUILT, ID, NAME, NEW, THEN, declared, now


def kinds(
    found: FoundTable | None, table: TableSpec | None = None, moved_to: str = ""
) -> list[tuple[Kind, str]]:
    return [(c.kind, c.column) for c in changes_of(table or declared(), BUILT, found, moved_to)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (THEN, []),
        (now(ID, NAME, AGE, NEW), [(Kind.ADDED, "new")]),
        (now(ID, NAME), [(Kind.DROPPED, "age")]),
        (now(ID, replace(NAME, not_null=False), AGE), [(Kind.NULLABLE, "name")]),
        (now(ID, NAME, replace(AGE, not_null=True)), []),
        (now(ID, replace(NAME, name="title"), AGE), [(Kind.RENAMED, "name")]),
        (now(ID, NAME, replace(AGE, type="bigint")), [(Kind.RETYPED, "age")]),
        (now(ID, NAME, replace(AGE, type="int4")), []),
        (now(ID, NAME, replace(AGE, number=4)), [(Kind.REPLACED, "age")]),
        (now(ID, AGE, NEW), [(Kind.DROPPED, "name"), (Kind.ADDED, "new")]),
        (now(ID, NAME, AGE, replace(NEW, refusal="has …")), [(Kind.UNFIT, "new")]),
        (now(ID, NAME, AGE, key=("id", "name")), [(Kind.REKEYED, "")]),
        (now(ID, NAME, AGE, oid=101), [(Kind.RECREATED, "")]),
        (None, [(Kind.GONE, "")]),
    ],
)
def test_changes_are_told_apart(found: FoundTable | None, expected: list[tuple[Kind, str]]) -> None:
    assert kinds(found) == expected


def test_a_renamed_table_is_found_by_its_number() -> None:
    assert kinds(None, moved_to="public.u") == [(Kind.MOVED, "")]
    (change,) = changes_of(declared(), BUILT, replace(THEN, oid=101), "public.u")
    assert change.sentence == "public.t was dropped and created again, and the old one is named public.u"


def test_two_columns_that_swap_their_names_are_both_renamed() -> None:
    swapped = now(ID, replace(NAME, name="age"), replace(AGE, name="name"))
    assert kinds(swapped) == [(Kind.RENAMED, "name"), (Kind.RENAMED, "age")]


@pytest.mark.parametrize(
    ("parts", "changed"),
    [
        ({"attribute 5.1": "23 -1", "attribute 5.2": "25 -1"}, False),
        ({"attribute 5.1": "23 -1"}, True),
        ({"attribute 5.1": "23 -1", "attribute 5.2": "20 -1"}, True),
        ({"attribute 5.1": "23 -1", "attribute 5.2": "25 -1", "attribute 5.3": "23 -1"}, True),
        ({"label 7": "a"}, True),
    ],
)
def test_attributes_that_a_composite_gets_or_loses_change_what_old_rows_print(
    parts: dict[str, str], changed: bool
) -> None:
    then = {"attribute 5.1": "23 -1", "attribute 5.2": "25 -1"}
    pair = FoundColumn("age", "other", False, 3, parts=then)
    built = now(ID, NAME, pair).built()
    found = changes_of(declared(), built, now(ID, NAME, replace(pair, parts=parts)))
    assert [(c.kind, c.column) for c in found] == [(Kind.RETYPED, "age")] * changed


def test_what_was_remembered_before_parts_were_says_nothing_of_them() -> None:
    mood = FoundColumn("age", "enum", False, 3, parts={"label 7": "a"})
    document = asdict(now(ID, NAME, mood).built())
    del document["columns"]["age"]["parts"]
    renamed = now(ID, NAME, replace(mood, parts={"label 7": "b"}))
    assert changes_of(declared(), BuiltFrom.from_document(document), renamed) == ()


def test_a_replica_identity_by_which_events_name_false_rows_blocks_in_the_mode_that_needs_it() -> None:
    found = now(ID, NAME, AGE, misleading={"rows": "logs no key", "changelog": ""})
    (change,) = changes_of(declared(), BUILT, found)
    assert (change.kind, change.sentence) == (Kind.MISLEADING, "public.t logs no key")
    assert not change.ignorable
    assert not change.rebuildable
    assert changes_of(declared(key=[], mode="changelog"), BUILT, found) == ()


def test_what_cannot_be_captured_any_more_blocks_beside_whatever_else_has_changed() -> None:
    said = {"rows": "is unlogged", "changelog": ""}
    for found, more in (
        (now(ID, NAME, AGE, uncapturable=said), []),
        (now(ID, NAME, AGE, NEW, uncapturable=said), [Kind.ADDED]),
        (now(ID, NAME, AGE, oid=101, uncapturable=said), [Kind.RECREATED]),
    ):
        first, *others = changes_of(declared(), BUILT, found)
        assert (first.kind, first.sentence) == (Kind.UNCAPTURABLE, "public.t is unlogged")
        assert not first.ignorable
        assert not first.rebuildable
        assert [change.kind for change in others] == more
    assert changes_of(declared(key=[], mode="changelog"), BUILT, now(ID, NAME, AGE, uncapturable=said)) == ()


def test_a_type_that_a_column_had_between_two_looks_waits_for_a_new_build_beside_what_is_seen() -> None:
    built = BuiltFrom.from_document(asdict(replace(BUILT, doubted=("age",))))
    doubted, added = changes_of(declared(), built, now(ID, NAME, AGE, NEW))
    assert (doubted.kind, added.kind) == (Kind.DOUBTED, Kind.ADDED)
    assert doubted.sentence.startswith("public.t: age may have had another type for a while")
    assert doubted.rebuildable
    assert not doubted.ignorable
    remembered_before = {key: value for key, value in asdict(BUILT).items() if key != "doubted"}
    assert BuiltFrom.from_document(remembered_before) == BUILT


def test_a_mistake_in_the_pipeline_file_is_no_change_of_the_source() -> None:
    wrong = declared(
        columns=[
            {"name": "id", "type": "bigint", "nullable": False},
            {"name": "name", "type": "text", "nullable": False},
            {"name": "nobody", "type": "text"},
        ]
    )
    assert changes_of(wrong, BUILT, THEN) == ()


def test_a_column_that_was_left_out_as_soon_as_it_was_added_is_not_taken_in_as_an_added_one() -> None:
    found = now(ID, NAME, AGE, NEW)
    assert changes_of(declared(exclude=["new"]), BUILT, found) == ()
    built = without_values(BUILT, found, ["new"])
    columns = [*(c.model_dump(by_alias=True) for c in declared().columns), {"name": "new", "type": "integer"}]
    assert [c.kind for c in changes_of(declared(columns=columns), built, found)] == [Kind.TAKEN_IN]
