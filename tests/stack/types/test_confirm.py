"""Which differences are told, on real databases; what Kafka and the streams do meanwhile is played."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import cast

import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.model.reconcile import fence_version
from cdc.model.version import filled, pack
from cdc.services.confirm import ROUNDS, Confirmer, Findings
from cdc.services.fences import Fences
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import TableSpec
from tests.stack.types.conftest import Lab
from tests.stack.types.test_names import event

_numbers = itertools.count()


class Played:
    """Fences that are passed at once; `meanwhile` happens while the capture is waited for."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.meanwhile: Callable[[], None] = lambda: None
        self.looks = 0

    def ends(self) -> dict[int, int]:
        return {0: self.end}

    def versions(self, ends: Mapping[int, int]) -> dict[int, int]:
        return {p: fence_version(0, end) for p, end in ends.items()}

    def wait_captured(self, lsn: int) -> None:
        assert lsn > 0
        self.looks += 1
        self.meanwhile()

    def wait_written(self, sink: str, ends: Mapping[int, int]) -> None:
        assert ends == {0: self.end}


class Copy:
    """A table with five rows, of which both sinks have a copy with the versions of offsets 0 to 4."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.name = lab, f"confirmed{next(_numbers)}"
        columns = [{"name": "id", "type": "integer", "nullable": False}, {"name": "v", "type": "text"}]
        self.table = TableSpec.model_validate(
            {"source": f"public.{self.name}", "key": ["id"], "columns": columns}
        )
        self.pipeline = lab.pipeline([self.table])
        lab.make(self.pipeline, self.table)
        self.source(f"CREATE TABLE {self.name} (id integer PRIMARY KEY, v text)")
        self.source(f"INSERT INTO {self.name} SELECT i, 'a' FROM generate_series(1, 5) i")
        lab.write(self.pipeline, self.table, tuple(event(n, {"v": "a"}) for n in range(1, 6)))
        self.fences = Played(end=5)

    def source(self, statement: str) -> None:
        with self.lab.source() as session:
            session.execute(statement.encode())

    def warehouse(self, statement: str) -> None:
        with self.lab.warehouse() as session:
            session.execute(statement.encode())

    def clickhouse(self, statement: str) -> None:
        connect_clickhouse(self.lab.connections.get("cdc_clickhouse")).command(statement)

    def write(self, number: int, v: str, offset: int) -> None:
        """An event of the stream, in both sinks."""
        self.warehouse(
            f"UPDATE cdc_raw.{self.name} SET v = '{v}', _version = {pack(0, offset)} WHERE id = {number}"
        )
        self.clickhouse(
            f"INSERT INTO cdc_raw.{self.name} (id, v, _version) VALUES ({number}, '{v}', {pack(0, offset)})"
        )
        self.fences.end = max(self.fences.end, offset + 1)

    def confirm(self, *numbers: int) -> Findings:
        keys = {(str(number),) for number in numbers}
        rows = RowsByKey(self.pipeline, self.lab.connections, self.table)
        confirmer = Confirmer(self.table, self.pipeline.sinks, rows, cast("Fences", self.fences))
        return confirmer.confirm({sink.name: keys for sink in self.pipeline.sinks})


@pytest.fixture
def copy(lab: Lab) -> Copy:
    return Copy(lab)


def told(findings: Findings) -> dict[tuple[str, str], list[str]]:
    return {
        (sink, key[0]): [difference.kind for difference in item.differences]
        for sink, found in findings.confirmed.items()
        for key, item in found.items()
    }


def test_equal_rows_are_not_told(copy: Copy) -> None:
    findings = copy.confirm(1, 2, 3, 4, 5, 77)
    assert (told(findings), findings.unsettled, findings.count) == ({}, {}, 0)
    assert copy.fences.looks == 1


def test_real_differences_are_told_with_their_kind(copy: Copy) -> None:
    copy.warehouse(f"DELETE FROM cdc_raw.{copy.name} WHERE id = 1")
    copy.source(f"DELETE FROM {copy.name} WHERE id = 2")
    copy.clickhouse(
        f"ALTER TABLE cdc_raw.{copy.name} UPDATE v = 'x' WHERE id = 3 SETTINGS mutations_sync = 2"
    )
    hidden = pack(0, 10**6)
    copy.warehouse(f"UPDATE cdc_raw.{copy.name} SET _version = {hidden} WHERE id = 4")
    findings = copy.confirm(1, 2, 3, 4, 5)
    assert told(findings) == {
        ("warehouse", "1"): ["missing"],
        ("clickhouse", "2"): ["extra"],
        ("warehouse", "2"): ["extra"],
        ("clickhouse", "3"): ["differing"],
        ("warehouse", "4"): ["foreign"],
    }
    (wrong,) = findings.confirmed["clickhouse"][("3",)].differences
    assert (wrong.column, wrong.expected, wrong.found) == ("v", "a", "x")
    assert findings.confirmed["warehouse"][("4",)].foreign == hidden
    assert copy.fences.looks == 1


def test_a_row_that_a_new_build_has_filled_is_told_only_when_it_differs(copy: Copy) -> None:
    fill = f"UPDATE cdc_raw.{copy.name} SET _partition = -1, _version = {filled(0)}"
    copy.warehouse(f"{fill} WHERE id < 4")
    copy.warehouse(f"UPDATE cdc_raw.{copy.name} SET v = 'x' WHERE id = 2")
    copy.source(f"DELETE FROM {copy.name} WHERE id = 3")
    # One that is of no partition either, and of no build.
    copy.warehouse(f"UPDATE cdc_raw.{copy.name} SET _partition = -1 WHERE id = 5")
    findings = copy.confirm(1, 2, 3, 5)
    assert told(findings) == {
        ("warehouse", "2"): ["differing"],
        ("clickhouse", "3"): ["extra"],
        ("warehouse", "3"): ["extra"],
        ("warehouse", "5"): ["foreign"],
    }
    foreign = {key: item.foreign for key, item in findings.confirmed["warehouse"].items()}
    assert foreign == {("2",): None, ("3",): None, ("5",): pack(0, 4)}


def test_a_change_that_arrives_meanwhile_is_looked_at_again(copy: Copy) -> None:
    def change() -> None:
        if copy.fences.looks == 1:
            copy.source(f"UPDATE {copy.name} SET v = 'new' WHERE id = 1")
            copy.write(1, "new", offset=5)

    copy.fences.meanwhile = change
    findings = copy.confirm(1)
    assert (told(findings), findings.unsettled) == ({}, {})
    assert copy.fences.looks == 2


@pytest.mark.parametrize("statement", ["DELETE FROM {} WHERE id = 6", "TRUNCATE {}"])
def test_a_row_that_leaves_the_source_without_a_trace_in_a_sink_is_looked_at_again(
    copy: Copy, statement: str
) -> None:
    copy.source(f"INSERT INTO {copy.name} VALUES (6, 'a')")

    def leave() -> None:
        if copy.fences.looks == 1:
            copy.source(statement.format(copy.name))

    copy.fences.meanwhile = leave
    findings = copy.confirm(6)
    assert (told(findings), findings.unsettled) == ({}, {})
    assert copy.fences.looks == 2


def test_a_row_that_never_rests_is_unsettled_and_not_told(copy: Copy) -> None:
    def change() -> None:
        copy.source(f"UPDATE {copy.name} SET v = v || 'x' WHERE id = 1")

    change()
    copy.fences.meanwhile = change
    findings = copy.confirm(1, 2)
    assert told(findings) == {}
    assert findings.unsettled == {"clickhouse": {("1",)}, "warehouse": {("1",)}}
    assert copy.fences.looks == ROUNDS
