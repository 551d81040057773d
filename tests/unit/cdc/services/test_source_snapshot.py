"""The signal by which Debezium is asked for a part of a table."""

from __future__ import annotations

import json

from cdc.services.source_snapshot import signal_of


def test_the_condition_names_the_collection_as_the_signal_does(pipeline) -> None:
    table = pipeline.table("public.orders")
    assert json.loads(signal_of(table, "")) == {
        "type": "incremental",
        "data-collections": ["public\\.orders"],
    }
    assert json.loads(signal_of(table, "(\"id\") >= ('5') AND (note LIKE '%\"%')"))[
        "additional-conditions"
    ] == [{"data-collection": "public\\.orders", "filter": "((\"id\") >= ('5') AND (note LIKE '%\"%'))"}]
