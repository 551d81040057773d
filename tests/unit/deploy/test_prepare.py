"""What the one-shot service `prepare` does, on a real PostgreSQL server."""

from __future__ import annotations

import importlib.util
import json
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from cdc.connections import Connections
from cdc.spec import load_pipeline
from local_stack.component import Component, StackContext
from local_stack.components.postgres import SUPERUSER, postgres_binary, run_initdb
from local_stack.components.system_user import choose_user

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", REPOSITORY / "deploy" / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def environment(services_module: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The service's environment, with values for the variables and its files below a temporary folder."""
    folder = tmp_path_factory.mktemp("prepared")
    written = {str(k): str(v) for k, v in services_module["prepare"]["environment"].items()}
    values = {
        key: f"pw{key.lower().replace('_', '')}" if "${" in value else value for key, value in written.items()
    }
    return values | {
        "CDC_CONNECTIONS_FILE": str(folder / "connections.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "airflow-passwords.json"),
        "CDC_JARS": "/opt/jars",
        "JAVA_HOME": "/opt/java",
    }


@pytest.fixture(scope="module")
def services_module(services: dict[str, Any]) -> dict[str, Any]:
    return services


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(host:port, superuser's password) of one server, which plays all three."""
    folder = Path(tmp_path_factory.mktemp("postgres"))
    data, password_file = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    password_file.write_text("superuser", encoding="utf-8")
    run_as = choose_user(postgres_binary("postgres"), data)
    run_as.give(data)
    run_as.give(password_file)
    run_initdb(run_as, data, password_file)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [*run_as.prefix, str(postgres_binary("postgres")), "-D", str(data), "-p", str(port)]
    argv += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    process = subprocess.Popen(argv, cwd=data.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"127.0.0.1:{port}", "superuser"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"postgresql://{SUPERUSER}:superuser@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="module")
def prepared(
    prepare: ModuleType, environment: dict[str, str], server: tuple[str, str], request: pytest.FixtureRequest
) -> dict[str, str]:
    """The environment after the service ran twice."""
    address, superuser = server
    hosts = dict.fromkeys(("SOURCE_HOST", "WAREHOUSE_HOST", "CONTROL_HOST"), address)
    passwords = {f"{name}_SUPERUSER_PASSWORD": superuser for name in ("SOURCE", "WAREHOUSE", "CONTROL")}
    values = environment | hosts | passwords
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare.os, "environ", values)
        assert prepare.main() == 0
        assert prepare.main() == 0
    return values


def ask(address: str, user: str, password: str, database: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(f"postgresql://{user}:{password}@{address}/{database}") as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_owner_has_the_shop_and_running_twice_filled_it_once(prepared: dict[str, str]) -> None:
    rows = ask(
        prepared["SOURCE_HOST"],
        "shop",
        prepared["SOURCE_OWNER_PASSWORD"],
        "shop",
        "SELECT count(*) FROM orders",
    )
    assert rows == [(1000,)]


def test_debezium_may_replicate_and_see_sessions_and_read_no_table_yet(prepared: dict[str, str]) -> None:
    login = (prepared["SOURCE_HOST"], "debezium", prepared["SOURCE_CAPTURE_PASSWORD"], "shop")
    query = (
        "SELECT rolreplication, rolsuper, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') "
        "FROM pg_roles WHERE rolname = current_user"
    )
    assert ask(*login, query) == [(True, False, True)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(*login, "SELECT * FROM orders")


@pytest.mark.parametrize(
    ("host", "role", "key", "database"),
    [
        ("WAREHOUSE_HOST", "warehouse", "WAREHOUSE_PASSWORD", "analytics"),
        ("CONTROL_HOST", "cdc_ops", "CDC_OPS_PASSWORD", "cdc_ops_db"),
        ("CONTROL_HOST", "airflow", "AIRFLOW_DATABASE_PASSWORD", "airflow"),
    ],
)
def test_each_database_belongs_to_its_role(
    prepared: dict[str, str], host: str, role: str, key: str, database: str
) -> None:
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert ask(prepared[host], role, prepared[key], database, query) == [(role,)]


def test_the_files_are_secrets(prepared: dict[str, str]) -> None:
    for key in ("CDC_CONNECTIONS_FILE", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"):
        assert stat.S_IMODE(Path(prepared[key]).stat().st_mode) == 0o600


def test_airflows_login(prepared: dict[str, str]) -> None:
    text = Path(prepared["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text(encoding="utf-8")
    assert json.loads(text) == {"admin": prepared["AIRFLOW_PASSWORD"]}


class TestConnections:
    def test_are_those_of_the_local_stack(
        self,
        prepare: ModuleType,
        environment: dict[str, str],
        components: dict[str, Component],
        local: StackContext,
    ) -> None:
        expected: dict[str, Any] = {}
        for component in components.values():
            expected.update(component.connections(local))
        found = prepare.connections(environment)
        assert set(found) == set(expected)
        for name, entry in expected.items():
            for field in ("conn_type", "login", "schema"):
                assert found[name].get(field) == entry.get(field), f"{name}.{field}"
            assert set(found[name].get("extra", {})) == set(entry.get("extra", {})), name

    def test_point_at_services_and_the_ports_they_listen_on(
        self, prepare: ModuleType, environment: dict[str, str], services: dict[str, Any]
    ) -> None:
        for name, entry in prepare.connections(environment).items():
            if "port" in entry:
                inner = [int(port.rsplit(":", 1)[1]) for port in services[entry["host"]]["ports"]]
                # Kafka's published listener is another one than that of the services
                assert entry["port"] in inner or entry["host"] == "kafka", name
            assert "127.0.0.1" not in json.dumps(entry), name

    def test_hold_everything_that_the_sample_pipeline_names(self, prepared: dict[str, str]) -> None:
        connections = Connections.from_file(prepared["CDC_CONNECTIONS_FILE"])
        pipeline = load_pipeline(REPOSITORY / "include" / "pipelines" / "ecommerce.yaml")
        sinks = [sink.connection for sink in pipeline.sinks]
        sections = (pipeline.kafka, pipeline.connect, pipeline.ops, pipeline.alerts, pipeline.source)
        for name in [*sinks, *(section.connection for section in sections), pipeline.source.admin_connection]:
            assert connections.get(name).id == name
        assert connections.get("cdc_kafka").bootstrap_servers() == "kafka:9092"
        assert connections.get("cdc_spark").extra["yarn_resourcemanager_webapp_address"] == (
            "http://resourcemanager:8088"
        )
