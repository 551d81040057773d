"""What was made of a table comes into the pipeline file, whose other lines stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdc.errors import ConfigurationError
from cdc.services.schema_file import rewritten, write_definition
from cdc.spec import TableSpec, load_pipeline
from cdc.spec.definitions import definition_of, redefined

SAMPLE = Path(__file__).parents[4] / "include" / "pipelines" / "ecommerce.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "ecommerce.yaml"
    copy.write_text(SAMPLE.read_text())
    return copy


def changed(name: str, **columns: Any) -> TableSpec:
    """The sample's table with other, new or no columns of these names."""
    table = load_pipeline(SAMPLE).table(name)
    kept = {c.name: c.model_dump(by_alias=True) for c in table.columns}
    for column, change in columns.items():
        if change is None:
            del kept[column]
        else:
            kept[column] = {**kept.get(column, {"name": column}), **change}
    return redefined(table, {**definition_of(table), "columns": list(kept.values())})


@pytest.mark.parametrize("name", ["customers", "products", "orders_fact", "order_items"])
def test_an_added_and_a_dropped_column_change_one_line_each(file: Path, name: str) -> None:
    last = load_pipeline(SAMPLE).table(name).columns[-1]
    table = changed(
        name,
        city={"type": "text", "added": True, "default": 'it\'s: a "city"'},
        **{last.name: {"nullable": True, "dropped": True}},
    )
    assert write_definition(file, table)
    assert definition_of(load_pipeline(file).table(table.source)) == definition_of(table)
    before, after = SAMPLE.read_text().splitlines(), file.read_text().splitlines()
    assert len(after) == len(before) + 1
    assert len(set(before) - set(after)) <= 1
    assert not write_definition(file, table)


def test_a_new_build_changes_names_types_and_key(file: Path) -> None:
    table = changed("products", sku=None, code={"type": "bigint", "nullable": False})
    table = table.model_copy(update={"key": ("code",), "exclude": ("secret",), "vanished": ("gone",)})
    assert write_definition(file, table)
    now = load_pipeline(file).table("products")
    assert (now.key, now.exclude) == (("code",), ("secret",))
    # What has vanished is nothing for a person to keep.
    assert definition_of(now) == definition_of(table.model_copy(update={"vanished": ()}))
    assert load_pipeline(file).table("customers") == load_pipeline(SAMPLE).table("customers")


def test_a_file_that_cannot_be_rewritten_line_by_line_is_left_alone(file: Path) -> None:
    text = file.read_text().replace("    key: [id]\n    columns:", "    columns:", 1)
    text = text.replace("    derived:\n", "    key: [id]\n    derived:\n", 1)
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="key before its columns"):
        write_definition(file, changed("customers", city={"type": "text", "added": True}))
    assert file.read_text() == text


def test_the_text_of_an_unchanged_table_stays_as_it_is() -> None:
    text = SAMPLE.read_text()
    for table in load_pipeline(SAMPLE).tables:
        assert rewritten(text, table) == text
