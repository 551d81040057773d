"""The signals by which Debezium is asked for rows."""

from __future__ import annotations

import json
from typing import Any

from cdc.services.snapshot_signals import signal_data, snapshot_kind


def documents(kinds: Any, condition: str = "") -> list[dict[str, Any]]:
    return [json.loads(data) for data in signal_data(kinds, condition)]


def test_tables_of_which_debezium_loses_something_are_read_by_a_blocking_snapshot() -> None:
    sources = ["public.orders", 'public."a b"', 'x."c,d"', 'x."a(b"', 'x."a.b"', "public.totals"]
    kinds = {source: snapshot_kind(source, {"public.totals"}) for source in sources}
    assert documents(kinds) == [
        {
            "type": "incremental",
            "data-collections": [r"(?-i)public\.orders", r"(?-i)x\.c\x2cd", r"(?-i)x\.a\(b"],
        },
        {
            "type": "blocking",
            "data-collections": [r"(?-i)public\.a\x20b", r"(?-i)x\.a\.b", r"(?-i)public\.totals"],
        },
    ]


def test_a_condition_is_said_as_each_kind_of_snapshot_wants_it() -> None:
    condition = "(\"id\") >= ('5') AND (note LIKE '%\"%')"
    (incremental,) = documents({"public.orders": "incremental"}, condition)
    assert incremental["additional-conditions"] == [
        {"data-collection": r"(?-i)public\.orders", "filter": f"({condition})"}
    ]
    (blocking,) = documents({'public."a b"': "blocking"}, condition)
    assert blocking["additional-conditions"] == [
        {"data-collection": '"public"."a b"', "filter": f'SELECT * FROM "public"."a b" WHERE ({condition})'}
    ]


def test_a_table_that_debezium_cannot_find_by_its_own_name_is_read_as_a_whole() -> None:
    (blocking,) = documents({'public."a (b"': "blocking"}, "id > 5")
    assert blocking == {"type": "blocking", "data-collections": [r"(?-i)public\.a\x20\(b"]}
