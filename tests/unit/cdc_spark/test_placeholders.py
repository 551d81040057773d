"""The placeholders for values that an update left alone, as they look in JSON."""

from __future__ import annotations

import orjson
import pytest

from cdc.model.toast import PLACEHOLDER as TEXT
from cdc_spark.transformations import placeholders

BASE64 = "X19jZGNfdW5jaGFuZ2VkXzJmNmIxYzllNGQ3YTQwODViM2Uw"
FORMS = {
    "text, varchar, json, jsonb, numeric, tsvector, ranges": TEXT,
    "bytea, composites, multiranges": BASE64,
    "text[], varchar[], char[], json[], jsonb[]": [TEXT],
    "bytea[]": [BASE64],
    "integer[], bigint[], date[]": list(TEXT.encode()),
    "uuid[]": ["c484e55a-2176-335e-8b84-3f62ec59a45a"],
    "hstore": f'{{"{TEXT}":"{TEXT}"}}',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_seen_in_the_bytes_and_in_the_value(form: object) -> None:
    raw = orjson.dumps({"after": {"id": 1, "v": form}})
    assert placeholders.may_hold(raw)
    assert placeholders.held((1, orjson.loads(raw)["after"]["v"], None)) == (1,)


def test_a_value_that_merely_contains_it_is_a_users_own() -> None:
    assert (
        placeholders.held((f"what is {TEXT}?", [TEXT, TEXT], [BASE64, None], list(TEXT.encode())[1:])) == ()
    )
