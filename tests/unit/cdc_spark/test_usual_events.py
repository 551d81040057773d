"""A stretch of usual events is read as an event at a time is, and any other is left to that."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.toast import PLACEHOLDER
from cdc.spec import TableSpec
from cdc_spark.transformations.kafka_parser import KafkaParser
from cdc_spark.transformations.records import Records
from cdc_spark.transformations.usual_events import UsualEvents

TABLE = TableSpec.model_validate(
    {
        "source": "public.t",
        "key": ["b", "a"],
        "columns": [
            {"name": "a", "type": "bigint", "nullable": False},
            {"name": "x", "type": "text"},
            {"name": "b", "type": "text", "nullable": False},
        ],
    }
)
BEGINS = {0: 0, 1: 4}
Event = tuple[bytes | None, bytes | None]


def event(op: str, key: dict[str, object] | None, after: object = None, **source: object) -> Event:
    block = {"lsn": 7, "ts_us": 1_700_000_000_123_456, "txId": 3, **source}
    value = {"before": None, "after": after, "source": block, "op": op}
    return None if key is None else json.dumps(key).encode(), json.dumps(value).encode()


def row(a: object, b: object, x: object = "v") -> dict[str, object]:
    return {"a": a, "x": x, "b": b}


USUAL = [
    event("c", {"b": "k", "a": 1}, row(1, "k")),
    event("u", {"b": "ü", "a": 2}, row(2, "ü", None), txId=None),
    event("r", {"a": 3, "b": ""}, row(3, "")),
    event("d", {"b": "k", "a": 1}),
    (b'{"a": 1, "b": "k"}', None),
]
UNUSUAL = [
    event("t", None),
    event("m", None),
    event("c", None, row(1, "k")),
    event("c", {"b": "other", "a": 1}, row(1, "k")),
    event("c", {"b": None, "a": 1}, row(1, None)),
    event("c", {"b": "k"}, row(1, "k")),
    event("c", {"b": "k", "a": 1, "z": 0}, row(1, "k")),
    event("c", {"b": "k", "a": 1}, {**row(1, "k"), "new": 1}),
    event("c", {"b": "k", "a": 1}, {"a": 1, "b": "k"}),
    event("u", {"b": "k", "a": 1}),
    event("u", {"b": "k", "a": 1}, [1]),
    event("d", {"b": "k", "a": 1}, row(1, "k")),
    event("d", {"b": PLACEHOLDER, "a": 1}),
    event("c", {"b": "k", "a": 1}, row(1, "k"), lsn=None),
    event("?", {"b": "k", "a": 1}, row(1, "k")),
    (b"[1, 2]", USUAL[0][1]),
    (b"no JSON", USUAL[0][1]),
    (b'{"b": "k", "a": 1}', b"\xff"),
]


def records(events: list[Event], first: int = 10) -> Records:
    places = [(number % 2, first + number) for number in range(len(events))]
    return Records(
        [key for key, _ in events],
        [value for _, value in events],
        [partition for partition, _ in places],
        [offset for _, offset in places],
        lambda _: None,
    )


def one_at_a_time(found: Records) -> dict[str, object]:
    listed = zip(found.keys, found.values, found.partitions, found.offsets, strict=True)
    return asdict(KafkaParser(TABLE, begins=BEGINS).parse(listed, whole=True))


@given(st.lists(st.sampled_from(USUAL), max_size=12))
def test_usual_events_are_read_alike(events):
    found = records(events)
    read = UsualEvents(TABLE, BEGINS).read(found)
    assert read is not None
    assert asdict(read) == one_at_a_time(found)


@pytest.mark.parametrize("strange", UNUSUAL, ids=range(len(UNUSUAL)))
def test_a_stretch_with_an_unusual_event_is_left_to_the_other_parser(strange):
    assert UsualEvents(TABLE, BEGINS).read(records([*USUAL, strange, *USUAL])) is None


def test_records_of_a_table_that_was_replaced_are_left_to_the_other_parser():
    assert UsualEvents(TABLE, BEGINS).read(records(USUAL, first=2)) is None
    assert UsualEvents(TABLE, BEGINS).read(records(USUAL, first=3)) is not None
