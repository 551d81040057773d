"""Drivers: never two of a stream, and Airflow's way to start one."""

from __future__ import annotations

import pytest

APP = "cdc-ecommerce-orders"


@pytest.mark.drill  # tests/airflow has the same by `airflow dags test`, tests/stack/cdc by the service alone
def test_two_simultaneous_runs_leave_one_driver(stack, eventually):
    stopped = stack.run_dag("cdc_stream_orders", {"action": "stop"})
    assert stopped.state == "success", stack.api.explain(stopped)
    eventually(lambda: stack.live(APP) == [])
    runs = [stack.api.trigger("cdc_stream_orders") for _ in range(2)]
    finished = [stack.finish(run, 400) for run in runs]
    assert [run.state for run in finished] == ["success", "success"], [
        stack.api.explain(run) for run in finished
    ]
    assert len(stack.live(APP)) == 1
    assert [row.name for row in stack.rows() if row.name == f"driver:{APP}"] == [f"driver:{APP}"]
