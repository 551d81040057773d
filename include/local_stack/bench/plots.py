"""Plots of a run, as SVG: they are small and can be compared line by line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.rcParams["svg.hashsalt"] = "bench"
SIDES = {"ours": "#1b6ca8", "peer": "#b8572a", "peers": "#b8572a"}
Details = Mapping[str, Any]


def plot_drains(details: Details, folder: Path, name: str) -> str | None:
    """Rows a second and CPU for a million, ours beside the peer, with the range over the repeats."""
    drains = details.get("drain", {})
    if not drains:
        return None
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key, title in zip(
        axes, ("rows_per_s", "cpu_s_per_million"), ("rows/s", "CPU-seconds per million"), strict=True
    ):
        for number, (_, sides) in enumerate(drains.items()):
            for offset, (side, found) in enumerate(sides.items()):
                spread = found[key]
                error = [[spread["median"] - spread["low"]], [spread["high"] - spread["median"]]]
                axis.bar(
                    number + offset * 0.4, spread["median"], 0.38, yerr=error, color=SIDES[side],
                    label=side if number == 0 else None, capsize=3,
                )  # fmt: skip
        axis.set_xticks([number + 0.2 for number in range(len(drains))], list(drains))
        axis.set_title(title)
    axes[0].legend()
    return _save(figure, folder, f"{name}-drain.svg")


def plot_freshness(details: Details, folder: Path, name: str) -> str | None:
    """p50 and p99 by rate and place."""
    found = details.get("freshness", {})
    if not found:
        return None
    rates = sorted(found, key=int)
    places = [place for place in ("kafka", "clickhouse", "warehouse") if place in found[rates[0]]["ours"]]
    figure = Figure(figsize=(3 * len(rates) + 2, 3.2), layout="constrained")
    for axis, rate in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates, strict=True):
        for offset, side in enumerate(("ours", "peers")):
            for number, place in enumerate(places):
                delay = found[rate].get(side, {}).get(place)
                if delay is not None:
                    axis.bar(number + offset * 0.4, delay["p50_s"], 0.38, color=SIDES[side],
                             label=side if number == 0 else None)  # fmt: skip
                    axis.plot([number + offset * 0.4], [delay["p99_s"]], "_", color="black", markersize=16)
        axis.set_xticks([number + 0.2 for number in range(len(places))], places)
        axis.set_title(f"{int(rate):,} changes/s: seconds, p50 (bar) and p99 (line)", fontsize=9)
        axis.legend()
    return _save(figure, folder, f"{name}-freshness.svg")


def plot_batches(details: Details, folder: Path, name: str) -> str | None:
    """The steps of a micro-batch at each rate and sink."""
    found = details.get("freshness", {})
    bars = [
        (f"{sink}\n{int(rate):,}/s", steps)
        for rate in sorted(found, key=int)
        for sink, steps in found[rate].get("batches_ms", {}).items()
    ]
    if not bars:
        return None
    steps = sorted({step for _, b in bars for step in b} - {"rows", "triggerExecution"})
    figure = Figure(figsize=(1.4 * len(bars) + 3, 3.6), layout="constrained")
    axis = figure.subplots()
    bottoms = [0.0] * len(bars)
    for step in steps:
        heights = [bar.get(step, 0.0) for _, bar in bars]
        axis.bar(range(len(bars)), heights, 0.6, bottom=bottoms, label=step)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    axis.set_xticks(range(len(bars)), [label for label, _ in bars])
    axis.set_title("a micro-batch's steps, median ms")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return _save(figure, folder, f"{name}-batches.svg")


def plot_lag(details: Details, folder: Path, name: str) -> str | None:
    """The lag while the sustained rate was held."""
    lags = details.get("sustained", {}).get("lags")
    if not lags:
        return None
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axis = figure.subplots()
    axis.plot([at for at, _ in lags], [lag for _, lag in lags], color=SIDES["ours"])
    axis.set_title(f"changes behind, slowest sink, at {details['sustained']['rate']:,.0f} changes/s")
    axis.set_xlabel("seconds")
    axis.set_ylim(bottom=0)
    return _save(figure, folder, f"{name}-lag.svg")


def plot_reconcile(details: Details, folder: Path, name: str) -> str | None:
    """CPU of a reconciliation by database, and its time, equal and with planted faults."""
    found = details.get("reconcile")
    if not found:
        return None
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axis = figure.subplots()
    for offset, (what, color) in enumerate((("equal", SIDES["ours"]), ("faults", SIDES["peer"]))):
        spreads = {"time": found[what]["seconds"], **found[what]["cpu_s"]}
        heights = [spread["median"] for spread in spreads.values()]
        error = [
            [spread["median"] - spread["low"] for spread in spreads.values()],
            [spread["high"] - spread["median"] for spread in spreads.values()],
        ]
        places = [number + offset * 0.4 for number in range(len(spreads))]
        axis.bar(places, heights, 0.38, yerr=error, color=color, label=what, capsize=3)
        names = ["time", *(f"CPU {database}" for database in found[what]["cpu_s"])]
    axis.set_xticks([number + 0.2 for number in range(len(names))], names)
    axis.set_title(f"reconciliation of {found['rows']:,} rows: seconds")
    axis.legend()
    return _save(figure, folder, f"{name}-reconcile.svg")


def _save(figure: Figure, folder: Path, name: str) -> str:
    figure.savefig(folder / name, metadata={"Date": None})
    return name
