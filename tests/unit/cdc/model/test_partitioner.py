"""Partitions as Kafka's producer computes them, of keys as Debezium writes them."""

from __future__ import annotations

import pytest

from cdc.model.keybytes import key_bytes
from cdc.model.partitioner import misplaced, murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # The vectors of Kafka's own UtilsTest.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data, signed):
    assert murmur2(data) == signed % 2**32


def test_keys_that_lie_elsewhere_are_told():
    keys = [(f'{{"id":{n}}}'.encode(), partition_of(f'{{"id":{n}}}'.encode(), 3)) for n in range(100)]
    assert misplaced(keys, 3) == []
    assert len(misplaced(keys, 4)) > 50


@pytest.mark.parametrize(
    ("form", "text", "json"),
    [
        ("integer", "-7", '{"k":-7}'),
        ("text", 'é "q"', '{"k":"é \\"q\\""}'),
        ("boolean", "true", '{"k":true}'),
        ("date", "1970-01-02", '{"k":1}'),
        ("timestamp", "1970-01-01 00:00:01.5", '{"k":1500000}'),
        ("timestamptz", "2026-02-28 18:29:59+00", '{"k":"2026-02-28T18:29:59.000000Z"}'),
    ],
)
def test_a_key_is_debeziums_json(form, text, json):
    assert key_bytes([("k", form)], [text]) == json.encode()


def test_control_characters_are_written_as_kafkas_converter_does():
    text = '\x1b\x0f\x01\n\t\\u001b\\\x1f"'
    assert key_bytes([("k", "text")], [text]) == rb'{"k":"\u001B\u000F\u0001\n\t\\u001b\\\u001F\""}'


def test_characters_of_two_utf16_units_are_escaped_as_kafkas_converter_does():
    assert key_bytes([("日🎉", "text")], ["é ☕ 👍🏽\x7f"]) == (
        '{"日\\uD83C\\uDF89":"é ☕ \\uD83D\\uDC4D\\uD83C\\uDFFD\x7f"}'.encode()
    )


def test_a_key_without_a_plain_form_is_not_made():
    assert key_bytes([("k", "numeric")], ["1.5"]) is None
    assert key_bytes([("k", "timestamptz")], ["infinity"]) is None
    assert key_bytes([("a", "integer"), ("b", "text")], ["1", "x"]) == b'{"a":1,"b":"x"}'
