"""Which stored rows prove where the keys of a table live."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cdc.connections import Connections
from cdc.errors import UnsupportedSourceError
from cdc.model.generations import Generations
from cdc.model.partitioner import partition_of
from cdc.model.version import generation_of, pack
from cdc.services import key_places
from cdc.services.fences import Fences
from cdc.services.key_places import KeyPlaces
from cdc.spec import ClickHouseSink, Pipeline

KEY = "1"
PLACE = partition_of(b'{"id":1}', 2)
FILLED = -1, 2 << 48
LOWEST_REPAIR = pack(2, -1, repair=True)


class Sink:
    """Rows as (partition, version), which answer a sample's conditions: the sinks' own SQL says the same."""

    def __init__(self, *rows: tuple[int, int]) -> None:
        self.rows = rows

    def __call__(self, _stack: object, _connection: object, query: str) -> list[tuple[str, int]]:
        with sqlite3.connect(":memory:") as engine:
            engine.execute("CREATE TABLE raw (key, _generation, _partition, _version)")
            rows = [(KEY, generation_of(version), partition, version) for partition, version in self.rows]
            engine.executemany("INSERT INTO raw VALUES (?, ?, ?, ?)", rows)
            where = query[query.index("WHERE") :]
            return engine.execute(f"SELECT key, _partition FROM raw {where}").fetchall()


@pytest.fixture
def prove(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*rows: tuple[int, int]) -> None:
        monkeypatch.setattr(key_places, "clickhouse_rows", Sink(*rows))
        generations = Generations({"t": {0: [(0, 1), (5, 2)], 1: [(0, 1), (7, 2)]}})
        fences = SimpleNamespace(topic="t", ends=lambda: {0: 9, 1: 9}, generations=lambda: generations)
        connections = SimpleNamespace(get=lambda _: None)
        table = pipeline.table("customers")
        sinks = [sink for sink in pipeline.sinks if isinstance(sink, ClickHouseSink)]
        KeyPlaces(cast("Connections", connections), table, cast("Fences", fences)).prove(sinks)

    return run


def test_rows_that_a_resync_filled_say_nothing_against_those_that_the_stream_wrote(prove: Any) -> None:
    prove(FILLED, (PLACE, pack(2, 5)))


def test_a_row_that_was_repaired_for_an_event_of_an_earlier_generation_says_nothing_against(
    prove: Any,
) -> None:
    """It lies where that event lay, before partitions were added."""
    prove((1 - PLACE, LOWEST_REPAIR), (PLACE, pack(2, 5)))
    prove((1 - PLACE, LOWEST_REPAIR), (PLACE, pack(2, 5, repair=True)))


def test_rows_of_an_earlier_generation_of_the_topic_prove_it_when_there_is_no_newer_one(prove: Any) -> None:
    prove((PLACE, pack(1, 5)))


def test_filled_rows_alone_prove_nothing(prove: Any) -> None:
    with pytest.raises(UnsupportedSourceError, match="the first event of any row gives one"):
        prove(FILLED, (PLACE, LOWEST_REPAIR))


def test_a_row_from_another_partition_than_computed_is_refused(prove: Any) -> None:
    with pytest.raises(UnsupportedSourceError, match=f"partition {1 - PLACE}, computed is {PLACE}"):
        prove((1 - PLACE, pack(2, 5)))
