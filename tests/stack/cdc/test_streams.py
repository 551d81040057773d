"""Starting, finding and stopping a stream on a real ResourceManager; without a node it waits, accepted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdc.clients.yarn import Application, YarnClient
from cdc.connections import Connection, Connections
from cdc.errors import ConfigurationError, ConflictError, UnavailableError
from cdc.model.desired import Desired
from cdc.model.orphans import Why
from cdc.ops import OpsStore
from cdc.services.orphans import Orphans
from cdc.services.start import start_stream
from cdc.services.streams import find_live, stop_stream
from cdc.services.submit import submit
from cdc.settings import Settings
from cdc.spec import Pipeline
from local_stack.components.spark import spark_environment
from local_stack.context import REPO

FILE = REPO / "include" / "pipelines" / "ecommerce.yaml"


@pytest.fixture(scope="module")
def settings(resource_manager: Any, pipeline: Pipeline) -> Settings:
    ctx = resource_manager.ctx
    # No driver comes as far as to use them: nothing runs containers here.
    others = Connections(Connection(id=name, conn_type="x") for name in pipeline.driver_connection_ids)
    env = {name.lower(): value for name, value in spark_environment(ctx).items()}
    connections: Path = ctx.home / "connections.json"
    document = others.to_document() | resource_manager.connections.to_document()
    connections.write_text(json.dumps(document), encoding="utf-8")
    return Settings(**env, cdc_home=ctx.home, cdc_connections_file=connections)


@pytest.fixture(scope="module")
def yarn(resource_manager: Any) -> YarnClient:
    return YarnClient(resource_manager.connections.get("cdc_yarn").url())


@pytest.fixture(scope="module")
def ops(postgres: Any) -> Iterator[OpsStore]:
    with OpsStore(postgres.create_database("streams")) as store:
        store.ensure_schema()
        yield store


def start(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, dsn_of: OpsStore, *, resume: bool = False
) -> Application:
    stream = pipeline.stream("orders")
    with OpsStore(dsn_of._dsn) as ops:
        return start_stream(pipeline, stream, FILE, settings, yarn, ops, lambda _: None, resume=resume)


def waits_for_a_lock(ops: OpsStore) -> bool:
    return bool(ops.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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


def test_5_a_paused_stream_is_started_by_nothing_but_a_resume(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, ops: OpsStore
) -> None:
    stream = pipeline.stream("orders")
    start(pipeline, settings, yarn, ops)
    stop_stream(yarn, ops, stream, grace_s=1, desired=Desired.PAUSED)
    assert ops.desired_state("ecommerce", "orders") is Desired.PAUSED
    with pytest.raises(ConfigurationError, match="is paused: resume it"):
        start(pipeline, settings, yarn, ops)
    assert find_live(yarn, stream) is None
    resumed = start(pipeline, settings, yarn, ops, resume=True)
    assert ops.desired_state("ecommerce", "orders") is Desired.RUNNING
    assert find_live(yarn, stream) == resumed


def test_6_a_second_driver_of_a_stream_is_found_and_the_next_ensure_ends_it(
    pipeline: Pipeline, settings: Settings, yarn: YarnClient, ops: OpsStore
) -> None:
    stream = pipeline.stream("orders")
    first = find_live(yarn, stream)
    assert first is not None
    # Somebody submits beside the platform, which looks first.
    submit(pipeline, stream, FILE, settings)
    (second,) = {a.id for a in yarn.applications([stream.app_name])} - {first.id}
    (orphan,) = Orphans([pipeline], yarn, [ops]).find()
    assert (orphan.why, orphan.name, orphan.kept) == (Why.DOUBLE, second, first.id)
    with OpsStore(ops._dsn) as other, other.exclusively(f"launch {stream.app_name}"):
        # A launch under way, which has submitted the second one and will end the first.
        ending = threading.Thread(target=Orphans([pipeline], yarn, [ops]).end, args=([orphan],))
        ending.start()
        wait_until(lambda: len(yarn.applications([stream.app_name])) < 2 or waits_for_a_lock(other))
        other.record_launch("ecommerce", "orders", second, pipeline.spec_hash(stream))
    ending.join()
    assert [a.id for a in yarn.applications([stream.app_name])] == [second]
    submit(pipeline, stream, FILE, settings)
    assert start(pipeline, settings, yarn, ops).id == second
    assert [a.id for a in yarn.applications([stream.app_name])] == [second]
    assert Orphans([pipeline], yarn, [ops]).find() == []


def test_7_a_stream_that_left_its_pipeline_is_ended_and_its_lease_given_back(
    pipeline: Pipeline, yarn: YarnClient, ops: OpsStore
) -> None:
    stream = pipeline.stream("orders")
    live = find_live(yarn, stream)
    assert live is not None
    query = stream.query_name("warehouse")
    ops.acquire_lease(query, f"{live.id}/1", 600)
    rest = tuple(table for table in pipeline.tables if table.stream != "orders")
    smaller = pipeline.model_copy(update={"tables": rest})
    orphans = Orphans([smaller], yarn, [ops])
    (orphan,) = orphans.find()
    assert (orphan.why, orphan.name) == (Why.UNDECLARED, live.id)
    assert "cdc-ecommerce-orders, which its pipeline has no more" in orphan.sentence
    assert orphans.end([orphan], grace_s=1) == [orphan]
    assert find_live(yarn, stream) is None
    # Declared again, it starts: nobody has stopped it.
    assert ops.desired_state("ecommerce", "orders").wants_driver

    (left,) = orphans.find()
    assert (left.why, left.name) == (Why.LEASE, query)
    with pytest.raises(ConflictError):
        ops.acquire_lease(query, "another", 600)
    orphans.end([left])
    assert ops.acquire_lease(query, "another", 1).epoch == 2
    assert orphans.find() == []


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
        cdc_connections_file=settings.cdc_connections_file,
    )
    with pytest.raises(ConfigurationError, match="SPARK_HOME must name a Spark distribution"):
        start(pipeline, without_spark, yarn, ops)


def test_a_resource_manager_that_is_away_is_a_transient_error() -> None:
    with pytest.raises(UnavailableError, match="YARN's ResourceManager does not answer"):
        YarnClient("http://127.0.0.1:1", timeout_s=1).metrics()
