"""What the sinks were built from, as it is remembered."""

from __future__ import annotations

from dataclasses import replace

from cdc.model.source_table import BuiltFrom, followed, still_without, without_values
from tests.unit.cdc.model.found_tables import AGE, BUILT, ID, NAME, NEW, THEN, now


def test_what_is_left_out_while_others_judge_or_build_stays_known() -> None:
    marked = without_values(BUILT, THEN, ["age"])
    assert followed(marked, now(ID, NAME, AGE, NEW)).columns["age"] == marked.columns["age"]
    assert still_without(BUILT, marked).columns["age"] == marked.columns["age"]
    assert still_without(now(ID, NAME, replace(AGE, number=4)).built(), marked).columns["age"].held
    assert still_without(replace(BUILT, oid=101), marked).columns["age"].held
    assert still_without(BUILT, marked, {"age"}).columns["age"].held
    back = without_values(marked, THEN, [])
    assert (back.columns["age"].left_out, back.columns["age"].held) == (False, False)


def test_what_was_built_survives_its_json_form() -> None:
    document = {
        "oid": 100,
        "key": ["id"],
        "columns": {"id": {"number": 1, "type": "integer", "not_null": True, "parts": {}}},
        "numbers_used": 3,
    }
    assert BuiltFrom.from_document(document).columns["id"] == BUILT.columns["id"]
