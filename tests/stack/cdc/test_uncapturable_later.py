"""A table that can no longer be captured, though it could be at its first apply, waits alone."""

from __future__ import annotations

import pytest

from cdc.connections import Connections
from cdc.errors import ConfigurationError, SchemaChangedError
from cdc.services import schema_changes as service
from cdc.services import schema_memory
from cdc.services.effective import effective_pipeline
from cdc.services.source_objects import SourceObjects
from cdc.spec import Pipeline
from tests.stack.cdc.place import COLUMNS, Place

IN_PARTS = (
    f"DROP TABLE t; CREATE TABLE t ({COLUMNS}) PARTITION BY RANGE (id); "
    "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10)"
)
NAMES = "SELECT tablename FROM pg_publication_tables"
HIDING = "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY nothing ON t USING (false)"


def change(place: Place, *statements: str) -> None:
    """As the owner, whose role is not the capturing one."""
    for statement in statements:
        place._run("cdc_source_admin", statement)


def with_another(place: Place) -> Pipeline:
    """Beside `t` a table `other`, both applied, and captured by a role that row level security holds for."""
    role = f"capturing{place.number}"
    place.source(f"CREATE ROLE {role} LOGIN; CREATE TABLE other ({COLUMNS})")
    made = [place.connections.get(name) for name in ("cdc_source", "cdc_source_admin", "cdc_warehouse",
            "cdc_ops", "cdc_clickhouse")]  # fmt: skip
    place.connections = Connections([made[0].model_copy(update={"login": role}), *made[1:]])
    (table,) = place.pipeline.tables
    other = place.declare(source="public.other").tables[0]
    wider = place.pipeline.model_copy(update={"tables": (table, other)})
    for sink in wider.sinks:
        service.ensure_in_sink(wider, other, sink, place.connections, place.ops)
    schema_memory.record_built(wider, place.connections, place.ops)
    SourceObjects(wider, place.connections).run(lambda _: None)
    return wider


@pytest.mark.parametrize(
    ("before", "statement", "said"),
    [
        ("", HIDING, "public.t has row level security, which would hide rows"),
        ("", "CREATE TABLE more () INHERITS (t)", "public.t is inherited by other tables"),
        ("", "ALTER TABLE t REPLICA IDENTITY NOTHING", "has REPLICA IDENTITY NOTHING"),
        (IN_PARTS, "ALTER TABLE low SET UNLOGGED", "public.t is unlogged"),
        (
            IN_PARTS,
            "CREATE UNLOGGED TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20)",
            "public.t is unlogged",
        ),
        ("", f"DROP TABLE t; CREATE UNLOGGED TABLE t ({COLUMNS})", "public.t is unlogged"),
        ("", "DROP TABLE t; CREATE VIEW t AS SELECT * FROM other", "public.t is a view"),
    ],
)
def test_it_is_parked_and_holds_up_no_other(place: Place, before: str, statement: str, said: str) -> None:
    if before:
        change(place, before)
        place.ops.rows("DELETE FROM cdc_ops.table_schemas RETURNING 1")
        schema_memory.record_built(place.pipeline, place.connections, place.ops)
    wider = with_another(place)
    # A table that was made anew has the source's objects brought up to it, beside this one.
    change(place, f"DROP TABLE other; CREATE TABLE other ({COLUMNS})", statement)
    one, other = service.settle(wider, place.connections, place.ops)
    assert (one.state, other.state) == ("parked", "parked")
    assert said in one.changes[0]
    assert "Mend it at the source" in one.plan
    assert "`cdc resync t`" in one.plan
    assert other.changes == ("public.other was dropped and created again",)
    judged = service.compared(wider, place.connections, place.ops)
    SourceObjects(effective_pipeline(wider, place.ops), place.connections, service.waiting(judged)).validate()
    published = {name for (name,) in place._run("cdc_source_admin", NAMES)}
    assert "other" in published
    parked = [item for item in place.ops.parked(wider.name) if item.table == "t"]
    assert {item.sink for item in parked} == {sink.name for sink in wider.sinks}
    assert all(said in item.reason and one.plan in item.reason for item in parked)


def test_once_it_is_mended_a_resume_alone_is_refused(place: Place) -> None:
    place.ops.park(place.pipeline.name, "t", "warehouse", "by hand", {0: 5})
    place.source("CREATE TABLE more () INHERITS (t)")
    assert place.settle().state == "parked"
    place.source("DROP TABLE more")
    assert place.settle().state == "unchanged"
    for item in place.ops.parked(place.pipeline.name):
        with pytest.raises(ConfigurationError, match=r"no event tells them truly.*`cdc resync t`"):
            place.ops.place_to_resume(place.pipeline.name, "t", item.sink)


def test_a_changelog_is_resumed_and_complete_once_it_was_read_anew(place: Place) -> None:
    place.source("ALTER TABLE t REPLICA IDENTITY FULL")
    place.pipeline = place.declare(key=[], mode="changelog")
    place.source("CREATE TABLE more () INHERITS (t)")
    found = place.settle()
    assert "`cdc table resume t` and `cdc table snapshot t`" in found.plan
    place.source("DROP TABLE more")
    assert place.settle().state == "unchanged"
    assert place.ops.place_to_resume(place.pipeline.name, "t", "warehouse") is not None
    gaps = place.ops.open_gaps(place.pipeline.name)
    assert {sink for _, sink in gaps} == {"clickhouse", "warehouse"}
    assert "is inherited by other tables" in gaps["t", "warehouse"]
    assert "`cdc table snapshot t`" in gaps["t", "warehouse"]


def test_one_that_was_never_applied_is_refused(place: Place) -> None:
    wider = with_another(place)
    place.ops.rows("DELETE FROM cdc_ops.table_schemas WHERE \"table\" = 't' RETURNING 1")
    change(place, HIDING)
    judged = service.compared(wider, place.connections, place.ops)
    with pytest.raises(SchemaChangedError, match="row level security"):
        SourceObjects(wider, place.connections, service.waiting(judged)).validate()
