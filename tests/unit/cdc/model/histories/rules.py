"""The rules that a history runs by: the platform's own, and switches by which a test plants a mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cdc.model import horizon
from cdc.model.kept import ClickHouseTable, WarehouseTable
from cdc.model.reconcile import fence_version
from cdc.model.toast import source_version
from tests.unit.cdc.model.histories import filling
from tests.unit.cdc.model.histories.capture import Record, Topic


def version_of(topic: Topic, record: Record) -> int:
    """An event's version, from its coordinates alone."""
    return topic.version(record)


@dataclass(frozen=True)
class Rules:
    """What a history runs by; every default is the right one."""

    version: Callable[..., int] = version_of
    repair_version: Callable[[int, int], int] = fence_version
    source_version: Callable[..., int] = source_version
    clickhouse: type[ClickHouseTable] = ClickHouseTable
    warehouse: type[WarehouseTable] = WarehouseTable
    fill: Callable[..., int | filling.Origin] = filling.fill
    horizons: Callable[..., dict[int, int]] = horizon.horizons
    cleanup_permitted: Callable[..., bool] = horizon.cleanup_permitted
    repairs_only_what_is_captured: bool = True
    ends_before_row: bool = True
    generations_before_row: bool = True
    repairs_in_the_keys_partition: bool = True
    letters_before_commit: bool = True
    letters_make_doubt: bool = True
    marks_after_write: bool = True
    letters_keep_versions: bool = True
    letters_one_by_one: bool = True
    old_row_needs_its_delete: bool = True
    deadline: bool = True
    waits_for_the_old_spec: bool = True
    reads_what_came_while_resuming: bool = True
    resuming_makes_doubt: bool = True
    reading_ahead_makes_doubt: bool = True
    parks_from_the_first_bad: bool = True
    optimizes_before_deleting: bool = True
    compares_when_suspect: bool = True
    compares_what_is_captured: bool = True
    compares_twice_with_the_source: bool = True
    refreshes_repairs_after_a_fix: bool = True
