"""Types that columns had only between two looks, at whose values a real connector stops."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from cdc.clients.connect import ConnectClient
from cdc.clients.postgres import connect_postgres
from cdc.errors import ConfigurationError
from cdc.ops import OpsStore
from cdc.services.apply import apply
from cdc.services.left_out import left_out
from cdc.services.schema_changes import settle
from cdc.services.watching import watch_connector
from cdc.spec import Pipeline, TableSpec
from tests.stack.cdc.test_apply import events, wait_for

COME_AGAIN = (
    "ALTER TABLE again ADD COLUMN x text",
    "UPDATE again SET x = 'words'",
    "ALTER TABLE again DROP COLUMN x",
    "ALTER TABLE again ADD COLUMN x int",
)
CHANGED_BACK = (
    "ALTER TABLE back ALTER n TYPE text",
    "UPDATE back SET n = 'abc'",
    "ALTER TABLE back ALTER n TYPE int USING length(n)",
)


def with_tables(pipeline: Pipeline, name: str) -> Pipeline:
    columns = [{"name": "id", "type": "integer", "nullable": False}, {"name": "n", "type": "integer"}]
    entry = {"stream": pipeline.tables[0].stream, "key": ["id"], "columns": columns}
    made = [TableSpec.model_validate({"source": f"public.{one}", **entry}) for one in (name, f"new_{name}")]
    return pipeline.model_copy(update={"tables": (*pipeline.tables, *made)})


def stopped_at_an_event(
    stack: Any, pipeline: Pipeline, source: psycopg.Connection[Any], *changes: str
) -> None:
    """Changes that the connector reads when all of them were made."""
    name, connect = pipeline.source.connector, ConnectClient(stack.connections.get("cdc_connect").url())
    connect.stop(name)
    active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    wait_for(lambda: source.execute(active, (pipeline.source.slot,)).fetchone() == (False,))
    for change in changes:
        source.execute(change)
    source.execute("UPDATE customers SET full_name = %s WHERE id = 1", (changes[0],))
    connect.resume(name)
    wait_for(lambda: bool((status := connect.status(name)) and status.failed))


@pytest.mark.parametrize(
    ("name", "changes", "doubted", "noticed_first"),
    [("again", COME_AGAIN, "x", True), ("back", CHANGED_BACK, "n", False)],
)
def test_their_table_alone_is_left_out(
    stack: Any, pipeline: Pipeline, name: str, changes: tuple[str, ...], doubted: str, noticed_first: bool
) -> None:
    wider, topic = with_tables(pipeline, name), f"dbserver1.public.{name}"
    with (
        connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True) as source,
        OpsStore(stack.connections.get("cdc_ops")) as ops,
    ):
        # The second one is as new to the slot, and never changes.
        source.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, n int); INSERT INTO {name} VALUES (1, 1)")
        source.execute(f"CREATE TABLE new_{name} (id int PRIMARY KEY, n int)")
        apply(wider, stack.connections)
        wait_for(lambda: len(events(stack, topic)) == 1)
        stopped_at_an_event(stack, wider, source, *changes)
        if noticed_first:
            assert {one.table: one.state for one in settle(wider, stack.connections, ops)}[name] == "followed"
        watch_connector(wider, stack.connections)
        assert left_out(wider, ops) == {name}
        named = lambda: [e["after"]["full_name"] for e in events(stack, "dbserver1.public.customers")]  # noqa: E731
        wait_for(lambda: changes[0] in named())
        wait_for(lambda: watch_connector(wider, stack.connections) is not None and not left_out(wider, ops))
        source.execute(f"INSERT INTO {name} VALUES (2, 22)")
        wait_for(lambda: [e["after"]["id"] for e in events(stack, topic)] == [1, 2])
        # It waits for an approval like one whose type has changed.
        (found,) = [one for one in settle(wider, stack.connections, ops) if one.table == name]
        assert found.state == "parked"
        said = f"public.{name}: {doubted} may have had another type for a while"
        assert said in found.changes[0]
        assert f"`cdc schema apply {name}`" in found.plan
        parked = [one for one in ops.parked(wider.name) if one.table == name]
        assert len(parked) == len(wider.sinks)
        assert all(said in one.reason for one in parked)
        with pytest.raises(ConfigurationError, match=f"cdc resync {name}"):
            ops.place_to_resume(wider.name, name, parked[0].sink)
        # So that the next case begins with a pipeline of which nothing waits.
        ops.rows("DELETE FROM cdc_ops.parked WHERE pipeline = %s RETURNING 1", (wider.name,))
