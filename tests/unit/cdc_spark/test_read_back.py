"""A value in PostgreSQL's text form is the same as the value that Debezium sent of it, for every type."""

from __future__ import annotations

import pytest

from cdc_spark.transformations.doubts import doubts_of
from cdc_spark.transformations.encodings import hstore_texts
from cdc_spark.transformations.limits import POSTGRES
from cdc_spark.transformations.postgres_text import texts
from cdc_spark.transformations.read_back import debezium_value
from cdc_spark.transformations.values import convert_column
from tests.postgres_types.recording import is_carried, recorded, spec

CAST_DIFFERS = {"inet", "xml", "character", "boolean"}
"""Types whose recorded text, a cast, is not what a column prints; `tests/spark/test_stored_rows` has them."""
NAMES = [
    name
    for name in filter(is_carried, sorted(recorded()))
    if spec(name).columns[-1].pg_type.base not in CAST_DIFFERS and not spec(name).unsent
]


def form(values, pg):
    """Comparable: no date that Python lacks, no order of an hstore's pairs."""
    if pg.base == "hstore":
        return [text and sorted(text.split(", ")) for text in texts(hstore_texts(values))]
    return texts(values)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_text_becomes_what_the_event_became(name):
    pg = spec(name).columns[-1].pg_type
    tried = 0
    for event in recorded()[name]:
        sent, misfits = convert_column([event.sent], pg, POSTGRES)
        untrue = any(doubt.may_be(event.sent) for doubt in doubts_of(spec(name), POSTGRES).values())
        if event.op == "r" or untrue or misfits or (event.sent is None and event.text is not None):
            continue
        read = debezium_value(None if event.text is None else event.text.encode(), pg)
        back, wrong = convert_column([read], pg, POSTGRES)
        assert wrong == {}
        assert back.type == sent.type
        assert form(back, pg) == form(sent, pg), event.text
        tried += 1
    assert tried
