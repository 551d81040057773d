"""The one list of a sink table's columns."""

import pytest

from cdc.ddl.columns import quote_ch, quote_ch_string, sink_columns, view_columns
from cdc.spec import Pipeline
from cdc.spec.definitions import definition_of, redefined


def test_the_order_is_source_derived_flags_processed_lineage(pipeline: Pipeline) -> None:
    columns = sink_columns(pipeline.table("customers"))
    kinds = [column.kind for column in columns]
    assert kinds[0] == "key"
    assert list(dict.fromkeys(kinds)) == ["key", "source", "derived", "null_flag", "processed", "lineage"]
    assert [c.name for c in columns if c.kind == "null_flag"] == ["_is_null__tags"]
    assert [c.of for c in columns if c.kind == "null_flag"] == ["tags"]


def test_readers_see_the_source_columns_first_and_no_machinery(pipeline: Pipeline) -> None:
    table = pipeline.table("orders_fact")
    names = [column.name for column in view_columns(table)]
    assert names[: len(table.columns)] == [column.name for column in table.columns]
    assert names[len(table.columns) :] == [
        "net_amount", "processed_at",
        "_version", "_op", "_lsn", "_tx_id", "_source_ts", "_partition", "_offset",
    ]  # fmt: skip


def test_every_type_is_known_to_both_sinks(pipeline: Pipeline) -> None:
    for table in pipeline.tables:
        for column in sink_columns(table):
            assert column.clickhouse
            assert bool(column.warehouse) == (column.kind != "null_flag")


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [("citext", "text", "citext"), ("numeric", "text", "numeric"), ("numeric(12,2)", "numeric(12,2)", "")],
)
def test_keys_that_kafka_tells_apart_are_apart_in_the_warehouse(
    pipeline: Pipeline, kind: str, stored: str, shown: str
) -> None:
    table = pipeline.table("customers")
    columns = [{"name": name, "type": kind, "nullable": False} for name in ("id", "email")]
    key, other = sink_columns(redefined(table, {**definition_of(table), "columns": columns, "derived": []}))[
        :2
    ]
    assert (key.kind, key.warehouse, key.warehouse_shown) == ("key", stored, shown)
    assert (other.kind, other.warehouse, other.warehouse_shown) == ("source", kind, "")


@pytest.mark.parametrize(("name", "quoted"), [("a", "`a`"), ("a`b", "`a\\`b`"), ("a\\", "`a\\\\`")])
def test_identifiers_are_quoted_for_clickhouse(name: str, quoted: str) -> None:
    assert quote_ch(name) == quoted


def test_strings_are_quoted_for_clickhouse() -> None:
    assert quote_ch_string("it's \\") == "'it\\'s \\\\'"


def test_columns_that_were_added_stand_at_the_end_of_the_views(pipeline: Pipeline) -> None:
    table = pipeline.table("customers")
    definition = definition_of(table)
    added = [
        {"name": "points", "type": "integer", "added": True, "default": "7"},
        {"name": "labels", "type": "text[]", "added": True},
        {"name": "notes", "type": "text[]", "added": True, "default": "{}"},
    ]
    grown = redefined(table, {**definition, "columns": [*definition["columns"], *added]})
    before, now = [[column.name for column in view_columns(t)] for t in (table, grown)]
    assert now == [*before, "points", "labels", "notes"]
    defaults = {column.name: column.clickhouse_default for column in sink_columns(grown)}
    assert defaults["points"] == "CAST('7', 'Nullable(Int32)')"
    # Rows from before have NULL in labels and the empty array in notes.
    assert (defaults["_is_null__labels"], defaults["_is_null__notes"]) == ("1", "")
