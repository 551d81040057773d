"""What each sink keeps of equal versions, older ones, tombstones and truncates."""

import pytest

from cdc.errors import FencedError
from cdc.model.floors import Floor
from cdc.model.kept import ClickHouseTable, Kept, WarehouseTable
from cdc.model.ledger import Range


def row(version: int, values: str, *, deleted: bool = False, lsn: int = 10) -> Kept:
    return Kept(version, deleted, lsn, 0, values)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ([row(4, "a"), row(6, "b")], {1: "b"}),
        ([row(6, "b"), row(4, "a")], {1: "b"}),
        ([row(4, "a"), row(4, "again")], {1: "again"}),
        ([row(6, "", deleted=True), row(4, "a")], {}),
        ([row(4, "", deleted=True), row(6, "back")], {1: "back"}),
        ([row(4, "truncated", lsn=9)], {}),
    ],
)
def test_both_sinks_show_the_same(written: list[Kept], seen: dict[int, str]) -> None:
    clickhouse, warehouse = ClickHouseTable(), WarehouseTable()
    for item in written:
        clickhouse.insert([(1, item)], [Floor(0, 10)])
        warehouse.write([(1, item)], [Floor(0, 10)])
    assert clickhouse.view() == warehouse.view() == seen
    clickhouse.optimize()
    assert clickhouse.view() == seen


def test_cleanup_lets_an_older_event_bring_a_row_back_and_optimize_does_not() -> None:
    for upkeep, seen in ((ClickHouseTable.optimize, {}), (ClickHouseTable.cleanup, {1: "a"})):
        table = ClickHouseTable()
        table.insert([(1, row(6, "", deleted=True))])
        upkeep(table)
        table.insert([(1, row(4, "a"))])
        assert table.view() == seen


def test_a_refused_writer_leaves_no_trace_in_the_warehouse() -> None:
    table = WarehouseTable()
    table.raise_fence(2)
    with pytest.raises(FencedError, match="fence is at 2"):
        table.write([(1, row(4, "a"))], [Floor(1, 1)], [Range("t", 0, 0, 5)], epoch=1)
    assert (table.view(), table.ledger, table.floor) == ({}, {}, Floor(0, 0))


def test_a_bounded_run_moves_no_ledger() -> None:
    table = WarehouseTable()
    table.write([(1, row(4, "a"))], until=[Range("t", 0, 0, 5)])
    assert table.ledger == {}
    table.write([], until=[Range("t", 0, 0, 5)], epoch=1)
    assert table.ledger == {("t", 0): 5}
