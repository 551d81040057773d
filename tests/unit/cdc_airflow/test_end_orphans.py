"""What a run of `cdc_connectors` may end: nothing by a plan, nothing when it is about one pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from cdc.connections import Connection, Connections
from cdc.model.orphans import Orphan, Why
from cdc_airflow.hooks.cdc import YARN, CdcHook
from cdc_airflow.operators.end_orphans import EndOrphansOperator

ORPHAN = Orphan(Why.UNDECLARED, "application_1_1", "cdc-shop-orders")


class Recorder:
    """In place of a cluster with one orphan."""

    def __init__(self) -> None:
        self.ended: list[Orphan] = []

    def find(self) -> list[Orphan]:
        return [ORPHAN]

    def end(self, found: Sequence[Orphan]) -> list[Orphan]:
        self.ended += found
        return self.ended


@pytest.fixture
def orphans(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    known = Connections([Connection(id=YARN, conn_type="http", host="127.0.0.1", port=1)])

    @contextmanager
    def opened(*_: Any) -> Iterator[Recorder]:
        yield recorder

    monkeypatch.setattr("cdc.services.orphans.orphans_of", opened)
    monkeypatch.setattr("cdc_airflow.operators.end_orphans.readable_pipelines", lambda: ((), ()))
    monkeypatch.setattr(CdcHook, "connections", lambda *_: known)
    return recorder


@pytest.mark.parametrize(("plan_only", "ended"), [("True", []), (True, []), ("False", [ORPHAN])])
def test_a_plan_tells_what_it_would_end(
    orphans: Recorder, plan_only: bool | str, ended: list[Orphan]
) -> None:
    operator = EndOrphansOperator(task_id="end_orphans", plan_only=plan_only)
    assert operator.execute({}) == [ORPHAN.sentence]
    assert orphans.ended == ended


def test_a_run_about_one_pipeline_ends_nothing(orphans: Recorder) -> None:
    with pytest.raises(AirflowSkipException, match="about pipeline 'shop' only"):
        EndOrphansOperator(task_id="end_orphans", only="shop").execute({})
    assert orphans.ended == []
