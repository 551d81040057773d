"""The table on the screen, and the report with plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local_stack.bench.plots import plot_batches, plot_drains, plot_freshness, plot_lag, plot_reconcile
from local_stack.bench.summary import SINKS, summarise
from local_stack.envfile import write_atomically

DRAINS = {
    "drain": "7 columns",
    "drain_large": "7 columns, large",
    "drain_wide": "60 columns",
    "drain_many": "50 tables",
}
GOALS = {"clickhouse": 5.0, "warehouse": 3.0}
MEMORY_GOAL_MB = 1500
P50_GOAL_S, P99_GOAL_S, SHARE_GOAL = 0.2, 0.5, 0.9
TITLES = {
    "full": "`make bench-full`: the long run",
    "short": "`make bench`: the short run",
    "reconcile": "`--only reconcile`: the reconciliation alone",
}
NONE = "-"
Details = Mapping[str, Any]


def print_table(summary: Details, details: Details, console: Console) -> None:
    """The promised figures beside their goals."""
    table = Table(title="bench: medians of this run", title_justify="left")
    for column in ("what", "ours", "peer", "ratio", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in goal_rows(summary, details):
        table.add_row(*row)
    console.print(table)


def goal_rows(summary: Details, details: Details) -> list[tuple[str, str, str, str, str]]:
    """What was measured, ours, the peer's, the ratio, and the goal with whether it was met.

    Steps that were not asked for are left out.
    """
    rows = [row for sink in SINKS for row in _drain_goals(sink, summary["drain"][sink], details)]
    rows += [row for sink in SINKS for row in _freshness_goals(sink, summary["freshness"][sink], details)]
    share = summary["sustained"]["share_of_capture"]
    goal = _at_least(share, SHARE_GOAL)
    rows.append(("sustained, share of capture", _number(share, 2), "", "", goal))
    rows += _reconcile_goals(summary["reconcile"])
    return [row for row in rows if row[1] != NONE]


def _reconcile_goals(found: Details) -> Iterator[tuple[str, str, str, str, str]]:
    what = f"reconciliation of {_number(found['rows'])} equal rows"
    yield f"{what}, s", _number(found["seconds"], 1), "", "", ""
    yield f"{what}, rows opened", _number(found["opened"]), "", "", _at_most(found["opened"], 0)


def _drain_goals(sink: str, drain: Details, details: Details) -> Iterator[tuple[str, str, str, str, str]]:
    found, goal = details.get("drain", {}).get(sink, {}), GOALS[sink]
    ours, peer = found.get("ours"), found.get("peer")
    rates = _number(drain["rows_per_s"]), _number(drain["peer_rows_per_s"]), _number(drain["ratio"], 2)
    yield f"drain {sink}, rows/s", *rates, _at_least(drain["ratio"], goal)
    cpu = [_number(_median(side, "cpu_s_per_million"), 1) for side in (ours, peer)]
    ratio = drain["cpu_ratio"]
    yield f"drain {sink}, CPU-s per million", cpu[0], cpu[1], _number(ratio, 2), _at_least(ratio, goal)
    memory, other = drain["peak_memory_mb"], peer["peak_memory_mb"] if peer else None
    limit = _at_most(memory, MEMORY_GOAL_MB)
    yield f"drain {sink}, peak memory in MB", _number(memory), _number(other), "", limit


def _freshness_goals(sink: str, fresh: Details, details: Details) -> Iterator[tuple[str, str, str, str, str]]:
    rate = fresh["rate"]
    peers = details.get("freshness", {}).get(str(rate), {}).get("peers", {}).get(sink, {})
    for name, goal in (("p50_s", P50_GOAL_S), ("p99_s", P99_GOAL_S)):
        what = f"freshness {sink} at {_number(rate)}/s, {name.removesuffix('_s')} in s"
        yield what, _number(fresh[name], 3), _number(peers.get(name), 3), "", _at_most(fresh[name], goal)


def write_report(details: Details, folder: Path, name: str) -> None:
    """Write `<name>.json`, `<name>.md` and the plots of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.json", json.dumps(details, indent=1) + "\n")
    plots = [
        drawn
        for draw in (plot_drains, plot_freshness, plot_batches, plot_lag, plot_reconcile)
        if (drawn := draw(details, folder, name)) is not None
    ]
    write_atomically(folder / f"{name}.md", render(details, name, plots))


def render(details: Details, name: str, plots: list[str]) -> str:
    """The report's text."""
    parts = [
        f"# {TITLES[name]}",
        (
            "Written by the bench itself; do not edit. Every time is of a run whose end state was equal, "
            "or in which exactly the planted faults were found."
        ),
        *details.get("missing", ()),
        _markdown(("what", "ours", "peer", "ratio", "goal"), goal_rows(summarise(details), details)),
        *_section("Drains of a preloaded topic", _drain_table(details)),
        *_section("Freshness", _freshness_table(details)),
        *_section("Sustained", _sustained_text(details)),
        *_section("Reconciliation", _reconcile_text(details), _reconcile_table(details)),
        *_section("Where the time goes", _profile_table(details), _batch_table(details)),
        *(f"![{plot}]({plot})" for plot in plots),
        "## Machine and versions",
        _markdown(("", ""), [(k, str(v)) for k, v in details.get("environment", {}).items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, *parts: str) -> list[str]:
    """A heading and what is below it; nothing when nothing is."""
    found = [part for part in parts if part]
    return [f"## {title}", *found] if found else []


def _drain_table(details: Details) -> str:
    rows = []
    for key, title in DRAINS.items():
        for sink, sides in details.get(key, {}).items():
            for side, found in sides.items():
                rows.append((
                    title, sink, side, f"{found['runs'][0]['events']:,} × {found['rows_per_s']['count']}",
                    _spread(found["rows_per_s"]), _spread(found["cpu_s_per_million"], 1),
                    _spread(found["sink_cpu_s_per_million"], 1), _number(found["peak_memory_mb"]),
                    _number(found["bytes_per_event"]), f"{found['idle_cores']:.3f}",
                ))  # fmt: skip
    names = ("table", "sink", "side", "events", "rows/s", "CPU-s per million", "the sink's own", "peak MB",
             "bytes an event", "idle, cores")  # fmt: skip
    return _markdown(names, rows)


def _freshness_table(details: Details) -> str:
    rows = []
    for rate, found in sorted(details.get("freshness", {}).items(), key=lambda item: int(item[0])):
        for side in ("ours", "peers"):
            for place, delay in found.get(side, {}).items():
                rows.append((
                    f"{int(rate):,}", side, place, f"{delay['p50_s']:.3f}", f"{delay['p99_s']:.3f}",
                    f"{delay['max_s']:.3f}", str(delay["probes"]), f"{delay['cpu']:.2f}",
                    f"{delay['behind_s']:.2f}",
                ))  # fmt: skip
    names = ("changes/s", "side", "visible in", "p50 s", "p99 s", "max s", "probes", "cores", "load late s")
    return _markdown(names, rows)


def _sustained_text(details: Details) -> str:
    found = details.get("sustained")
    if not found:
        return ""
    tried = ", ".join(
        f"{share:.0%} for {seconds:.0f} s {'held' if held else 'not held'}"
        for share, held, seconds in found["tried"]
    )
    return (
        f"Debezium alone put {found['capture_rate']:,.0f} changes/s into Kafka while they were made at the "
        f"source, and {found['backlog_rate']:,.0f} from a backlog, when nothing else ran. Of the first, "
        f"tried: {tried}. Held for {found['seconds']:.0f} s with a flat lag: {found['rate']:,.0f} changes/s, "
        f"{found['share']:.0%} of it."
    )


def _reconcile_text(details: Details) -> str:
    found = details.get("reconcile")
    if not found:
        return ""
    equal, faults = found["equal"], found["faults"]
    return (
        f"{found['rows']:,} rows of {found['columns']} columns at the source and in both sinks: "
        f"{_spread(equal['seconds'], 1)} s, {_spread(equal['rows_per_s'])} rows/s, while they are equal; "
        f"{equal['checksums']:,} rows of checksums left the databases, and {equal['opened_rows']:,} others. "
        f"With {found['planted']} planted faults, which alone were found: {_spread(faults['seconds'], 1)} s, "
        f"of which some wait for the fences; {faults['opened']} buckets were opened, to "
        f"{faults['opened_rows']:,} keys with hashes, and {faults['looked_at']} rows looked at on each side."
    )


def _reconcile_table(details: Details) -> str:
    found = details.get("reconcile")
    rows = [
        (name, what, _spread(each["cpu_s"][name], 2), _spread(each["bytes"][name]))
        for what, each in (("equal", found["equal"]), ("with faults", found["faults"]))
        for name in each["cpu_s"]
    ] if found else []  # fmt: skip
    return _markdown(("database", "rows", "CPU-s", "bytes that left it"), rows)


def _profile_table(details: Details) -> str:
    rows = []
    for sink, sides in details.get("drain", {}).items():
        for side, found in sides.items():
            runs = found["runs"]
            events = sum(run["events"] for run in runs) / 1e6
            programs = sorted({name for run in runs for name in run["programs"]})
            said = ", ".join(
                f"{name} {sum(run['programs'].get(name, 0.0) for run in runs) / events:.1f}"
                for name in programs
            )
            rows.append((sink, side, said, _number(found["sink_cpu_s_per_million"]["median"], 1)))
    return _markdown(("sink", "side", "CPU-s per million by program", "the sink's server"), rows)


def _batch_table(details: Details) -> str:
    rows = []
    for rate, found in sorted(details.get("freshness", {}).items(), key=lambda item: int(item[0])):
        for sink, steps in found.get("batches_ms", {}).items():
            said = ", ".join(f"{step} {value:.0f}" for step, value in steps.items())
            rows.append((f"{int(rate):,}", sink, said))
    return _markdown(("changes/s", "sink", "a micro-batch's steps, median ms"), rows)


def _markdown(names: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    return "\n".join([head, *(f"| {' | '.join(row)} |" for row in rows)])


def _spread(found: Details, digits: int = 0) -> str:
    median, low, high = (f"{found[name]:,.{digits}f}" for name in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def _number(value: float | None, digits: int = 0) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _median(found: Details | None, name: str) -> float | None:
    return found[name]["median"] if found else None


def _at_least(value: float | None, goal: float) -> str:
    return f"≥ {goal:g}" if value is None else f"≥ {goal:g} {'met' if value >= goal else 'not met'}"


def _at_most(value: float | None, goal: float) -> str:
    return f"≤ {goal:g}" if value is None else f"≤ {goal:g} {'met' if value <= goal else 'not met'}"
