"""A table without a key says how its events are kept."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cdc.ddl.columns import rows_of_view, sink_columns, view_columns
from cdc.spec import TableSpec

COLUMNS = [{"name": "at", "type": "bigint", "nullable": False}, {"name": "_diff2", "type": "integer[]"}]


def table(**fields: Any) -> TableSpec:
    return TableSpec.model_validate({"source": "public.visits", "columns": COLUMNS, **fields})


def test_a_changelog_is_told_apart_by_coordinates() -> None:
    assert table(mode="changelog").identity == ("_generation", "_partition", "_offset", "_diff")
    assert table(key=["at"]).identity == ("at",)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {},
            "has no key, by which .*: .*ADD PRIMARY KEY.*mode: changelog.*leave the table out",
        ),
        ({"mode": "changelog", "key": ["at"]}, "key is not used with mode: changelog"),
        ({"mode": "append"}, "rows"),
        (
            {"mode": "changelog", "columns": [{"name": "_diff", "type": "integer"}]},
            "_diff have a name that the platform's own lineage columns use",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_choices(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        table(**fields)


def test_a_column_of_rows_may_be_called_diff() -> None:
    made = table(key=["at"], columns=[*COLUMNS, {"name": "_diff", "type": "integer"}])
    assert "_diff" in [column.name for column in view_columns(made)]


def test_every_column_of_a_changelog_takes_null_and_there_is_no_tombstone() -> None:
    columns = {column.name: column for column in sink_columns(table(mode="changelog"))}
    assert columns["at"].clickhouse == "Nullable(Int64)"
    assert "_is_deleted" not in columns
    assert [c.name for c in view_columns(table(mode="changelog"))][-2:] == ["_offset", "_diff"]
    assert rows_of_view(table(mode="changelog")) == "coalesce(sum(_diff), 0)"
    assert rows_of_view(table(key=["at"])) == "count(*)"
