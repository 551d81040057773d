"""Entries are appended to a pipeline file as a person would, and nothing else changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cdc.clients.yarn import ClusterMetrics
from cdc.errors import ConfigurationError, SpecError
from cdc.services.capturable import differences, entry, refusal
from cdc.services.catalogue import SourceColumn, SourceTable
from cdc.services.discover import (
    check_memory,
    read_at_source,
    render,
    take_topic,
    with_own_name,
    write_entries,
)
from cdc.spec import Pipeline, TableSpec, load_pipeline

SAMPLE = Path(__file__).parents[4] / "include" / "pipelines" / "ecommerce.yaml"
COLUMNS = (
    SourceColumn("id", "bigint", True, False),
    SourceColumn("mood", "enum", False, False, ("happy: yes", "sad, no", "null"), "public.mood"),
    SourceColumn("yes", "numeric(12,2)[]", False, False),
)


def table(**changes: Any) -> SourceTable:
    fields: dict[str, Any] = {
        "schema": "public", "name": "reviews", "kind": "r", "persistence": "p", "rows_hidden": False,
        "has_children": False, "owner": "shop", "key": ("id",), "columns": COLUMNS,
    }  # fmt: skip
    return SourceTable(**fields | changes)


def test_every_line_is_kept_and_the_new_tables_load(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    before = SAMPLE.read_text(encoding="utf-8")
    path.write_text(before, encoding="utf-8")
    other = table(schema="sales", name="My Table")
    write_entries(path, [entry(table()), entry(other, "shared")])
    after = path.read_text(encoding="utf-8")
    kept = iter(after.splitlines())
    assert all(line in kept for line in before.splitlines())
    pipeline = load_pipeline(path)
    assert [t.source for t in pipeline.tables[4:]] == ["public.reviews", 'sales."My Table"']
    assert pipeline.table("public.reviews").columns[1].values == ("happy: yes", "sad, no", "null")
    assert [c.name for c in pipeline.table("public.reviews").columns] == ["id", "mood", "yes"]
    assert pipeline.tables[5].stream == "shared"
    assert "      - {name: id, type: bigint, nullable: false}\n" in after
    assert after.index("reviews") < after.index("environments:")


def test_an_entry_that_would_break_the_file_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(SAMPLE.read_bytes())
    with pytest.raises(SpecError, match="used twice"):
        write_entries(path, [entry(table(name="customers"))])
    assert path.read_bytes() == SAMPLE.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_whose_tables_come_last(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    text = SAMPLE.read_text(encoding="utf-8")
    path.write_text(text[: text.index("environments:")].rstrip(), encoding="utf-8")
    write_entries(path, [entry(table())])
    assert load_pipeline(path).tables[-1].name == "reviews"


def test_entries_are_printed_as_yaml() -> None:
    assert render([entry(table())]).splitlines()[:3] == [
        "- source: public.reviews", "  key: [id]", "  columns:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "v"}, "is a view"),
        ({"partition_of": "public.events"}, "is a partition of public.events: capture that table"),
        ({"key_deferrable": True}, "make the key NOT DEFERRABLE"),
        ({"replica_identity": "n"}, "REPLICA IDENTITY NOTHING"),
        ({"identity_has_key": False}, "a deleted row's key is not logged"),
        ({"persistence": "u"}, "is unlogged"),
        ({"key": ()}, "ADD PRIMARY KEY), append every event with mode: changelog"),
        ({"rows_hidden": True}, "row level security"),
        ({"has_children": True}, "is inherited by other tables"),
        (
            {"columns": (*COLUMNS, SourceColumn("YES", "text", False, False))},
            "columns that differ only in case ('yes', 'YES')",
        ),
        (
            {"columns": (*COLUMNS, SourceColumn("cash", "int2vector", False, False))},
            "has column 'cash': type 'int2vector'",
        ),
        (
            {"key": ("at",), "columns": (*COLUMNS, SourceColumn("at", "timetz", True, False))},
            "has key column 'at', by which no event can name its row: Debezium moves every value to UTC",
        ),
        (
            {"key": ("sum",), "columns": (*COLUMNS, SourceColumn("sum", "bigint", True, True))},
            "generated column that PostgreSQL does not publish",
        ),
    ],
)
def test_what_cannot_be_captured_is_refused_with_the_reason(changes: dict[str, Any], said: str) -> None:
    assert refusal(table()) is None
    assert said in (refusal(table(**changes)) or "")


@pytest.mark.parametrize("key", [(), ("id",)])
def test_a_changelog_needs_no_key_but_the_rows_before_a_change(key: tuple[str, ...]) -> None:
    assert refusal(table(key=key, replica_identity="f", key_deferrable=True), changelog=True) is None
    said = refusal(table(key=key, name='a "b"'), changelog=True) or ""
    assert 'ALTER TABLE "public"."a ""b""" REPLICA IDENTITY FULL' in said
    assert "is partitioned" in (refusal(table(kind="p", replica_identity="f"), changelog=True) or "")
    assert "is unlogged" in (refusal(table(persistence="u", replica_identity="f"), changelog=True) or "")


def test_an_entry_of_a_changelog_has_no_key_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(SAMPLE.read_bytes())
    found = table(key=(), replica_identity="f", columns=COLUMNS[:2])
    write_entries(path, [entry(found, mode="changelog")])
    declared = load_pipeline(path).table("public.reviews")
    assert (declared.mode, declared.key) == ("changelog", ())
    assert differences(declared, found) == []
    assert "REPLICA IDENTITY FULL" in differences(declared, table(key=(), columns=COLUMNS[:2]))[0]


def test_a_column_that_cannot_be_captured_may_be_excluded(pipeline: Pipeline) -> None:
    declared = pipeline.table("order_items").model_copy(update={"exclude": ("at", "gone")})
    columns = tuple(SourceColumn(c.name, str(c.pg_type), not c.nullable, False) for c in declared.columns)
    found = table(
        name="order_items",
        key=("order_id", "line_no"),
        columns=(*columns, SourceColumn("at", "int2vector", False, False)),
    )
    assert differences(declared, found) == []
    (said,) = differences(declared.model_copy(update={"exclude": ()}), found)
    assert "has column 'at'" in said


def test_a_name_that_differs_from_another_only_in_case_is_told_apart() -> None:
    names = {"reviews"}
    same, other = (with_own_name(entry(found), found, names) for found in (table(name="Reviews"), table()))
    assert list(same)[:2] == ["source", "name"]
    assert re.fullmatch(r"Reviews_[0-9a-f]{8}", same["name"])
    assert re.fullmatch(r"reviews_[0-9a-f]{8}", other["name"])
    assert "name" not in with_own_name(entry(table(name="orders")), table(name="orders"), names)


UNPUBLISHED = "a generated column that PostgreSQL does not publish"


def test_one_of_two_tables_whose_topics_kafka_takes_for_the_same_is_refused(pipeline: Pipeline) -> None:
    topics = pipeline.topics_taken()
    first, second, third = (entry(table(name=name)) for name in ("h9 a", "h9.a", "h9-a"))
    assert take_topic(pipeline, first, topics) == ""
    assert take_topic(pipeline, second, topics).startswith(
        "has the topic dbserver1.public.h9.a, which Kafka does not tell from dbserver1.public.h9_a of "
        'public."h9 a": rename one of the two tables at the source'
    )
    assert take_topic(pipeline, third, topics) == ""
    known = take_topic(pipeline, entry(table(name="order.items")), topics)
    assert "dbserver1.public.order_items of public.order_items:" in known


def test_what_is_read_at_the_source_is_discovered_and_declared_so(pipeline: Pipeline) -> None:
    found = table(
        columns=(
            *COLUMNS,
            SourceColumn("twice", "integer", False, True),
            SourceColumn("grid", "integer[]", False, False),
        )
    )
    written = entry(found)
    assert written["columns"][-2:] == [
        {"name": "twice", "type": "integer", "from": "source"},
        {"name": "grid", "type": "integer[]"},
    ]
    declared = TableSpec.model_validate(written)
    told = dict(read_at_source([written]))
    assert declared.unsent == {name.removeprefix("public.reviews.") for name in told}
    assert told["public.reviews.twice"] == "no event has it"
    assert differences(declared, found) == []
    # More brackets keep bounds and dimensions; fewer would not be the source's type.
    written["columns"][-1]["type"] = "integer[][]"
    assert differences(TableSpec.model_validate(written), found) == []
    del written["columns"][-2]["from"]
    written["columns"][-1]["type"] = "bigint[][]"
    assert differences(TableSpec.model_validate(written), found) == [
        f"public.reviews.twice is {UNPUBLISHED}: declare it `from: source`",
        "public.reviews.grid is integer[], declared is bigint[][]",
    ]


def test_more_drivers_than_yarn_has_memory_for(pipeline: Pipeline) -> None:
    entries = [entry(table())]
    check_memory(pipeline, entries, ClusterMetrics(4 * 2048, 0, 1))
    with pytest.raises(
        ConfigurationError, match=r"4 streams need 8192 MB \(2048 MB each\), and YARN has 8000"
    ):
        check_memory(pipeline, entries, ClusterMetrics(8000, 8000, 1))
    check_memory(pipeline, [entry(table(), "orders")], ClusterMetrics(3 * 2048, 0, 1))


def test_differences_between_source_and_pipeline_are_named(pipeline: Pipeline) -> None:
    declared = pipeline.table("order_items")
    columns = tuple(SourceColumn(c.name, str(c.pg_type), not c.nullable, False) for c in declared.columns)
    same = table(name="order_items", key=("order_id", "line_no"), columns=columns)
    assert differences(declared, same) == []
    assert "does not exist" in differences(declared, None)[0]
    changed = table(
        name="order_items",
        key=("line_no", "order_id"),
        columns=(
            *columns[1:3],
            SourceColumn("quantity", "bigint", True, False),
            SourceColumn("unit_price", "numeric(12,2)", False, False),
            columns[5],
            SourceColumn("extra", "text", False, False),
        ),
    )
    assert differences(declared, changed) == [
        "public.order_items: primary key is ['line_no', 'order_id'], declared is ['order_id', 'line_no']",
        "public.order_items.order_id does not exist at the source",
        "public.order_items.quantity is bigint, declared is integer",
        "public.order_items.unit_price can be NULL, declared is nullable: false",
        "public.order_items.extra is not declared: add it under columns, or to exclude",
    ]
