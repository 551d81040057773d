"""Histories that are kept: those that failed once, and those that show a mistake which chance seldom meets.

Each was found by a run, shrunk, and is (partitions, steps).
"""

from __future__ import annotations

from tests.unit.cdc.model.histories.world import Step

History = tuple[int, list[Step]]

FAILED_ONCE: dict[str, History] = {
    "a truncate commits after a window's end with an LSN below it": (
        2,
        [
            ("capture", 0, 0),
            ("change", 2, 240),
            ("capture", 0, 0),
            ("window", 0, 0),
            ("window", 0, 0),
            ("truncate", 0, 0),
            ("window", 0, 0),
        ],
    ),
    "a row is repaired, and deleted before the slot exists": (
        2,
        [("change", 0, 63), ("begin_job", 0, 0), ("work", 0, 3), ("change", 100, 0)],
    ),
    "a repair reads the row that follows under a key that changed": (
        1,
        [
            ("change", 139, 186),
            ("capture", 227, 0),
            ("capture", 0, 0),
            ("change", 54, 141),
            ("deliver", 0, 0),
            ("change", 0, 190),
            ("begin_job", 0, 154),
            ("change", 209, 62),
            ("work", 0, 1),
        ],
    ),
    "the same in the warehouse, with a second row": (
        2,
        [
            ("change", 0, 0),
            ("change", 2, 54),
            ("change", 50, 133),
            ("capture", 115, 0),
            ("change", 7, 228),
            ("capture", 0, 0),
            ("change", 177, 40),
            ("begin_job", 1, 222),
            ("change", 137, 0),
            ("work", 0, 1),
            ("deliver", 95, 0),
        ],
    ),
    "a generation is raised while a truncate is not committed": (
        2,
        [
            ("change", 3, 246),
            ("capture", 0, 0),
            ("change", 238, 109),
            ("truncate", 0, 0),
            ("capture", 0, 0),
            ("raise_generation", 0, 0),
        ],
    ),
    "a bounded run fills a row while the topic is made anew": (
        1,
        [
            ("change", 64, 175),
            ("capture", 0, 0),
            ("change", 9, 61),
            ("raise_generation", 0, 0),
            ("capture", 0, 215),
            ("restart_connector", 158, 13),
            ("begin_job", 166, 0),
            ("capture", 0, 19),
            ("work", 0, 46),
            ("change", 214, 0),
            ("raise_generation", 163, 0),
        ],
    ),
    "a zombie fills a row while a partition is added": (
        3,
        [
            ("capture", 0, 0),
            ("change", 3, 183),
            ("change", 243, 76),
            ("change", 0, 91),
            ("capture", 100, 0),
            ("deliver", 148, 0),
            ("widen", 0, 205),
            ("change", 11, 0),
            ("raise_generation", 0, 0),
        ],
    ),
}
"""By what happens. Each must end well now."""

SHOWS: dict[str, History] = {
    "a comparison reads the source once": (
        3,
        [
            ("capture", 0, 0),
            ("change", 223, 243),
            ("compare", 0, 74),
            ("capture", 0, 29),
            ("deliver", 120, 0),
            ("compare", 0, 0),
            ("change", 243, 114),
            ("capture", 142, 0),
            ("compare", 0, 0),
            ("deliver", 0, 0),
            ("change", 254, 242),
            ("deliver", 248, 0),
            ("deliver", 104, 0),
            ("compare", 0, 0),
            ("compare", 0, 0),
            ("compare", 0, 0),
        ],
    ),
    "the horizon ignores dead letters": (
        2,
        [
            ("change", 7, 91),
            ("spoil", 2, 0),
            ("capture", 0, 0),
            ("change", 102, 43),
            ("capture", 178, 0),
            ("deliver", 170, 0),
            ("deliver", 71, 0),
            ("deliver", 0, 0),
            ("upkeep", 151, 0),
        ],
    ),
    "the horizon looks at each partition alone": (
        1,
        [
            ("raise_generation", 0, 0),
            ("change", 212, 0),
            ("raise_generation", 77, 0),
            ("raise_generation", 0, 0),
            ("change", 252, 185),
            ("capture", 21, 0),
            ("raise_generation", 0, 0),
            ("retain", 189, 0),
        ],
    ),
    "CLEANUP beside a repair": (
        1,
        [
            ("change", 0, 16),
            ("capture", 1, 0),
            ("capture", 5, 0),
            ("deliver", 14, 0),
            ("deliver", 15, 0),
            ("begin_job", 0, 0),
            ("work", 0, 2),
            ("change", 35, 16),
            ("capture", 5, 0),
            ("deliver", 14, 0),
            ("deliver", 15, 0),
            ("upkeep", 1, 0),
            ("work", 0, 5),
        ],
    ),
    "inserts have no deadline": (
        1,
        [
            ("capture", 0, 0),
            ("change", 179, 175),
            ("change", 99, 122),
            ("capture", 65, 0),
            ("deliver", 0, 190),
            ("crash", 0, 235),
            ("deliver", 87, 0),
            ("deliver", 110, 0),
            ("upkeep", 67, 0),
        ],
    ),
    "a repair reads the generation last": (
        1,
        [
            ("change", 64, 175),
            ("capture", 0, 0),
            ("change", 9, 61),
            ("raise_generation", 0, 0),
            ("capture", 0, 0),
            ("begin_job", 6, 0),
            ("work", 0, 46),
            ("change", 34, 0),
            ("raise_generation", 155, 0),
        ],
    ),
    "a repair for an event takes its partition's end": (
        3,
        [
            ("capture", 0, 0),
            ("change", 16, 0),
            ("spoil", 91, 0),
            ("raise_generation", 116, 0),
            ("begin_job", 3, 0),
            ("raise_generation", 0, 0),
            ("widen", 0, 0),
            ("work", 0, 9),
            ("spoil", 156, 0),
        ],
    ),
    "a repair keeps the partition that the key had": (
        1,
        [
            ("change", 64, 175),
            ("capture", 1, 0),
            ("capture", 5, 0),
            ("begin_job", 0, 4),
            ("work", 0, 0),
            ("raise_generation", 0, 0),
            ("work", 0, 5),
            ("change", 9, 61),
        ],
    ),
    "a placeholder trusts a row of a later time": FAILED_ONCE[
        "a repair reads the row that follows under a key that changed"
    ],
    "a changed key takes the old key's stored row": (
        2,
        [
            ("capture", 0, 0),
            ("change", 152, 253),
            ("capture", 0, 0),
            ("change", 152, 154),
            ("deliver", 0, 0),
            ("change", 242, 11),
        ],
    ),
    "a bounded run ahead of the query trusts stored rows": (
        2,
        [
            ("capture", 0, 0),
            ("change", 0, 83),
            ("change", 235, 214),
            ("change", 215, 228),
            ("capture", 0, 0),
            ("capture", 237, 0),
            ("deliver", 137, 2),
            ("begin_job", 7, 247),
        ],
    ),
    "a table being resumed trusts stored rows": (
        1,
        [
            ("change", 0, 16),
            ("capture", 1, 0),
            ("capture", 5, 0),
            ("deliver", 15, 0),
            ("park", 1, 0),
            ("begin_job", 5, 0),
            ("work", 0, 0),
            ("change", 25, 16),
            ("capture", 5, 0),
            ("deliver", 15, 0),
            ("work", 0, 1),
            ("change", 10, 16),
            ("capture", 5, 0),
            ("deliver", 15, 0),
        ],
    ),
    "parking begins after the batch": (
        2,
        [
            ("change", 0, 155),
            ("capture", 0, 0),
            ("change", 131, 45),
            ("capture", 0, 0),
            ("spoil", 80, 0),
            ("spoil", 61, 0),
            ("deliver", 0, 0),
        ],
    ),
    "a replay is marked before it is written": (
        2,
        [
            ("capture", 0, 0),
            ("change", 158, 0),
            ("spoil", 93, 33),
            ("capture", 123, 0),
            ("deliver", 175, 0),
            ("begin_job", 251, 0),
            ("work", 0, 0),
            ("drop_job", 0, 0),
        ],
    ),
}
"""By the planted mistake that it shows."""
