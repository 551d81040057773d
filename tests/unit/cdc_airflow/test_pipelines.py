"""DAG ids, schedules and pipeline files as the DAGs see them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import CronDataIntervalTimetable, CronTriggerTimetable, MultipleCronTriggerTimetable
from airflow.timetables.interval import CronDataIntervalTimetable as SchedulersTimetable
from airflow.utils.dates import cron_presets
from pendulum import datetime
from pydantic import ValidationError

from cdc.errors import ConfigurationError, SpecError
from cdc.spec import load_pipeline
from cdc.spec.sections import PoliciesSpec
from cdc_airflow.hooks.cdc import connection_ids
from cdc_airflow.pipelines import (
    cron_schedule,
    find_pipeline,
    interval_schedule,
    readable_pipelines,
    reconciliation_dags,
    stream_dag_ids,
)

SAMPLE = Path(__file__).resolve().parents[3] / "include" / "pipelines" / "ecommerce.yaml"


def test_a_stream_s_dag_carries_the_stream_s_name() -> None:
    assert stream_dag_ids([load_pipeline(SAMPLE)]) == {
        ("ecommerce", "customers"): "cdc_stream_customers",
        ("ecommerce", "products"): "cdc_stream_products",
        ("ecommerce", "orders"): "cdc_stream_orders",
    }


def test_streams_of_one_name_in_two_pipelines_do_not_share_a_dag() -> None:
    sample = load_pipeline(SAMPLE)
    ids = stream_dag_ids([sample, sample.model_copy(update={"name": "shop2"})])
    assert ids["ecommerce", "orders"] == "cdc_stream_ecommerce_orders"
    assert ids["shop2", "orders"] == "cdc_stream_shop2_orders"


def test_pipelines_with_one_schedule_are_reconciled_by_one_dag_and_others_by_their_own() -> None:
    sample = load_pipeline(SAMPLE)
    alike = sample.model_copy(update={"name": "shop2"})
    assert reconciliation_dags([sample, alike]) == {"cdc_reconciliation": (sample, alike)}
    policies = sample.policies.model_copy(update={"reconcile_schedule": "@hourly"})
    other = alike.model_copy(update={"policies": policies})
    assert reconciliation_dags([sample, other]) == {
        "cdc_reconciliation_ecommerce": (sample,),
        "cdc_reconciliation_shop2": (other,),
    }


def test_a_pipeline_without_a_schedule_is_reconciled_by_hand() -> None:
    assert interval_schedule(None) is None
    assert interval_schedule("@daily") == CronDataIntervalTimetable("@daily", timezone="UTC")


def test_a_broken_file_is_named_and_hides_no_other_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = SAMPLE.read_text()
    (tmp_path / "a.yaml").write_text(sample.replace("partitions: 3", "partitions: none"))
    (tmp_path / "b.yaml").write_text(sample)
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
    found, broken = readable_pipelines()
    assert [pipeline.name for pipeline in found] == ["ecommerce"]
    assert "a.yaml" in str(broken[0])
    (tmp_path / "b.yaml").write_text(sample.replace("name: ecommerce", "name: renamed"))
    assert [pipeline.name for pipeline in readable_pipelines()[0]] == ["renamed"]


class TestSchedule:
    def test_without_a_cron_there_is_none(self) -> None:
        assert cron_schedule([None, None]) is None

    def test_one_cron_for_all(self) -> None:
        schedule = cron_schedule(["@hourly", None, "@hourly"], run_immediately=True)
        assert schedule == CronTriggerTimetable("@hourly", timezone="UTC", run_immediately=True)

    def test_different_crons_fire_each(self) -> None:
        schedule = cron_schedule(["*/5 * * * *", "@hourly"])
        assert isinstance(schedule, MultipleCronTriggerTimetable)
        assert len(schedule.timetables) == 2


SCHEDULES = [
    *cron_presets, "@midnight", "@annually", "@Daily", " @daily", "@once", "@never", "@continuous", "@reboot",
    "daily", "17 3 * * *", "8-59/30 * * * *", "0 0 * * mon-FRI", "0 0 * * sun#2", "0 0 L * *", "0 0 29 2 *",
    "* * * * * 30", "0 0 1 1 * 0 2030", "*/5 * * * *\n", "* * * *", "* * * * * * * *", "61 * * * *",
    "0 24 * * *", "0 0 * * 8", "*/0 * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "H * * * *", " ", "every day",
]  # fmt: skip


@pytest.mark.parametrize("cron", SCHEDULES)
def test_a_pipeline_may_have_the_schedules_by_which_the_scheduler_finds_a_next_run(cron: str) -> None:
    timetable = SchedulersTimetable(cron, timezone="UTC")
    try:
        timetable.validate()
        timetable._get_next(datetime(2026, 1, 1))
        runs = True
    except (AirflowTimetableInvalid, ValueError):
        runs = False
    schedules = [name for name in PoliciesSpec.model_fields if name.endswith("_schedule")]
    assert len(schedules) == 8
    for schedule in schedules:
        with contextlib.nullcontext() if runs else pytest.raises(ValidationError, match="is no schedule"):
            PoliciesSpec.model_validate({schedule: cron})


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_pipeline_may_have_no_schedule(nothing: str | None) -> None:
    policies = PoliciesSpec.model_validate({"reconcile_schedule": nothing, "health_schedule": nothing})
    assert interval_schedule(policies.reconcile_schedule) is None
    assert cron_schedule([policies.health_schedule]) is None


class TestFindPipeline:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
        (tmp_path / "shop.yaml").write_text(SAMPLE.read_text())
        return tmp_path

    def test_finds_it_by_the_name_that_it_declares(self, folder: Path) -> None:
        pipeline, file = find_pipeline("ecommerce")
        assert (pipeline.name, file) == ("ecommerce", folder / "shop.yaml")

    def test_another_pipeline_s_broken_file_does_not_matter(self, folder: Path) -> None:
        (folder / "a.yaml").write_text("name: [")
        assert find_pipeline("ecommerce")[0].name == "ecommerce"

    def test_a_broken_file_is_named_with_line_and_field(self, folder: Path) -> None:
        (folder / "shop.yaml").write_text(SAMPLE.read_text().replace("partitions: 3", "partitions: none"))
        with pytest.raises(SpecError, match=r"shop\.yaml:\d+: kafka\.partitions"):
            find_pipeline("ecommerce")

    def test_a_name_that_no_file_declares(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match="declares pipeline 'gone'"):
            find_pipeline("gone")


def test_drivers_never_get_the_owner_s_password() -> None:
    sample = load_pipeline(SAMPLE)
    assert set(connection_ids(sample)) - set(sample.driver_connection_ids) == {
        "cdc_source_admin",
        "cdc_connect",
        "cdc_yarn",
    }
