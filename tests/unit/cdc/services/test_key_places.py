"""Which stored rows prove where the keys of a table live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cdc.connections import Connections
from cdc.errors import UnsupportedSourceError
from cdc.model.generations import Generations
from cdc.model.partitioner import partition_of
from cdc.services import key_places
from cdc.services.fences import Fences
from cdc.services.key_places import KeyPlaces
from cdc.spec import ClickHouseSink, Pipeline

KEY = "1"
PLACE = partition_of(b'{"id":1}', 2)
FILLED = -1, 2


class Sink:
    """Rows as (partition, generation), which answer a sample's conditions."""

    def __init__(self, *rows: tuple[int, int]) -> None:
        self.rows = rows

    def __call__(self, _stack: object, _connection: object, query: str) -> list[tuple[str, int]]:
        words = query.split()
        since = int(words[words.index("_generation") + 2])
        nowhere = "_partition >= 0" not in query
        return [(KEY, p) for p, generation in self.rows if generation >= since and (p >= 0 or nowhere)]


@pytest.fixture
def prove(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*rows: tuple[int, int]) -> None:
        monkeypatch.setattr(key_places, "clickhouse_rows", Sink(*rows))
        generations = Generations({"t": {0: [(0, 1), (5, 2)], 1: [(0, 1), (7, 2)]}})
        fences = SimpleNamespace(topic="t", ends=lambda: {0: 9, 1: 9}, generations=lambda: generations)
        connections = SimpleNamespace(get=lambda _: None)
        table = pipeline.table("customers")
        sinks = [sink for sink in pipeline.sinks if isinstance(sink, ClickHouseSink)]
        KeyPlaces(pipeline, cast("Connections", connections), table, cast("Fences", fences)).prove(sinks)

    return run


def test_rows_that_a_resync_filled_say_nothing_against_those_that_the_stream_wrote(prove: Any) -> None:
    prove(FILLED, (PLACE, 2))


def test_rows_of_an_earlier_generation_of_the_topic_prove_it_when_there_is_no_newer_one(prove: Any) -> None:
    prove((PLACE, 1))


def test_filled_rows_alone_prove_nothing(prove: Any) -> None:
    with pytest.raises(UnsupportedSourceError, match="the first event of any row gives one"):
        prove(FILLED)


def test_a_row_from_another_partition_than_computed_is_refused(prove: Any) -> None:
    with pytest.raises(UnsupportedSourceError, match=f"partition {1 - PLACE}, computed is {PLACE}"):
        prove((1 - PLACE, 2))
