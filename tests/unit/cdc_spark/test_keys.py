"""Which keys of a table may lack an event in a sink."""

from __future__ import annotations

import pytest

from cdc.spec import TableSpec
from cdc_spark.transformations.keys import doubtful, identity_of
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES

ONE, TWO = b'{"id": 1}', b'{"id": 2}'


def test_a_key_is_doubtful_while_it_has_a_dead_letter(table):
    assert doubtful([ONE, TWO], [TWO, b'{"id": 3}'], table) == {TWO}
    assert doubtful([ONE, TWO], [], table) == frozenset()


@pytest.mark.parametrize(
    "unreadable", [None, b"no JSON", b"[1]", b'{"other": 1}', b'{"id": null}', b'{"id": "x"}']
)
def test_a_dead_letter_without_a_readable_key_may_be_of_any_row(table, unreadable):
    assert doubtful([ONE, TWO], [unreadable, TWO], table) == {ONE, TWO}
    assert identity_of(unreadable, table, CLICKHOUSE) is None


def test_a_key_beyond_what_python_has_years_for_is_a_key():
    columns = [{"name": "at", "type": "timestamptz", "nullable": False}, {"name": "v", "type": "text"}]
    stamps = TableSpec.model_validate({"source": "public.stamps", "key": ["at"], "columns": columns})
    early, late = (b'{"at": "%s"}' % at for at in (b"2026-01-01T00:00:00Z", b"+12026-01-01T00:00:00Z"))
    assert identity_of(early, stamps, POSTGRES) == (1767225600000000,)
    [far] = identity_of(late, stamps, POSTGRES) or ()
    assert far > 2**48
