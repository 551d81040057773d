"""Removes what a delivery has made, from the stream to the records in the ops store."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError
from psycopg.sql import SQL, Identifier

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.clients.connect import ConnectClient
from cdc.clients.http import HttpError
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import YarnClient
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.ops import OpsStore
from local_stack.cases.place import STREAM, Place
from local_stack.cases.source import CaseSource

Say = Callable[[str], None]
# What a record of the ops store belongs to is told by one of these columns.
_OWNED = {
    "pipeline": "pipeline = %(name)s",
    "query": "starts_with(query, %(name)s || '.')",
    "topic": "starts_with(topic, %(name)s || '.')",
}


def remove(place: Place, say: Say) -> None:
    """Remove everything; what cannot be removed is said, and the rest is removed all the same."""
    connections = place.connections()
    for what, action in (
        ("the stream", _stream),
        ("the connector", _connector),
        ("the source database", lambda here, _: CaseSource(here).drop()),
        ("the topics", _topics),
        ("the ClickHouse databases", _clickhouse),
        ("the warehouse schemas", _warehouse),
        ("the records in the ops store", _records),
    ):
        try:
            action(place, connections)
        except (CdcError, HttpError, psycopg.Error, ClickHouseError) as error:
            say(f"{place.name}: {what} could not be removed: {' '.join(str(error).split())}")
    place.delete()


def _stream(place: Place, connections: Connections) -> None:
    yarn = YarnClient(connections.get("cdc_yarn").url())
    for application in yarn.applications(tags=[f"cdc-{place.name}-{STREAM}"]):
        yarn.kill(application.id)


def _connector(place: Place, connections: Connections) -> None:
    ConnectClient(connections.get("cdc_connect").url()).delete(place.name)


def _topics(place: Place, connections: Connections) -> None:
    kafka = KafkaClient(connections.get("cdc_kafka").bootstrap_servers())
    heartbeats = f"__debezium-heartbeat.{place.name}"
    kafka.delete_topics(
        topic for topic in kafka.topics() if topic.startswith(f"{place.name}.") or topic == heartbeats
    )


def _clickhouse(place: Place, connections: Connections) -> None:
    connection = connections.get("cdc_clickhouse")
    with mapped_errors(connection):
        client = connect_clickhouse(connection, send_receive_timeout_s=120)
        try:
            for name in (place.name, f"{place.name}_raw"):
                client.command(f"DROP DATABASE IF EXISTS {name}")
        finally:
            client.close()


def _warehouse(place: Place, connections: Connections) -> None:
    with connect_postgres(connections.get("cdc_warehouse"), autocommit=True) as connection:
        for name in (place.name, f"{place.name}_raw"):
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name)))


def _records(place: Place, connections: Connections) -> None:
    with OpsStore(connections.get("cdc_ops")) as ops:
        columns = ops.rows(
            "SELECT c.table_name AS name, array_agg(c.column_name::text) AS columns "
            "FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) "
            "WHERE c.table_schema = 'cdc_ops' AND t.table_type = 'BASE TABLE' "
            "AND c.column_name = ANY(%s) GROUP BY 1",
            (list(_OWNED),),
        )
        for row in columns:
            condition = " OR ".join(_OWNED[column] for column in row["columns"])
            statement = SQL("DELETE FROM cdc_ops.{} WHERE {}").format(Identifier(row["name"]), SQL(condition))
            ops.rows(statement, {"name": place.name})
