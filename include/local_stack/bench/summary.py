"""What `bench.json` says, from everything that was measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SINKS = ("clickhouse", "warehouse")
RATE = 1000
"""The load at which freshness has a goal."""
Details = Mapping[str, Any]


def summarise(details: Details) -> dict[str, Any]:
    """The figures that the platform promises, under fixed names; None for what was not measured."""
    return {
        "drain": {sink: _drain(details.get("drain", {}).get(sink, {})) for sink in SINKS},
        "freshness": {sink: _freshness(details.get("freshness", {}), sink) for sink in SINKS},
        "sustained": {"share_of_capture": details.get("sustained", {}).get("share")},
        "reconcile": _reconcile(details.get("reconcile")),
        "environment": details.get("environment", {}),
    }


def _drain(found: Details) -> dict[str, Any]:
    ours, peer = found.get("ours"), found.get("peer")
    return {
        "rows_per_s": _median(ours, "rows_per_s"),
        "peer_rows_per_s": _median(peer, "rows_per_s"),
        "ratio": _ratio(_median(ours, "rows_per_s"), _median(peer, "rows_per_s")),
        "cpu_ratio": _ratio(_median(peer, "cpu_s_per_million"), _median(ours, "cpu_s_per_million")),
        "peak_memory_mb": round(ours["peak_memory_mb"], 1) if ours else None,
    }


def _freshness(found: Details, sink: str) -> dict[str, Any]:
    rates = sorted(found, key=lambda rate: (abs(int(rate) - RATE), int(rate)))
    delay = found[rates[0]].get("ours", {}).get(sink) if rates else None
    if delay is None:
        return {"rate": None, "p50_s": None, "p99_s": None}
    return {"rate": delay["rate"], "p50_s": round(delay["p50_s"], 3), "p99_s": round(delay["p99_s"], 3)}


def _reconcile(found: Details | None) -> dict[str, Any]:
    """Figures while everything is equal; `found` of the planted differences, and what was opened for them."""
    if not found:
        names = ("rows", "seconds", "rows_per_s", "bytes", "cpu_s", "checksum_rows", "opened", "faults")
        return dict.fromkeys(names)
    equal, faults = found["equal"], found["faults"]
    return {
        "rows": found["rows"],
        "seconds": round(equal["seconds"]["median"], 2),
        "rows_per_s": _median(equal, "rows_per_s"),
        "bytes": {name: round(spread["median"]) for name, spread in equal["bytes"].items()},
        "cpu_s": {name: round(spread["median"], 2) for name, spread in equal["cpu_s"].items()},
        "checksum_rows": equal["checksums"],
        "opened": equal["opened_rows"],
        "faults": {
            "planted": found["planted"],
            "seconds": round(faults["seconds"]["median"], 2),
            "opened": faults["opened_rows"],
        },
    }


def _median(found: Details | None, name: str) -> float | None:
    return None if not found else round(float(found[name]["median"]), 1)


def _ratio(more: float | None, less: float | None) -> float | None:
    return None if more is None or not less else round(more / less, 2)
