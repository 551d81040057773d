"""Mistakes that are easily made: the rules of a history, each time with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cdc.model.floors import Floor
from cdc.model.horizon import Held, cleanup_permitted, horizons
from cdc.model.kept import ClickHouseTable, Entry, Kept, Key, WarehouseTable
from cdc.model.version import pack
from tests.unit.cdc.model.histories.capture import Record, Topic
from tests.unit.cdc.model.histories.filling import Origin, Question, fill
from tests.unit.cdc.model.histories.rules import Rules


class StrictGuard(WarehouseTable):
    def accepts(self, stored: int, offered: int) -> bool:
        return offered > stored


class NoGuard(WarehouseTable):
    def accepts(self, stored: int, offered: int) -> bool:
        return True


class NoFence(WarehouseTable):
    def refuses(self, epoch: int) -> bool:
        return False


class NoFloor(ClickHouseTable):
    def insert(self, rows: Iterable[Entry], floors: Iterable[Floor] = ()) -> None:
        super().insert(rows)


class FloorByLsnAlone(ClickHouseTable):
    def insert(self, rows: Iterable[Entry], floors: Iterable[Floor] = ()) -> None:
        super().insert(rows, [Floor(2**15, max(self.floor.lsn, *(f.lsn for f in floors), 0)) for _ in floors])

    def view(self) -> dict[Key, Any]:
        newest = {key: self.newest(key) for key in self.rows}
        return {k: r.values for k, r in newest.items() if r and not r.deleted and r.lsn >= self.floor.lsn}

    def delete_truncated(self) -> None:
        pass


class TruncateDeletes(WarehouseTable):
    def write(self, rows: Any, floors: Any = (), until: Any = (), epoch: int | None = None) -> None:
        if floors:
            self.rows = {}
        super().write(rows, (), until, epoch)


class FirstInsertWins(ClickHouseTable):
    def newest(self, key: Key) -> Kept | None:
        return max(self.rows.get(key, ()), key=lambda row: row.version, default=None)

    def view(self) -> dict[Key, Any]:
        self.rows = {key: [max(rows, key=lambda row: row.version)] for key, rows in self.rows.items()}
        return super().view()


class RepairsWithoutLsn(ClickHouseTable):
    def insert(self, rows: Iterable[Entry], floors: Iterable[Floor] = ()) -> None:
        super().insert([(k, row._replace(lsn=0) if row.version & 1 else row) for k, row in rows], floors)


def lsn_as_version(topic: Topic, record: Record) -> int:
    return pack(1, record.change.lsn)


def offset_as_version(topic: Topic, record: Record) -> int:
    return pack(1, record.offset)


def generation_when_read(topic: Topic, record: Record) -> int:
    partition = min(record.partition, len(topic.ends) - 1)
    return pack(topic.generation(partition, topic.ends[partition]), record.offset)


def repair_above_the_next_event(generation: int, end: int) -> int:
    return pack(generation, end, repair=True)


def repair_below_the_last_event(generation: int, end: int) -> int:
    return pack(generation, end // 2 - 1, repair=True)


def end_of_the_events_partition(event: int, newest: int, end: int) -> int:
    return pack(newest, end - 1, repair=True)


def fill_with_null(question: Question, floor: Floor) -> int | Origin:
    return 0


def fill_from_the_stored_row_alone(question: Question, floor: Floor) -> int | Origin:
    return fill(question._replace(remembered=None), floor)


def fill_without_doubt(question: Question, floor: Floor) -> int | Origin:
    return fill(question._replace(doubtful=False), floor)


def fill_from_a_later_time(question: Question, floor: Floor) -> int | Origin:
    return fill(question._replace(lsn=2**62), floor)


def fill_from_another_generation(question: Question, floor: Floor) -> int | Origin:
    remembered, before, since = question.remembered, question.before, question.since
    remembered = remembered and remembered._replace(version=since)
    return fill(
        question._replace(remembered=remembered, before=before and before._replace(version=since)), floor
    )


def no_horizon(earliest: Mapping[int, int], held: Held = ()) -> dict[int, int]:
    return dict.fromkeys(earliest, 2**62)


def horizon_of_kafka_alone(earliest: Mapping[int, int], held: Held = ()) -> dict[int, int]:
    return horizons(earliest)


def horizon_of_each_partition_alone(earliest: Mapping[int, int], held: Held = ()) -> dict[int, int]:
    return {p: min(version, *(v for q, v in held if p == q), 2**62) for p, version in earliest.items()}


MISTAKES = {
    "an LSN is the version": Rules(version=lsn_as_version),
    "the version has no generation": Rules(version=offset_as_version),
    "the generation is that of the reading": Rules(version=generation_when_read),
    "the warehouse's guard is >": Rules(warehouse=StrictGuard),
    "the warehouse has no guard": Rules(warehouse=NoGuard),
    "the warehouse has no fence": Rules(warehouse=NoFence),
    "ClickHouse has no truncate floor": Rules(clickhouse=NoFloor),
    "a truncate floor has no generation": Rules(clickhouse=FloorByLsnAlone),
    "a truncate deletes what is there": Rules(warehouse=TruncateDeletes),
    "the first insert wins": Rules(clickhouse=FirstInsertWins),
    "tombstones have no horizon": Rules(horizons=no_horizon),
    "the horizon ignores dead letters": Rules(horizons=horizon_of_kafka_alone),
    "the horizon looks at each partition alone": Rules(horizons=horizon_of_each_partition_alone),
    "CLEANUP ignores the horizon": Rules(cleanup_permitted=lambda tombstones, horizon, repairs: True),
    "CLEANUP beside a repair": Rules(
        cleanup_permitted=lambda t, horizon, repairs: cleanup_permitted(t, horizon, 0)
    ),
    "tombstones go before OPTIMIZE": Rules(optimizes_before_deleting=False),
    "inserts have no deadline": Rules(deadline=False),
    "a new spec starts beside the old": Rules(waits_for_the_old_spec=False),
    "a repair before capture begins": Rules(repairs_only_what_is_captured=False),
    "a repair reads the row first": Rules(ends_before_row=False),
    "a repair lies above the next event": Rules(repair_version=repair_above_the_next_event),
    "a repair lies below the last event": Rules(repair_version=repair_below_the_last_event),
    "a repair has no LSN": Rules(clickhouse=RepairsWithoutLsn),
    "a repair reads the generation last": Rules(generations_before_row=False),
    "a repair for an event takes its partition's end": Rules(source_version=end_of_the_events_partition),
    "a repair keeps the partition that the key had": Rules(repairs_in_the_keys_partition=False),
    "a comparison does not wait for the capture": Rules(compares_what_is_captured=False),
    "a comparison reads the source once": Rules(compares_twice_with_the_source=False),
    "repairs are not made again after a fix": Rules(refreshes_repairs_after_a_fix=False),
    "a placeholder becomes NULL": Rules(fill=fill_with_null),
    "a placeholder ignores the batch": Rules(fill=fill_from_the_stored_row_alone),
    "a placeholder trusts every stored row": Rules(fill=fill_without_doubt),
    "a placeholder trusts a row of a later time": Rules(fill=fill_from_a_later_time),
    "a placeholder trusts a row of another generation": Rules(fill=fill_from_another_generation),
    "a placeholder ignores dead letters": Rules(letters_make_doubt=False),
    "a changed key takes the old key's stored row": Rules(old_row_needs_its_delete=False),
    "a bounded run ahead of the query trusts stored rows": Rules(reading_ahead_makes_doubt=False),
    "a table being resumed trusts stored rows": Rules(resuming_makes_doubt=False),
    "resuming leaves out what came meanwhile": Rules(reads_what_came_while_resuming=False),
    "parking begins after the batch": Rules(parks_from_the_first_bad=False),
    "dead letters are kept after the commit": Rules(letters_before_commit=False),
    "a replay writes a new version": Rules(letters_keep_versions=False),
    "a replay remembers across letters": Rules(letters_one_by_one=False),
    "a replay is marked before it is written": Rules(marks_after_write=False),
    "a suspect snapshot is not compared": Rules(compares_when_suspect=False),
}
"""By what is wrong."""
