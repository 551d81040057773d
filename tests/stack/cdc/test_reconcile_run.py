"""Which tables a reconciliation leaves out, and that it says so."""

from __future__ import annotations

import pytest

from cdc.services.reconcile_run import reconcile_tables
from tests.stack.cdc.place import Place


@pytest.mark.parametrize("of", ["", "public.t"])
def test_a_table_whose_rows_are_still_read_by_a_snapshot_is_not_compared(place: Place, of: str) -> None:
    """Its rows would be told as missing, and repaired one by one."""
    said: list[str] = []
    table, unread = place.pipeline.table("t"), {of: "its snapshot is under way"}
    reports = reconcile_tables(
        place.pipeline, place.connections, place.ops, [table], mend=None, say=said.append, unread=unread
    )
    assert (reports, said) == ([], ["public.t: is not compared, since its snapshot is under way"])
