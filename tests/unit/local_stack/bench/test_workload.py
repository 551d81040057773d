"""The changes of the bench, and what a table holds after them."""

from __future__ import annotations

from collections import Counter

from local_stack.bench.figures import fingerprint
from local_stack.bench.shapes import ORDERS, wide
from local_stack.bench.workload import HOT_KEYS, SENTINELS, Workload


def replay(changes):
    rows: dict[int, tuple[str, ...]] = {}
    for change in changes:
        if change.op == "d":
            del rows[change.key]
        else:
            assert (change.op == "u") == (change.key in rows)
            rows[change.key] = change.row
    return rows


def test_the_known_rows_are_what_the_changes_give():
    workload = Workload(ORDERS, seed=3)
    changes = [*workload.take(5000), *workload.sentinels(3)]
    rows = replay(changes)
    assert rows == workload.rows
    assert len(rows) == len(list(workload.lines()))


def test_the_same_seed_makes_the_same_changes():
    first, second = (list(Workload(wide(), seed=5).take(300)) for _ in range(2))
    assert first == second
    assert first != list(Workload(wide(), seed=6).take(300))


def test_there_are_all_three_operations_and_hot_keys():
    changes = list(Workload(ORDERS, seed=1).take(20_000))
    shares = Counter(change.op for change in changes)
    assert shares["c"] > shares["u"] > shares["d"] > 1000
    updated = Counter(change.key for change in changes if change.op == "u")
    hot = sum(count for _, count in updated.most_common(HOT_KEYS))
    assert 0.4 < hot / shares["u"] < 0.8


def test_sentinels_end_each_partition_and_are_never_used_again():
    workload = Workload(ORDERS)
    keys = [change.key for _ in range(4) for change in workload.sentinels(3)]
    assert len(set(keys)) == len(keys)
    assert all({key % 3 for key in keys[at : at + 3]} == {0, 1, 2} for at in range(0, len(keys), 3))
    assert min(keys) >= SENTINELS


def test_a_line_is_the_row_without_json_marks():
    workload = Workload(ORDERS)
    (change, *_) = workload.take(1)
    (line, *_) = workload.lines()
    assert line.split("\t") == [value.strip('"') for value in change.row]


def test_fingerprints_ignore_order_and_count_what_is_there_twice():
    lines = list(Workload(ORDERS).lines()) or ["a", "b", "c"]
    assert fingerprint(lines) == fingerprint(reversed(lines))
    assert fingerprint([*lines, lines[0]]) != fingerprint(lines)
    assert fingerprint([*lines[1:], "other"]) != fingerprint(lines)
