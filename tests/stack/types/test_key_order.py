"""Numbers that ClickHouse has as texts are ordered there as PostgreSQL orders the numbers."""

from __future__ import annotations

import random

from cdc.clients.clickhouse import connect_clickhouse
from cdc.comparison.order import clickhouse_number
from cdc.types import parse_type
from tests.stack.types.conftest import Lab

CHOSEN = (
    "NaN",
    "Infinity",
    "-Infinity",
    "0",
    "0.5",
    "-0.5",
    "-1.5",
    "-1.55",
    "1.5",
    "1.55",
    "9",
    "10",
    "-9",
    "-10",
)
FAR = tuple(
    f"{sign}1{'0' * zeros}{rest}" for sign in ("", "-") for zeros in (50, 51, 75, 90) for rest in ("", ".01")
)


def drawn(count: int) -> list[str]:
    draw = random.Random(7)
    return [
        f"{draw.choice(('', '-'))}{draw.randrange(1, 10 ** draw.randrange(1, 80))}.{draw.randrange(1, 10**6)}"
        for _ in range(count)
    ]


def test_a_text_that_is_a_number_has_its_place(lab: Lab) -> None:
    texts = sorted({*CHOSEN, *FAR, *drawn(2_000)})
    with lab.source() as source:
        query = "SELECT v::text FROM unnest(%s::numeric[]) AS t (v) ORDER BY t.v"
        expected = [row[0] for row in source.execute(query, (texts,)).fetchall()]
    client = connect_clickhouse(lab.connections.get("cdc_clickhouse"))
    order = clickhouse_number("v", parse_type("numeric"))
    found = client.query(
        f"SELECT v FROM (SELECT arrayJoin(%(texts)s) AS v) ORDER BY {order}",
        parameters={"texts": texts},
        settings={"max_query_size": 10_000_000},
    )
    client.close()
    assert [row[0] for row in found.result_rows] == expected
