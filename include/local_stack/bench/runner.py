"""`make bench`: starts the bench's own stack, measures, stops it, and says what was found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cdc.errors import UnavailableError
from local_stack.bench.components import peer_plugins
from local_stack.bench.environment import describe_environment
from local_stack.bench.peer_jars import Peers, install_peers, peers_folder
from local_stack.bench.report import print_table, write_report
from local_stack.bench.steps import FULL, RECONCILE, SHORT, Plan, Steps
from local_stack.bench.summary import summarise
from local_stack.bench.unfinished import Unfinished, write_document
from local_stack.context import REPO, Places, environment
from local_stack.lifecycle import make_console, say, start_components, stop_stack
from local_stack.preflight import explain_disk, free_bytes
from local_stack.run import interruptible
from local_stack.stack import LocalStack

COMPONENTS = "local_stack.bench.components:bench_components"
RECONCILE_COMPONENTS = "local_stack.bench.components:reconcile_components"
KEPT = "bench-unfinished.json"


def run_bench(full: bool, rows: int, repeats: int, seconds: float, only: Sequence[str], report: bool) -> int:
    """Measure, and write `bench.json` and `bench-details.json` into the stack's home.

    Args:
        full: the long plan, whose finished steps are kept when it is broken off, and not done again.
        rows: of each drain, and of the reconciled table; 0 for the plan's.
        repeats: of both; 0 for the plan's.
        seconds: under load; 0 for the plan's.
        only: prefixes of the steps to do; all by default.
        report: write `docs/benchmarks`.

    Returns:
        0; that a goal is not met is told, and is no failure of the bench.

    Raises:
        CdcError: something does not run, or an end state is not equal.
    """
    console, env = make_console(), environment()
    home = Places.from_environment(env).home
    plan = changed(FULL if full else SHORT, rows, repeats, seconds, only)
    alone = bool(only) and all(map(_is_reconcile, only))
    stack = _stack(home / "bench", env, RECONCILE_COMPONENTS if alone else COMPONENTS)
    _forget_earlier(stack.places.home)
    if why := explain_disk(home, free_bytes(home), plan.disk_gb):
        raise UnavailableError(why)
    peers = _no_peers() if alone else _peers(stack, env, console)
    unfinished = Unfinished(plan, home / KEPT if full and not alone else None)
    details = unfinished.details
    details["missing"] = list(peers.missing)
    try:
        with interruptible():
            ctx = start_components(stack, console)
            steps = Steps(ctx, plan, peers, lambda text: say(console, text))
            details["environment"] = describe_environment(steps.place, peer_plugins(ctx))
            chosen = {
                name: step
                for name, step in steps.all().items()
                if (not only or any(map(name.startswith, only))) and not unfinished.has(name)
            }
            if chosen.keys() - {RECONCILE}:
                steps.prepare()
            for name, step in chosen.items():
                unfinished.keep(name, step())
            details["environment"]["load_after"] = round(os.getloadavg()[0], 2)
    finally:
        stop_stack(stack, console)
    _finish(details, home, console, RECONCILE if alone else "full" if full else "short", report=report)
    unfinished.forget_when_done(steps.all())
    return 0


def _finish(details: dict[str, Any], home: Path, console: Console, name: str, *, report: bool) -> None:
    summary = summarise(details)
    write_document(home / "bench.json", summary)
    write_document(home / "bench-details.json", details)
    print_table(summary, details, console)
    if report:
        folder = REPO / "docs" / "benchmarks"
        write_report(details, folder, name)
        say(console, f"report and plots: {folder}")
    say(console, f"figures: {home / 'bench.json'}")


def changed(plan: Plan, rows: int, repeats: int, seconds: float, only: Sequence[str]) -> Plan:
    """A plan as it was asked for; one without a reconciliation gets one when that is asked for by name."""
    if not plan.reconcile_rows and any(map(_is_reconcile, only)):
        plan = replace(plan, reconcile_rows=plan.rows)
    if rows:
        plan = replace(plan, rows=rows, reconcile_rows=rows if plan.reconcile_rows else 0)
    if repeats:
        plan = replace(plan, repeats=repeats, reconcile_repeats=repeats)
    if seconds:
        plan = replace(plan, freshness_s=seconds, sustained_s=seconds)
    return plan


def _is_reconcile(prefix: str) -> bool:
    return bool(prefix) and RECONCILE.startswith(prefix)


def _stack(home: Path, env: Any, components: str) -> LocalStack:
    values = {**env, "CDC_HOME": str(home)}
    places = replace(Places.from_environment(env), home=home)
    return LocalStack(places, components=components, env=values)


def _peers(stack: LocalStack, env: Any, console: Console) -> Peers:
    peers = install_peers(
        peers_folder(env), stack.places.home / "peers", stack.places.jars, lambda text: say(console, text)
    )
    for sentence in peers.missing:
        say(console, sentence)
    return peers


def _no_peers() -> Peers:
    return Peers(clickhouse=False, warehouse=False, missing=())


def _forget_earlier(home: Path) -> None:
    """Every run begins with empty servers; the peers' jars stay."""
    for name in ("data", "checkpoints", "logs", "pipelines", "run", "state"):
        shutil.rmtree(home / name, ignore_errors=True)
