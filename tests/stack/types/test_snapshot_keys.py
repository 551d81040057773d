"""A key that a snapshot would tell as another one is found before there is a snapshot."""

from __future__ import annotations

import pytest

from cdc.services.capturable import entry
from cdc.services.catalogue import read_tables
from cdc.services.snapshot_keys import untold_keys
from cdc.spec import TableSpec
from tests.stack.types.conftest import Lab


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (("2026-01-01", "1582-10-15", "-infinity", "infinity"), False),
        (("2026-01-01", "2026-01-01 BC"), True),
        (("1582-10-14",), True),
        ((), False),
    ],
)
def test_dates_that_a_snapshot_changes_are_refused_in_a_key(
    lab: Lab, days: tuple[str, ...], told: bool
) -> None:
    with lab.source() as source:
        source.execute('DROP TABLE IF EXISTS "keyed %s"')
        source.execute(
            'CREATE TABLE "keyed %s" (id int, "the %" date, other date, PRIMARY KEY (id, "the %"))'
        )
        for day in days:
            statement = "INSERT INTO \"keyed %%s\" VALUES (1, %s, '0044-03-15 BC')"
            source.execute(statement.encode(), [day])
        found = next(table for table in read_tables(source) if table.name == "keyed %s")
        said = untold_keys(source, [TableSpec.model_validate(entry(found))])
    assert [text.split(",")[0] for text in said] == (
        ["public.\"keyed %s\": key column 'the %' has dates before 1582-10-15"] if told else []
    )
