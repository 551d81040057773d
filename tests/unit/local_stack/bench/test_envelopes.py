"""Events of the bench are those of Debezium, byte for byte: here against recorded ones."""

from __future__ import annotations

import base64
from decimal import Decimal

import pytest

from cdc.errors import DataError
from local_stack.bench.envelopes import Position, Recorded, decimal_bytes, layout_of, render_again
from local_stack.bench.shapes import ORDERS
from local_stack.bench.workload import Change

ROW = ("7", "1619163", '"paid"', '"3947.08"', "10", "null", '"2026-06-24T10:24:26.069851Z"')
SOURCE = (
    b'"source":{"version":"3.7.0.Final","connector":"postgresql","name":"live","ts_ms":1795613781952,'
    b'"snapshot":"false","db":"shop","sequence":"[\\"29248880\\",\\"29301416\\"]","ts_us":1795613781952204,'
    b'"ts_ns":1795613781952204000,"schema":"public","table":"bench_orders","txId":766,"lsn":29301416,'
    b'"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,'
)
TIMES = b'"ts_ms":1795613782006,"ts_us":1795613782006066,"ts_ns":1795613782006066708}'
AFTER = (
    b'{"id":7,"customer_id":1619163,"status":"paid","amount":%s,"quantity":10,"note":null,'
    b'"updated_at":"2026-06-24T10:24:26.069851Z"}'
)
BEFORE = (
    b'{"id":7,"customer_id":0,"status":"","amount":%s,"quantity":0,"note":null,'
    b'"updated_at":"1970-01-01T00:00:00Z"}'
)


def recorded(amount: bytes, nothing: bytes, *, schemas: bool) -> tuple[Recorded, Recorded]:
    insert = b'{"before":null,"after":' + AFTER % amount + b"," + SOURCE + b'"op":"c",' + TIMES
    delete = b'{"before":' + BEFORE % nothing + b',"after":null,' + SOURCE + b'"op":"d",' + TIMES
    key = b'{"id":7}'
    if schemas:
        head, tail = b'{"schema":{"type":"struct","name":"100%.bench_orders"},"payload":', b"}"
        insert, delete, key = head + insert + tail, head + delete + tail, head + key + tail
    return Recorded(key, insert), Recorded(key, delete)


@pytest.mark.parametrize("schemas", [False, True])
def test_a_layout_renders_recorded_events_again_byte_for_byte(schemas):
    insert, delete = recorded(b'"3947.08"', b'"0.00"', schemas=schemas)
    layout = layout_of(insert, delete, ROW, ORDERS)
    assert render_again(layout, insert) == insert.value
    assert render_again(layout, delete) == delete.value
    at = Position(
        29301416, 766, '"[\\"29248880\\",\\"29301416\\"]"', 1795613781952204000, 1795613782006066708
    )
    assert layout.render(Change("c", 7, ROW), at) == insert.value
    assert layout.render(Change("d", 7, ROW), at) == delete.value
    assert layout.render_key(7) == insert.key
    assert layout.precise == frozenset()


def test_precise_decimals_are_written_as_bytes():
    insert, delete = recorded(b'"BgXU"', b'"AA=="', schemas=True)
    layout = layout_of(insert, delete, ROW, ORDERS)
    assert layout.precise == {3}
    assert layout.values(ROW)[3] == '"BgXU"'


@pytest.mark.parametrize(
    "text", ["0.00", "0.01", "1.27", "1.28", "3947.08", "-1.28", "-1.29", "9999999999.99"]
)
def test_decimal_bytes_are_the_unscaled_number(text):
    data = base64.b64decode(decimal_bytes(f'"{text}"').strip('"'))
    assert Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-2) == Decimal(text)


def test_an_event_that_is_not_rendered_alike_is_refused():
    insert, delete = recorded(b'"3947.08"', b'"0.00"', schemas=False)
    spaced = Recorded(insert.key, insert.value.replace(b'"op":"c"', b'"op": "c"'))
    with pytest.raises(DataError, match="rendered differently"):
        layout_of(spaced, delete, ROW, ORDERS)


def test_a_table_of_another_name_has_the_same_layout():
    insert, delete = recorded(b'"3947.08"', b'"0.00"', schemas=True)
    layout = layout_of(insert, delete, ROW, ORDERS).renamed("bench_orders", "bench_t01")
    value = render_again(layout, insert)
    assert value == insert.value.replace(b"bench_orders", b"bench_t01")
