"""Names that differ only in case, which Debezium's lists by themselves take for the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.services.apply import apply, plan
from cdc.services.snapshot_signals import ask_for_rows
from cdc.spec import Pipeline, TableSpec
from tests.stack.cdc.test_apply import events, wait_for

ODD = " Odd, [a-z]+ (x)|y.*{2}^$\\ "
_ID = {"name": "id", "type": "integer", "nullable": False}
_V, _NOTE = {"name": "v", "type": "text"}, {"name": "note", "type": "text"}
DECLARED: tuple[dict[str, Any], ...] = (
    {"source": "public.parts", "key": ["id"], "columns": [_ID, _V], "exclude": ["note"]},
    {"source": "public.Parts", "name": "parts_2", "key": ["id"], "columns": [_ID, _V, _NOTE]},
    {"source": "public.log", "key": ["id"], "columns": [_ID, _V]},
    {"source": "public.Log", "name": "log_2", "mode": "changelog", "columns": [_V]},
    {"source": f'public."{ODD}"', "name": "odd", "key": ["id"], "columns": [_ID, _V]},
    {"source": 'public."Two words"', "name": "words", "key": ["id"], "columns": [_ID, _V]},
)
JOINING = {"source": 'public."two words"', "name": "words_2", "key": ["id"], "columns": [_ID, _V]}
SETUP = f"""
    CREATE TABLE parts (id int PRIMARY KEY, v text, note text);
    CREATE TABLE "Parts" (LIKE parts INCLUDING ALL);
    CREATE TABLE "PARTS" (LIKE parts INCLUDING ALL);
    CREATE TABLE log (id int PRIMARY KEY, v text);
    CREATE TABLE "Log" (v text);
    ALTER TABLE "Log" REPLICA IDENTITY FULL;
    CREATE TABLE "{ODD}" (LIKE log INCLUDING ALL);
    CREATE TABLE "Two words" (LIKE log INCLUDING ALL);
    CREATE TABLE "two words" (LIKE log INCLUDING ALL);
    INSERT INTO parts VALUES (1, 'parts', 'left out');
    INSERT INTO "Parts" VALUES (1, 'Parts', 'told');
    INSERT INTO "PARTS" VALUES (1, 'PARTS', 'nobody asked');
    INSERT INTO log VALUES (1, 'log');
    INSERT INTO "Log" VALUES ('Log');
    INSERT INTO "{ODD}" VALUES (1, 'odd');
    INSERT INTO "Two words" VALUES (1, 'Two words');
    INSERT INTO "two words" VALUES (1, 'two words');
"""


@pytest.fixture(scope="module")
def declared(pipeline: Pipeline) -> Callable[..., Pipeline]:
    def build(*more: dict[str, Any]) -> Pipeline:
        stream = pipeline.tables[0].stream
        tables = tuple(TableSpec.model_validate({**item, "stream": stream}) for item in (*DECLARED, *more))
        return pipeline.model_copy(update={"tables": tables})

    return build


def source(stack: Any) -> psycopg.Connection[Any]:
    return connect_postgres(stack.connections.get("cdc_source_admin"), autocommit=True)


def sent(stack: Any, pipeline: Pipeline, table: str) -> list[tuple[Any, ...]]:
    """What the events of a table say about rows, sorted, without ids."""
    found = events(stack, pipeline.topic(pipeline.table(table)))
    rows = [(e["op"], e["after"]) for e in found if e["after"] is not None]
    return sorted((op, *(v for k, v in after.items() if k != "id")) for op, after in rows)


def test_1_a_table_that_nobody_declared_stops_no_first_snapshot_and_is_not_in_it(
    stack: Any, declared: Callable[..., Pipeline]
) -> None:
    with source(stack) as session:
        session.execute(SETUP.encode())
    apply(declared(), stack.connections)
    wait_for(lambda: sent(stack, declared(), "parts") == [("r", "parts")])
    kafka = KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers())
    assert kafka.topic_identity("dbserver1.public.PARTS") is None


def test_2_a_column_is_left_out_of_its_own_table_alone(stack: Any, declared: Callable[..., Pipeline]) -> None:
    wait_for(lambda: sent(stack, declared(), "parts_2") == [("r", "Parts", "told")])


def test_3_a_changelog_beside_such_a_table_has_its_rows_once(
    stack: Any, declared: Callable[..., Pipeline]
) -> None:
    wait_for(lambda: len(sent(stack, declared(), "log")) == 1)
    wait_for(lambda: len(sent(stack, declared(), "log_2")) >= 1)
    with source(stack) as session:
        session.execute("INSERT INTO \"Log\" VALUES ('Log, later')")
    wait_for(lambda: any("Log, later" in event for event in sent(stack, declared(), "log_2")))
    assert sent(stack, declared(), "log_2") == [("c", "Log, later"), ("r", "Log")]


def test_4_changes_come_of_each_declared_table_under_its_own_name(
    stack: Any, declared: Callable[..., Pipeline]
) -> None:
    pipeline = declared()
    wait_for(lambda: sent(stack, pipeline, "odd") == [("r", "odd")])
    with source(stack) as session:
        # Somebody else may publish it too; what is published is not all that is captured.
        session.execute(f'ALTER PUBLICATION {pipeline.source.publication} ADD TABLE "PARTS"')
        session.execute("INSERT INTO \"PARTS\" VALUES (2, 'PARTS', 'nobody asked')")
        session.execute("INSERT INTO parts VALUES (2, 'new', 'left out')")
        session.execute("INSERT INTO \"Parts\" VALUES (2, 'new', 'told')")
        session.execute(f"INSERT INTO \"{ODD}\" VALUES (2, 'new')".encode())
    wait_for(lambda: sent(stack, pipeline, "odd") == [("c", "new"), ("r", "odd")])
    assert sent(stack, pipeline, "parts") == [("c", "new"), ("r", "parts")]
    assert sent(stack, pipeline, "parts_2") == [("c", "new", "told"), ("r", "Parts", "told")]
    kafka = KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers())
    assert kafka.topic_identity("dbserver1.public.PARTS") is None


def test_5_rows_are_read_of_the_table_that_they_were_asked_of(
    stack: Any, declared: Callable[..., Pipeline]
) -> None:
    wider = declared(JOINING)
    apply(wider, stack.connections)
    wait_for(lambda: sent(stack, wider, "words_2") == [("r", "two words")])
    with source(stack) as session:
        asked = ask_for_rows(
            session, wider.source.signal_table, ["public.parts", f'public."{ODD}"', 'public."Two words"']
        )
    assert set(asked.values()) == {"incremental", "blocking"}
    wait_for(lambda: len(sent(stack, wider, "parts")) == 4 and len(sent(stack, wider, "odd")) == 4)
    wait_for(lambda: len(sent(stack, wider, "words")) == 2)
    assert len(sent(stack, wider, "parts_2")) == 2
    assert sent(stack, wider, "words_2") == [("r", "two words")]
    assert plan(wider, stack.connections).changes == ()


def test_6_a_part_is_read_of_a_table_whose_name_needs_quotes_too(
    stack: Any, declared: Callable[..., Pipeline]
) -> None:
    pipeline = declared(JOINING)
    with source(stack) as session:
        session.execute("INSERT INTO \"Two words\" VALUES (7, 'seven'), (8, 'eight')")
        for table in ("public.parts", 'public."Two words"'):
            ask_for_rows(session, pipeline.source.signal_table, [table], condition="id IN (2, 7)")
    before, changes = [("r", "Two words")] * 2, [("c", "eight"), ("c", "seven")]
    wait_for(lambda: ("r", "seven") in sent(stack, pipeline, "words"))
    assert sent(stack, pipeline, "words") == [*changes, *before, ("r", "seven")]
    wait_for(lambda: len(sent(stack, pipeline, "parts")) == 5)
    assert sent(stack, pipeline, "parts").count(("r", "new")) == 2
