"""Windows of the reconciliation, as Airflow's scheduler runs them for days that are asked for."""

from __future__ import annotations

import json
from datetime import timedelta

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.ops import OpsStore

REPORTS = (
    "SELECT report->'window'->>0 AS begin, (report->'rows'->>'source')::bigint AS rows, equal "
    "FROM cdc_ops.reconciliations WHERE \"table\" = 'orders_fact' AND report->'window'->>0 IS NOT NULL "
    "ORDER BY id DESC LIMIT 2"
)
# Some orders lie at the edges of time; a backfill of the days between would have thousands of runs.
FIRST = "SELECT min((ordered_at AT TIME ZONE 'UTC')::date) FROM orders WHERE ordered_at >= '2020-01-01'"
COUNT = "SELECT count(*) FROM orders WHERE (ordered_at AT TIME ZONE 'UTC')::date = %s"


def test_a_backfill_compares_each_day_by_itself(stack, eventually):
    connections = Connections.from_file(stack.ctx.connections_file)
    with connect_postgres(connections.get("cdc_source_admin")) as source:
        [(first,)] = source.execute(FIRST).fetchall()
        last = first + timedelta(days=1)
        days = {day: source.execute(COUNT, (day,)).fetchall()[0][0] for day in (first, last)}
    assert days[first]
    asked = stack.shell(
        "airflow backfill create --dag-id cdc_reconciliation "
        f"--from-date {first} --to-date {last} --reprocess-behavior completed "
        '--dag-run-conf \'{"tables": "orders_fact", "repair": "no"}\''
    )
    assert asked.returncode == 0

    def finished():
        runs = [run for run in stack.api.runs("cdc_reconciliation", 20) if run.run_type == "backfill"]
        return len(runs) >= 2 and all(run.finished for run in runs) and runs

    eventually(finished, 240)
    for run in finished()[:2]:
        assert run.state == "success", stack.api.explain(run)
    # The schedule's own run, about the day before this stack was made, had nothing to compare.
    for run in stack.api.runs("cdc_reconciliation", 20):
        assert run.state == "success", stack.api.explain(run)
    with OpsStore(connections.get("cdc_ops")) as ops:
        reports = ops.rows(REPORTS)
    assert {report["begin"][:10]: report["rows"] for report in reports} == {
        str(day): count for day, count in days.items()
    }
    assert all(report["equal"] for report in reports)


def test_nothing_is_left_over_of_any_stream(stack):
    done = stack.shell("cdc stream orphans --json --end --yes")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
