"""Streams, names and the hash that tells when a driver must restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import ConfigurationError, DataError
from cdc.spec import ColumnSpec, Pipeline
from cdc.spec.names import default_sink_name, default_stream_name, join_qualified, split_qualified, topic_name

identifier = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]),
    min_size=1,
    max_size=15,
)


@given(identifier, identifier)
def test_any_two_names_can_be_written_and_read_back(schema: str, table: str) -> None:
    assert split_qualified(join_qualified(schema, table)) == (schema, table)


@given(identifier, identifier)
def test_derived_names_fit_where_they_go(schema: str, table: str) -> None:
    assert len(default_sink_name(schema, table).encode()) <= 63
    assert len(default_stream_name(schema, table)) <= 48
    assert default_stream_name(schema, table).isascii()
    assert set(topic_name("p", schema, table)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )


def test_a_topic_has_one_underscore_for_each_utf16_unit_as_debezium_writes_it() -> None:
    assert topic_name("p", "public", "𠮷野") == "p.public.___"


@pytest.mark.parametrize("text", ["orders", "a.b.c", "", "a.", '"x.y'])
def test_what_is_not_two_names_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"is not schema\.table"):
        split_qualified(text)


def test_a_table_keeps_its_name_unless_it_is_elsewhere(pipeline: Pipeline) -> None:
    assert default_sink_name("public", "orders") == "orders"
    assert default_sink_name("sales", "orders") == "sales__orders"
    assert pipeline.table("public.orders").name == "orders_fact"


def test_streams_group_tables_in_order(pipeline: Pipeline) -> None:
    assert [stream.name for stream in pipeline.streams] == ["customers", "products", "orders"]
    orders = pipeline.stream("orders")
    assert [table.name for table in orders.tables] == ["orders_fact", "order_items"]
    assert orders.app_name == "cdc-ecommerce-orders"
    assert orders.query_name("warehouse") == "ecommerce.orders.warehouse"
    assert orders.checkpoint("/checkpoints/", "warehouse") == "/checkpoints/ecommerce/orders/warehouse"


@pytest.mark.parametrize("kind", ["stream", "table", "sink"])
def test_what_is_not_there_is_refused(pipeline: Pipeline, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no {kind} 'none'"):
        getattr(pipeline, kind)("none")


def test_the_hash_changes_with_what_a_driver_depends_on_only(pipeline: Pipeline) -> None:
    orders = pipeline.stream("orders")
    same = pipeline.model_copy(update={"description": "other", "tables": pipeline.tables[2:]})
    faster = pipeline.model_copy(
        update={"streaming": pipeline.streaming.model_copy(update={"trigger_ms": 100})}
    )
    assert same.spec_hash(same.stream("orders")) == pipeline.spec_hash(orders)
    assert faster.spec_hash(faster.stream("orders")) != pipeline.spec_hash(orders)
    assert pipeline.spec_hash(pipeline.stream("products")) != pipeline.spec_hash(orders)


def test_a_column_that_events_may_lack_is_nullable() -> None:
    for more in ({"added": True}, {"dropped": True}):
        assert ColumnSpec.model_validate({"name": "a", "type": "text", **more}).optional
        with pytest.raises(ValueError, match="cannot be nullable: false"):
            ColumnSpec.model_validate({"name": "a", "type": "text", "nullable": False, **more})
    with pytest.raises(ValueError, match="added: true"):
        ColumnSpec.model_validate({"name": "a", "type": "text", "default": "x"})


def test_a_copy_keeps_nothing_that_was_worked_out_from_the_old_values(pipeline: Pipeline) -> None:
    assert len(pipeline.streams) == 3
    table = pipeline.table("orders_fact")
    assert len(table.live_columns) == len(table.columns)
    smaller = table.model_copy(update={"columns": table.columns[:3], "event_time": None, "derived": ()})
    assert len(smaller.live_columns) == 3
    assert len(pipeline.model_copy(update={"tables": (smaller,)}).streams) == 1
