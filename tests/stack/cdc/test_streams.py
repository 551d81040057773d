"""Starting, finding and stopping a stream on a real ResourceManager; without a node it waits, accepted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdc.clients.yarn import Application, YarnClient
from cdc.errors import ConfigurationError, UnavailableError
from cdc.ops import OpsStore
from cdc.services.start import start_stream
from cdc.services.streams import find_live, stop_stream
from cdc.settings import Settings
from cdc.spec import Pipeline
from local_stack.components.spark import spark_environment
from local_stack.context import REPO

FILE = REPO / "include" / "pipelines" / "ecommerce.yaml"


@pytest.fixture(scope="module")
def settings(resource_manager: Any) -> Settings:
    ctx = resource_manager.ctx
    env = {name.lower(): value for name, value in spark_environment(ctx).items()}
    connections: Path = ctx.home / "connections.json"
    connections.write_text(json.dumps(resource_manager.connections.to_document()), encoding="utf-8")
    return Settings(**env, cdc_home=ctx.home, cdc_connections_file=connections)


@pytest.fixture(scope="module")
def yarn(resource_manager: Any) -> YarnClient:
    return YarnClient(resource_manager.connections.get("cdc_yarn").url())


@pytest.fixture(scope="module")
def ops(postgres: Any) -> Iterator[OpsStore]:
    with OpsStore(postgres.create_database("streams")) as store:
        store.ensure_schema()
        yield store


def start(pipeline: Pipeline, settings: Settings, yarn: YarnClient, dsn_of: OpsStore) -> Application:
    with OpsStore(dsn_of._dsn) as ops:
        return start_stream(pipeline, pipeline.stream("orders"), FILE, settings, yarn, ops, lambda _: None)


def test_1_two_starts_at_once_leave_one_driver(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, ops: OpsStore
) -> None:
    started: list[Application] = []
    threads = [
        threading.Thread(target=lambda: started.append(start(pipeline, settings, yarn, ops)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({application.id for application in started}) == 1
    live = yarn.applications()
    assert [application.name for application in live] == ["cdc-ecommerce-orders"]
    launch = ops.launch("ecommerce", "orders")
    assert launch is not None
    assert (launch.application_id, launch.desired) == (live[0].id, "running")
    assert launch.spec_hash == pipeline.spec_hash(pipeline.stream("orders"))


def test_2_another_stream_is_not_mistaken_for_it(pipeline: Pipeline, yarn: YarnClient) -> None:
    assert find_live(yarn, pipeline.stream("customers")) is None


def test_3_a_driver_that_does_not_obey_is_killed(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, ops: OpsStore
) -> None:
    stopped = stop_stream(yarn, ops, pipeline.stream("orders"), grace_s=1)
    assert stopped.killed
    assert ops.desired_state("ecommerce", "orders") == "stopped"
    assert find_live(yarn, pipeline.stream("orders")) is None
    found = yarn.application(stopped.application_id or "")
    assert found is not None
    assert (found.state, found.live) == ("KILLED", False)


def test_4_nothing_to_stop(pipeline: Pipeline, yarn: YarnClient, ops: OpsStore) -> None:
    assert stop_stream(yarn, ops, pipeline.stream("orders")).application_id is None


def test_an_unknown_application_and_the_cluster(yarn: YarnClient) -> None:
    assert yarn.application("application_1_0001") is None
    assert yarn.metrics().active_nodes == 0


def test_a_refused_submission_is_one_sentence(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, ops: OpsStore, tmp_path: Path
) -> None:
    without_spark = Settings(
        cdc_jars=tmp_path,
        checkpoint_root="/c",
        spark_home=tmp_path,
        pyspark_python="python",
        hadoop_conf_dir=tmp_path,
        cdc_connections_file=tmp_path / "c.json",
    )
    with pytest.raises(ConfigurationError, match="SPARK_HOME must name a Spark distribution"):
        start(pipeline, without_spark, yarn, ops)


def test_a_resource_manager_that_is_away_is_a_transient_error() -> None:
    with pytest.raises(UnavailableError, match="YARN's ResourceManager does not answer"):
        YarnClient("http://127.0.0.1:1", timeout_s=1).metrics()
