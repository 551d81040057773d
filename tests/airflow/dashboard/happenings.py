"""What a bad day leaves in the ops store: incidents, runs, reports, upkeep, a pause; with hostile text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cdc.model.bounded_run import RunKind
from cdc.model.incidents import Incident, Turn, follow
from cdc.model.verdict import Alarm, Level, Verdict
from cdc.ops import Draft, OpsStore
from cdc.ops.maintenance import KAFKA, OPS_STORE
from cdc.services.upkeep_report import PartitionUpkeep, TableUpkeep

NASTY = "<script>alert('x')</script>"
LONG = "a_name_as_long_as_postgresql_lets_it_be_which_is_63_bytes_long_x"
TABLES = ("incidents", "deliveries", "bounded_runs", "reconciliations", "maintenance")
HELD = Verdict(
    Level.BREACH,
    "replication slot cdc_ecommerce",
    "replication slot cdc_ecommerce holds back 2,301 MB of WAL (limit 2,048 MB), and is not in use",
    {"retained_mb": 2301, "max_retained_mb": 2048, "safe_mb": None},
    "See that the connector runs; free disk at the source before it stops.",
    alarm=Alarm.SLOT_RETAINS,
)
STRANGE = Verdict(
    Level.BREACH,
    f"query {NASTY}",
    f"query ecommerce.{LONG}.warehouse runs, but {NASTY} is parked there",
    {"offsets_behind": 12},
    f"`cdc table list` gives the reason of {NASTY}.",
    alarm=Alarm.QUERY_PARKED,
)


def record_happenings(ops: OpsStore, now: datetime) -> None:
    """All of it, in the hours before `now`."""
    _incidents(ops, now)
    _runs(ops, now)
    _reports(ops, now)
    _upkeep(ops, now)
    ops.request_pause("ecommerce", "products")
    ops.rows(
        "UPDATE cdc_ops.streams SET desired_at = %s WHERE pipeline = 'ecommerce' AND stream = 'products'",
        (now - timedelta(hours=2),),
    )


def forget_happenings(ops: OpsStore) -> None:
    """None of it."""
    for table in TABLES:
        ops.rows(f"DELETE FROM cdc_ops.{table}")
    ops.request_run("ecommerce", "products")


def _incidents(ops: OpsStore, now: datetime) -> None:
    over = Verdict(Level.OK, HELD.subject, f"{HELD.subject} is active, 0.4 MB retained")
    for verdict, at in ((HELD, now - timedelta(hours=3)), (over, now - timedelta(hours=2, minutes=48))):
        _look(ops, "slot", [verdict], at)
    for delivery in _look(ops, "queries", [STRANGE], now - timedelta(minutes=37)):
        ops.record_outcome(delivery, "" if delivery.draft.channel == "mail" else f"HTTP 500: {NASTY}")


def _look(ops: OpsStore, check: str, verdicts: Sequence[Verdict], at: datetime):
    def decide(open_: dict[str, Incident]) -> list[Turn]:
        return follow(open_, verdicts, timedelta(hours=1), at)

    def compose(turns: Sequence[Turn]) -> list[tuple[Draft, Sequence[Turn]]]:
        ways = (("mail", "data-platform@example.com"), ("webhook", "cdc_hook"))
        return [(Draft(c, to, f"BREACH: {verdicts[0].sentence}", "body"), turns) for c, to in ways]

    _, made = ops.follow_incidents("ecommerce", check, decide, compose)
    ops.rows(
        "UPDATE cdc_ops.deliveries SET created_at = %s, tried_at = %s WHERE id = ANY(%s)",
        (at, at, [one.id for one in made]),
    )
    return made


def _runs(ops: OpsStore, now: datetime) -> None:
    both = ("clickhouse", "warehouse")
    window = {"method": "direct", "from_key": [], "until_key": [], "where": f"status = '{NASTY}'"}
    running = ops.begin_run("ecommerce", "orders_fact", RunKind.BACKFILL, window, both, estimate=240_000)
    ops.advance_run(running.id, 90_000, {})
    failed = ops.begin_run(
        "ecommerce", "order_items", RunKind.REPLAY, {"from": "earliest", "until": "latest"}, both[1:],
        estimate=1000,
    )  # fmt: skip
    ops.advance_run(failed.id, 400, {}, bad=3)
    ops.end_run(failed.id, f"warehouse does not answer: {NASTY}", failed=True)
    done = ops.begin_run("ecommerce", "products", RunKind.RESYNC, {}, both, estimate=24)
    ops.advance_run(done.id, 24, {})
    ops.end_run(done.id)
    killed = ops.begin_run("ecommerce", "customers", RunKind.BACKFILL, {"method": "snapshot"}, both)
    for run, minutes, said in ((running, 12, 0), (failed, 55, 54), (done, 300, 299), (killed, 200, 190)):
        ops.rows(
            "UPDATE cdc_ops.bounded_runs SET started_at = %s, touched_at = %s, "
            "finished_at = CASE WHEN finished_at IS NOT NULL THEN %s::timestamptz END WHERE id = %s",
            (now - timedelta(minutes=minutes), *[now - timedelta(minutes=said)] * 2, run.id),
        )


def _reports(ops: OpsStore, now: datetime) -> None:
    base = {
        "method": "checksums", "rows": {"source": 10_000, "clickhouse": 10_000, "warehouse": 10_000},
        "buckets": 1024, "opened": 0, "looked_at": 0, "lsn": 0x1_6B37_4D84, "settled": True, "examples": [],
        "differences": {}, "repaired": {}, "left": {}, "unsettled": {}, "skipped": {}, "refused": "",
        "cut": False, "window": None,
    }  # fmt: skip
    column = {
        "kind": "differing", "sink": "clickhouse", "key": ["7", NASTY], "column": "status",
        "expected": "'paid'", "found": f"'{NASTY}'",
    }  # fmt: skip
    whole = {"kind": "missing", "sink": "clickhouse", "key": ["8", "x"], "column": None}
    found = base | {
        "opened": 2, "looked_at": 3, "differences": {"clickhouse": {"differing": 1, "missing": 2}},
        "examples": [column, whole],
    }  # fmt: skip
    reports = {
        "products": (base, True),
        "customers": (found | {"repaired": {"clickhouse": 3}, "left": {"clickhouse": 0}}, False),
        "order_items": (
            found
            | {"repaired": {"clickhouse": 0}, "left": {"clickhouse": 3}, "settled": False}
            | {"refused": f"nothing is repaired: {NASTY}", "skipped": {"warehouse": "it is parked there"}},
            False,
        ),
        "orders_fact": (base | {"window": ["2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00"]}, True),
    }
    for table, (report, equal) in reports.items():
        ops.record_reconciliation("ecommerce", table, now - timedelta(seconds=41), equal=equal, report=report)


def _upkeep(ops: OpsStore, now: datetime) -> None:
    run = "cdc_clickhouse_maintenance scheduled__2026-03-02T03:17:00+00:00"
    size = {"parts": 34, "rows": 12_400_000, "bytes": 3_200_000_000}
    small = {"parts": 1, "rows": 10_000_000, "bytes": 2_500_000_000}
    merged = PartitionUpkeep("all", size, small, 212.4)
    budget = "3,200,000,000 bytes are more than the 12 that are left of the budget"
    too_big = PartitionUpkeep("all", size, size, left=budget)
    before, after = size | {"tombstones": 1200}, small | {"tombstones": 0}
    done = (merged.sentence, "removed 1,200 tombstones")
    few = {"rows": 24, "tombstones": 0, "bytes": 65_536}
    steps = (
        TableUpkeep(
            KAFKA, "", {}, {}, ("retention of a: fine",), (f"retention of {NASTY}. Raise `retention.ms`",)
        ),
        TableUpkeep("clickhouse", "orders_fact", before, after, done, (), (merged,)),
        TableUpkeep("clickhouse", "order_items", before, before, (), (too_big.sentence,), (too_big,)),
        TableUpkeep("clickhouse", LONG, before, after, done, (f"tombstones: {NASTY}",), (merged,)),
        TableUpkeep("warehouse", "orders_fact", few, few, ("vacuumed and analysed",)),
        TableUpkeep("warehouse", "order_items", {}, {}, left=(f"the run was broken off: {NASTY}",)),
        TableUpkeep(OPS_STORE, "", {}, {}),
    )
    for step in steps:
        began = now - timedelta(minutes=4)
        ops.record_maintenance("ecommerce", run, step.sink, step.table, began, step.as_dict())
