"""Records out of Arrow's buffers, and envelopes that are not like most."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from cdc_spark.transformations import placeholders
from cdc_spark.transformations.kafka_parser import KafkaParser
from cdc_spark.transformations.records import from_arrow

KEYS = [b"k0", None, b"", b"k3", b"\xff\x00", None]
VALUES = [b"{}", b"", None, b"x" * 70_000, "ä".encode(), None]


def batch(keys: list[bytes | None], values: list[bytes | None]) -> pa.RecordBatch:
    count = range(len(keys))
    return pa.RecordBatch.from_arrays(
        [
            pa.array(keys, pa.binary()), pa.array(values, pa.binary()),
            pa.array([n % 3 for n in count], pa.int32()), pa.array([n * 10 for n in count], pa.int64()),
        ],
        names=["key", "value", "partition", "offset"],
    )  # fmt: skip


def listed(batch: pa.RecordBatch) -> list[tuple]:
    found = from_arrow(batch)
    return list(zip(found.keys, found.values, found.partitions, found.offsets, strict=True))


@pytest.mark.parametrize(("begin", "length"), [(0, 6), (1, 4), (3, 1), (2, 0), (5, 1)])
def test_records_are_the_batches_values_wherever_a_slice_begins(begin, length):
    whole = list(zip(KEYS, VALUES, [0, 1, 2, 0, 1, 2], [0, 10, 20, 30, 40, 50], strict=True))
    assert listed(batch(KEYS, VALUES).slice(begin, length)) == whole[begin : begin + length]


def test_records_of_nothing_but_nulls_and_of_nothing():
    assert listed(batch([None], [None])) == [(None, None, 0, 0)]
    assert listed(batch([], [])) == []


def parsed(table, value: bytes) -> tuple[Any, ...]:
    out = KafkaParser(table).parse([(b'{"id": 1}', value, 0, 5)])
    assert out.bad == []
    return out.ops, out.values, out.lsns, out.tx_ids, out.moments


def test_an_unusual_envelope_is_read_like_the_usual_one(table, event):
    row = {"id": 1, "name": "a", "price": "1.50", "labels": None}
    usual = json.loads(event("c", row))
    expected = parsed(table, json.dumps(usual).encode())
    source = usual["source"]
    unusual = [
        {"lsn": None, "sequence": json.dumps(["1", str(source["lsn"])])},
        {"ts_us": None, "ts_ms": source["ts_us"] // 1000},
        {"txId": "9"},
    ]
    ops, values, lsns, _, moments = expected
    for change in unusual:
        found = parsed(table, json.dumps({**usual, "source": {**source, **change}}).encode())
        assert found[:3] == (ops, values, lsns)
        assert [moment // 1000 for moment in found[4]] == [moment // 1000 for moment in moments]
    assert parsed(table, json.dumps({**usual, "source": {**source, "txId": "9"}}).encode())[3] == [None]


def test_a_stretch_that_holds_no_placeholder_is_not_searched_event_by_event(table, event, monkeypatch):
    row = {"id": 1, "name": "a", "price": "1.50", "labels": None}
    monkeypatch.setattr(placeholders, "may_hold", lambda raw: pytest.fail(f"searched {raw!r}"))
    out = KafkaParser(table).parse([(b'{"id": 1}', event("u", row), 0, 5)], whole=True)
    assert out.missing == {}
