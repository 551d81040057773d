"""What is measured, step by step; each step gives a part of the details and can be kept for a later run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from local_stack.bench.capture import Capture, record_layouts
from local_stack.bench.contest import (
    SINKS,
    drain_sides,
    our_table,
    peer_connector,
    peer_table,
)
from local_stack.bench.drain import Drains
from local_stack.bench.driver import StreamDriver
from local_stack.bench.envelopes import Layout
from local_stack.bench.freshness import TOPIC, LiveSource, measure_freshness
from local_stack.bench.peer_jars import Peers
from local_stack.bench.place import Place, create_source_tables
from local_stack.bench.reconcile import measure_reconciliation
from local_stack.bench.shapes import ORDERS, Shape, numbered, wide
from local_stack.bench.sustained import backlog_rate, capture_rate, hold
from local_stack.bench.timings import median_durations
from local_stack.component import StackContext

WARM_UP = 100_000
RECONCILE = "reconcile"
Say = Callable[[str], None]
Step = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rows, repeats: of each drain against a peer.
        large_rows: of one more drain of ours alone; 0 for none.
        wide_rows, many_tables: of drains of a wide table and of many tables; 0 for none.
        rates: changes a second at which freshness is measured.
        freshness_s, sustained_s: how long.
        capture_rows: the backlog from which Debezium's own rate is measured.
        reconcile_rows, reconcile_repeats: of the reconciled table; 0 rows for none.
        disk_gb: what it needs at most.
    """

    rows: int
    repeats: int
    large_rows: int = 0
    wide_rows: int = 0
    many_tables: int = 0
    rates: tuple[int, ...] = (1000,)
    freshness_s: float = 40.0
    sustained_s: float = 60.0
    capture_rows: int = 100_000
    reconcile_rows: int = 0
    reconcile_repeats: int = 3
    disk_gb: int = 5


SHORT = Plan(rows=200_000, repeats=3)
FULL = Plan(
    rows=1_000_000, repeats=5, large_rows=10_000_000, wide_rows=200_000, many_tables=50,
    rates=(100, 1000, 5000), freshness_s=120.0, sustained_s=300.0, capture_rows=300_000,
    reconcile_rows=10_000_000, disk_gb=25,
)  # fmt: skip


class Steps:
    """The steps on a running stack."""

    def __init__(self, ctx: StackContext, plan: Plan, peers: Peers, say: Say) -> None:
        """Nothing is done yet."""
        self._ctx, self._plan, self._peers, self._say = ctx, plan, peers, say
        self._shapes = (ORDERS, wide()) if plan.wide_rows else (ORDERS,)
        self._live, self._peer = Place(ctx, "live", self._shapes), Place(ctx, "peercap", self._shapes)

    def prepare(self) -> None:
        """Record how Debezium writes events, then stop it until it is needed.

        Every step needs it but the reconciliation.
        """
        shapes = self._shapes
        self._live.write()
        self._peer.write()
        with self._live.postgres("cdc_source_admin") as connection:
            create_source_tables(connection, shapes)
        self._captures = Capture(self._live, schemas=False), Capture(self._peer, schemas=True)
        for capture in self._captures:
            capture.register()
        self._layouts = {s.name: record_layouts((self._live, self._peer), s) for s in shapes}
        for capture in self._captures:
            capture.stop()
        self._source = LiveSource(self._live)

    @property
    def place(self) -> Place:
        """A place, for what asks the sinks."""
        return self._live

    def all(self) -> dict[str, Step]:
        """Every step of the plan, in order; a name with dots is the place of its details."""
        plan = self._plan
        steps: dict[str, Step] = {}
        for sink in SINKS:
            steps[f"drain.{sink}"] = partial(self._drain, sink, (ORDERS,), plan.rows, plan.repeats)
            if plan.large_rows:
                drain = partial(self._drain, sink, (ORDERS,), plan.large_rows, 1, peer=False)
                steps[f"drain_large.{sink}"] = drain
            if plan.wide_rows:
                steps[f"drain_wide.{sink}"] = partial(
                    self._drain, sink, (wide(),), plan.wide_rows, plan.repeats
                )
            if plan.many_tables:
                tables = numbered(plan.many_tables)
                drain = partial(self._drain, sink, tables, plan.rows, plan.repeats, peer=False)
                steps[f"drain_many.{sink}"] = drain
        for rate in plan.rates:
            steps[f"freshness.{rate}"] = partial(self._freshness, rate)
        steps["sustained"] = self._sustained
        if plan.reconcile_rows:
            # The last one: the log that filling its table writes would take the other slots' place.
            steps[RECONCILE] = self._reconcile
        return steps

    def _drain(
        self, sink: str, shapes: tuple[Shape, ...], rows: int, repeats: int, *, peer: bool = True
    ) -> dict[str, Any]:
        measured = peer and getattr(self._peers, sink)
        what = f"{len(shapes)} tables" if len(shapes) > 1 else shapes[0].name
        self._say(f"drain of {what} into {sink}: {rows:,} changes, {repeats} time(s)")
        name = f"drain{len(shapes)}{shapes[0].name[-3:]}{rows}{sink[0]}"
        ours, theirs = Place(self._ctx, name, shapes), Place(self._ctx, f"{name}p", shapes)
        layouts = [self._layout(shape) for shape in shapes]
        with drain_sides(ours, theirs if measured else None, sink, layouts) as sides:
            drains = Drains(shapes, sides, lambda text: self._say(f"  {text}"))
            drains.warm_up(min(rows, WARM_UP))
            drains.measure(rows, repeats)
            drains.idle()
        named = zip(("ours", "peer"), sides, strict=False)
        return {which: drains.results[side.name].document() for which, side in named}

    def _layout(self, shape: Shape) -> tuple[Layout, Layout]:
        if shape.name in self._layouts:
            ours, theirs = self._layouts[shape.name]
        else:
            ours, theirs = (layout.renamed(ORDERS.name, shape.name) for layout in self._layouts[ORDERS.name])
        return ours, theirs

    def _freshness(self, rate: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with self._ours(self._live) as (tables, driver):
            self._say(f"freshness at {rate:,} changes/s, ours")
            delays = measure_freshness(
                self._source, self._live, tables, driver.pids, rate, self._plan.freshness_s, driver.problem
            )
            found["ours"] = {name: delay.document() for name, delay in delays.items()}
            found["batches_ms"] = median_durations(driver.log)
        self._tell(found["ours"])
        sinks = [sink for sink in SINKS if getattr(self._peers, sink)]
        with self._theirs(sinks) as (tables, runners):
            self._say(f"freshness at {rate:,} changes/s, peers: {', '.join(sinks)}")
            delays = measure_freshness(
                self._source, self._peer, tables, runners[0].pids, rate, self._plan.freshness_s,
                lambda: next((said for runner in runners if (said := runner.problem())), None),
            )  # fmt: skip
            found["peers"] = {name: delay.document() for name, delay in delays.items()}
        self._tell(found["peers"])
        return found

    def _sustained(self) -> dict[str, Any]:
        def tell(text: str) -> None:
            self._say(f"  {text}")

        self._say(f"what Debezium alone captures, from a backlog of {self._plan.capture_rows:,} changes")
        backlog = backlog_rate(self._source, self._live, self._captures[0], self._plan.capture_rows)
        tell(f"Debezium alone: {backlog:,.0f} changes/s")
        self._say("what it captures while changes are made, and what both sinks hold")
        capacity = capture_rate(self._source, self._live, backlog, tell)
        self._captures[0].stop()
        # What is asked for here is throughput: batches as the platform's default makes them.
        with self._ours(replace(self._live, trigger_ms=None)) as (tables, driver):
            held = hold(self._source, tables, backlog, capacity, self._plan.sustained_s, driver.problem, tell)
        return {**asdict(held), "share": round(held.share, 3)}

    def _reconcile(self) -> dict[str, Any]:
        rows, repeats = self._plan.reconcile_rows, self._plan.reconcile_repeats
        self._say(f"reconciliation of {rows:,} rows, {repeats} time(s) equal and with planted faults")
        return measure_reconciliation(self._ctx, rows, repeats, lambda text: self._say(f"  {text}"))

    @contextmanager
    def _ours(self, place: Place) -> Iterator[tuple[dict[str, Any], StreamDriver]]:
        place.write()
        place.make_objects()
        self._captures[0].resume()
        try:
            with StreamDriver(place, ",".join(SINKS), clean=False) as driver:
                yield {sink: our_table(place, sink, ORDERS) for sink in SINKS}, driver
        finally:
            self._captures[0].stop()

    @contextmanager
    def _theirs(self, sinks: list[str]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
        self._captures[1].resume()
        try:
            with ExitStack() as exit_stack:
                runners = [
                    exit_stack.enter_context(peer_connector(self._peer, sink, (ORDERS,))) for sink in sinks
                ]
                yield {sink: peer_table(self._peer, sink, ORDERS) for sink in sinks}, runners
        finally:
            self._captures[1].stop()

    def _tell(self, delays: dict[str, Any]) -> None:
        for name, delay in delays.items():
            where = "in Kafka" if name == TOPIC else f"in {name}"
            self._say(
                f"  {where}: p50 {delay['p50_s']:.3f} s, p99 {delay['p99_s']:.3f} s "
                f"({delay['probes']} probes, load at most {delay['behind_s']:.2f} s late)"
            )
