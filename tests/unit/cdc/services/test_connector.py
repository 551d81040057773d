"""Debezium's configuration follows from the pipeline."""

import re

import pytest

from cdc.connections import Connection, Connections
from cdc.services.connector import (
    connector_config,
    heartbeat_query,
    platform_topics,
    quoted,
    sent_by,
)
from cdc.spec import ColumnSpec, Pipeline


@pytest.fixture
def connections() -> Connections:
    source = Connection(
        id="cdc_source", conn_type="postgres", host="db", port=5, login="d", password="p", schema_="shop"
    )
    return Connections([source])


def test_only_declared_tables_and_the_heartbeat_are_captured(
    pipeline: Pipeline, connections: Connections
) -> None:
    config = connector_config(pipeline, connections)
    patterns = config["table.include.list"].split(",")
    names = ["cdc.heartbeat", "public.customers", "public.products", "public.orders", "public.order_items"]
    for pattern, name in zip(patterns, names, strict=True):
        # As Debezium does; Python has the flag for a group alone.
        alike = re.compile(f"(?-i:{pattern.removeprefix('(?-i)')})", re.IGNORECASE)
        assert pattern.startswith("(?-i)")
        assert alike.fullmatch(name)
        assert not alike.fullmatch(name.replace(".", "x"))
        assert not alike.fullmatch(name.title())


def test_the_settings_that_correctness_rests_on(pipeline: Pipeline, connections: Connections) -> None:
    config = connector_config(pipeline, connections)
    wanted = {
        "publication.autocreate.mode": "disabled",
        "skipped.operations": "none",
        "decimal.handling.mode": "string",
        "time.precision.mode": "microseconds",
        "value.converter.replace.null.with.default": "false",
        "exactly.once.support": "required",
        "offset.mismatch.strategy": "trust_offset",
        "lsn.flush.mode": "connector",
        "database.dbname": "shop",
        "topic.prefix": "dbserver1",
    }
    assert {name: config[name] for name in wanted} == wanted
    assert "-c bytea_output=hex " in config["driver.options"]
    assert all(isinstance(value, str) for value in config.values())


def test_a_table_that_is_left_out_is_not_captured(pipeline: Pipeline, connections: Connections) -> None:
    config = connector_config(pipeline, connections, {"orders_fact"})
    assert r"public\.orders" not in config["table.include.list"]
    assert config["table.include.list"].endswith(r",(?-i)public\.order_items")


def test_columns_that_are_read_at_the_source_are_left_out(
    pipeline: Pipeline, connections: Connections
) -> None:
    assert "column.exclude.list" not in connector_config(pipeline, connections)
    orders = pipeline.table("public.orders")
    extra = (
        ColumnSpec.model_validate({"name": "at", "type": "timetz"}),
        ColumnSpec.model_validate({"name": "v,w", "type": "integer", "from": "source"}),
    )
    changed = orders.model_copy(update={"columns": (*orders.columns, *extra), "exclude": ("old",)})
    config = connector_config(pipeline.model_copy(update={"tables": (changed,)}), connections)
    assert config["column.exclude.list"] == (
        r"(?-i)public\.orders\.old,(?-i)public\.orders\.at,(?-i)public\.orders\.v\x2cw"
    )
    assert {column.name for column in changed.columns} - sent_by(config, changed) == {"at", "v,w"}
    earlier = {"column.exclude.list": r"public\.orders\.old,public\.orders\.at"}
    assert {column.name for column in changed.columns} - sent_by(earlier, changed) == {"at"}
    assert sent_by({}, changed) == {column.name for column in changed.columns}


def test_the_source_is_met_with_tls_as_its_connection_says(pipeline: Pipeline) -> None:
    extra = {"sslmode": "verify-full", "sslrootcert": "/etc/root.crt", "other": 1}
    source = Connection(id="cdc_source", conn_type="postgres", host="db", schema_="shop", extra=extra)
    config = connector_config(pipeline, Connections([source]))
    assert {name: value for name, value in config.items() if "ssl" in name} == {
        "database.sslmode": "verify-full",
        "database.sslrootcert": "/etc/root.crt",
    }


def test_debezium_reads_no_existing_rows_of_a_changelog(pipeline: Pipeline, connections: Connections) -> None:
    assert "snapshot.include.collection.list" not in connector_config(pipeline, connections)
    customers = pipeline.table("customers").model_copy(update={"mode": "changelog", "key": ()})
    mixed = pipeline.model_copy(update={"tables": (customers, *pipeline.tables[1:2])})
    config = connector_config(mixed, connections)
    assert config["snapshot.include.collection.list"] == r"(?-i)cdc\.heartbeat,(?-i)public\.products"
    assert r"public\.customers" in config["table.include.list"]


def test_unusual_names_are_quoted() -> None:
    assert quoted('x."My ""T"""') == '"x"."My ""T"""'
    assert heartbeat_query("cdc.heartbeat").startswith('UPDATE "cdc"."heartbeat" SET')


def test_the_platform_has_topics_of_its_own(pipeline: Pipeline) -> None:
    assert platform_topics(pipeline) == (
        "__debezium-heartbeat.dbserver1", "dbserver1.cdc.heartbeat", "dbserver1.cdc.signal",
    )  # fmt: skip
