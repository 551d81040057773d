"""Where a micro-batch's time goes, from the driver's own log."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path

TAIL = 200
"""Batches of each sink that count: the last ones, under load."""


def median_durations(log: Path) -> dict[str, dict[str, float]]:
    """For each sink the median milliseconds of each step of a batch, in Spark's words."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"event": "batch"' not in line:
            continue
        record = json.loads(line)
        found[record["sink"]].append({"rows": record["input_rows"], **record["durations_ms"]})
    return {
        sink: {
            step: statistics.median(batch.get(step, 0) for batch in batches[-TAIL:])
            for step in sorted({step for batch in batches[-TAIL:] for step in batch})
        }
        for sink, batches in found.items()
    }
