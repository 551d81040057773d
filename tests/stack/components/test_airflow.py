"""Airflow's four processes on the control PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from local_stack.component import StackContext
from local_stack.components import airflow_environment
from local_stack.components.airflow import (
    AirflowApiServer,
    AirflowDagProcessor,
    AirflowJobComponent,
    AirflowScheduler,
    AirflowTriggerer,
    is_migrated,
)
from local_stack.components.airflow_environment import airflow_url
from local_stack.components.control import Control
from tests.stack.components.running import Runner


@pytest.fixture(scope="module")
def control(runner: Runner) -> Control:
    control = Control()
    runner.start(control)
    return control


@pytest.fixture(scope="module")
def api(runner: Runner, control: Control) -> AirflowApiServer:
    api = AirflowApiServer()
    runner.start(api)
    return api


@pytest.fixture(params=[AirflowScheduler, AirflowDagProcessor, AirflowTriggerer])
def job(
    request: pytest.FixtureRequest, runner: Runner, api: AirflowApiServer
) -> Iterator[AirflowJobComponent]:
    component: AirflowJobComponent = request.param()
    runner.start(component)
    yield component
    runner.stop(component)


def ask_for_token(ctx: StackContext, password: str) -> requests.Response:
    body = {"username": "admin", "password": password}
    return requests.post(f"{airflow_url(ctx)}/auth/token", json=body, timeout=10)


class TestApiServer:
    def test_the_exported_password_is_the_one_that_logs_in(
        self, ctx: StackContext, api: AirflowApiServer
    ) -> None:
        assert ask_for_token(ctx, "wrong").status_code == 401
        answer = ask_for_token(ctx, api.exports(ctx)["AIRFLOW_PASSWORD"])
        assert answer.status_code == 201
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        version = requests.get(f"{airflow_url(ctx)}/api/v2/dags", headers=bearer, timeout=10)
        assert version.status_code == 200

    def test_the_server_of_another_stack_is_not_taken_for_this_one(
        self, ctx: StackContext, api: AirflowApiServer
    ) -> None:
        foreign = replace(ctx, secrets={**ctx.secrets, "airflow_admin": "of another stack"})
        assert "another Airflow" in (api.probe(foreign) or "")

    def test_nothing_is_migrated_twice(self, ctx: StackContext, api: AirflowApiServer) -> None:
        assert is_migrated(ctx)

    def test_it_is_back_after_a_kill(self, ctx: StackContext, runner: Runner, api: AirflowApiServer) -> None:
        runner.kill_and_start(api)
        assert ask_for_token(ctx, ctx.secrets["airflow_admin"]).status_code == 201


class TestJobs:
    def test_a_killed_one_counts_as_ready_only_when_it_has_registered_again(
        self, ctx: StackContext, runner: Runner, job: AirflowJobComponent
    ) -> None:
        runner.kill(job)
        job.prepare(ctx)
        assert "has not registered" in (job.probe(ctx) or "")
        runner.start(job)
        assert job.probe(ctx) is None


class TestShell:
    def test_the_command_line_reads_the_stacks_connections(self, ctx: StackContext, control: Control) -> None:
        argv = [str(ctx.python), "-m", "airflow", "connections", "get", "cdc_spark", "-o", "json"]
        environment = {**os.environ, **ctx.stack_env(), **airflow_environment(ctx)}
        done = subprocess.run(
            argv, env=environment, cwd=ctx.home, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr[-2000:]
        (entry,) = json.loads(done.stdout[done.stdout.index("[{") :])
        assert entry["host"] == "yarn"
        extra = entry["extra_dejson"]
        assert extra["deploy-mode"] == "cluster"
        assert extra["yarn_resourcemanager_webapp_address"].endswith(str(ctx.ports["resourcemanager"]))
