"""docker-compose.yaml against the local stack: the same services, ports, settings and environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from local_stack.component import Component, StackContext
from local_stack.components import hadoop
from local_stack.components.airflow_environment import airflow_environment
from local_stack.components.connect import worker_properties
from local_stack.components.kafka import server_properties
from local_stack.components.postgres import PostgresComponent

REPOSITORY = Path(__file__).resolve().parents[3]
ONE_SHOT = {"prepare", "airflow-init"}
Services = dict[str, dict[str, Any]]


def published(service: dict[str, Any]) -> dict[int, int]:
    """Host port by container port."""
    ports = (entry.rsplit(":", 2)[1:] for entry in service.get("ports", []))
    return {int(inner): int(outer) for outer, inner in ports}


class TestTopology:
    def test_every_component_of_the_local_stack_is_a_service(
        self, services: Services, components: dict[str, Component]
    ) -> None:
        assert set(services) - ONE_SHOT == set(components)

    def test_each_is_published_on_the_port_that_the_local_stack_prefers(
        self, services: Services, components: dict[str, Component]
    ) -> None:
        expected = {name: item.ports[0].preferred for name, item in components.items() if item.ports}
        for name, port in expected.items():
            assert port in published(services[name]).values(), name

    def test_everything_is_published_on_loopback_only(self, services: Services) -> None:
        entries = [entry for service in services.values() for entry in service.get("ports", [])]
        assert entries
        assert [entry for entry in entries if not entry.startswith("127.0.0.1:")] == []

    def test_a_service_waits_for_what_its_component_requires(
        self, services: Services, components: dict[str, Component]
    ) -> None:
        for name, component in components.items():
            waits = services[name].get("depends_on", {})
            assert set(component.requires) <= set(waits) | {"airflow-api-server"}, name

    def test_nobody_waits_for_a_mere_start(self, services: Services) -> None:
        conditions = {
            (name, other, entry["condition"])
            for name, service in services.items()
            for other, entry in service.get("depends_on", {}).items()
        }
        for name, other, condition in conditions:
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert condition == expected, f"{name} -> {other}"

    def test_every_service_that_stays_has_a_health_check_and_comes_back(self, services: Services) -> None:
        for name in set(services) - ONE_SHOT:
            assert services[name]["healthcheck"]["test"], name
            assert services[name]["restart"] == "unless-stopped", name


class TestImages:
    def test_tags_are_pinned(self, services: Services) -> None:
        for name, service in services.items():
            tag = service["image"].rpartition(":")[2]
            assert "build" in service or re.search(r"\d+\.\d+", tag), f"{name}: {service['image']}"

    def test_versions_are_those_that_were_tested_together(self, services: Services) -> None:
        assert services["kafka"]["image"] == "apache/kafka:4.3.1"
        assert services["connect"]["image"].endswith("debezium/connect:3.7.0.Final")
        assert services["source"]["image"].startswith("postgres:18.")
        assert services["clickhouse"]["image"].startswith("clickhouse/clickhouse-server:26.9.")

    def test_the_built_image_takes_the_pinned_requirements_with_their_hashes(self) -> None:
        dockerfile = (REPOSITORY / "deploy" / "platform" / "Dockerfile").read_text(encoding="utf-8")
        assert "--require-hashes -r /opt/cdc/requirements.txt" in dockerfile
        for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE):
            assert (REPOSITORY / source).exists(), source

    def test_the_build_context_leaves_out_everything_else(self) -> None:
        kept = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        dockerfile = (REPOSITORY / "deploy" / "platform" / "Dockerfile").read_text(encoding="utf-8")
        assert kept[0] == "*"
        for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE):
            assert f"!{source}" in kept


class TestSettings:
    @pytest.mark.parametrize("name", ["source", "warehouse", "control"])
    def test_postgres_runs_with_the_settings_of_the_local_stack(
        self, services: Services, components: dict[str, Component], name: str
    ) -> None:
        component = components[name]
        assert isinstance(component, PostgresComponent)
        flags = dict(flag[2:].split("=", 1) for flag in services[name]["command"][1:])
        assert component.settings.items() <= flags.items()

    def test_kafka(self, services: Services, local: StackContext) -> None:
        environment = services["kafka"]["environment"]
        place = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}
        # what is small because the local stack is small
        size = {
            "offsets.topic.num.partitions", "transaction.state.log.num.partitions", "log.segment.bytes",
            "log.cleaner.dedupe.buffer.size", "num.network.threads", "num.io.threads", "background.threads",
            "broker.session.timeout.ms", "broker.heartbeat.interval.ms", "listener.security.protocol.map",
        }  # fmt: skip
        for key, value in server_properties(local).items():
            if key not in place | size:
                assert environment[f"KAFKA_{key.upper().replace('.', '_')}"] == value, key

    def test_connect(self, services: Services, local: StackContext) -> None:
        environment = services["connect"]["environment"]
        place = {"listeners", "rest.advertised.port", "plugin.path", "plugin.discovery"}
        pace = {"session.timeout.ms", "heartbeat.interval.ms", "rebalance.timeout.ms"}
        named = {
            "task.shutdown.graceful.timeout.ms": "SHUTDOWN_TIMEOUT",
            "rest.advertised.host.name": "ADVERTISED_HOST_NAME",
        }
        for key, value in worker_properties(local).items():
            if key in place | pace:
                continue
            plain = named.get(key, key.upper().replace(".", "_"))
            found = environment.get(plain, environment.get(f"CONNECT_{plain}"))
            expected = {"bootstrap.servers": "kafka:9092", "rest.advertised.host.name": "connect"}.get(
                key, value
            )
            assert found == expected, key

    def test_yarn_recovers_and_limits_as_the_local_one_does(self, local: StackContext) -> None:
        found = {
            entry.findtext("name"): entry.findtext("value")
            for entry in ET.parse(REPOSITORY / "deploy" / "yarn" / "yarn-site.xml").getroot()
        }
        expected = hadoop.yarn_site(local)
        own = {"yarn.nodemanager.recovery.supervised", "yarn.nodemanager.env-whitelist"}
        common = {
            key: value
            for key, value in expected.items()
            if key in found and not re.search(r"address|hostname|bind-host|-dirs|\.dir$|uri", key)
        }
        assert len(common) >= 18
        assert {key: found[key] for key in common if key not in own} == {
            key: value for key, value in common.items() if key not in own
        }

    def test_spark_stages_on_the_volume_that_airflow_and_yarn_share(self, services: Services) -> None:
        lines = (
            (REPOSITORY / "deploy" / "spark" / "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
        )
        defaults = dict(line.split(maxsplit=1) for line in lines if not line.startswith("#"))
        dockerfile = (REPOSITORY / "deploy" / "platform" / "Dockerfile").read_text(encoding="utf-8")
        assert defaults["spark.yarn.stagingDir"] == "file:///var/lib/cdc/shared/staging"
        found = re.search(r"SPARK_HOME=(\S+)", dockerfile)
        assert found is not None
        assert defaults["spark.yarn.jars"] == f"local:{found[1]}/jars/*"
        for name in ("airflow-scheduler", "nodemanager"):
            assert "shared:/var/lib/cdc/shared" in services[name]["volumes"]
            assert services[name]["environment"]["CHECKPOINT_ROOT"].startswith("/var/lib/cdc/shared/")

    def test_yarn_gives_nearly_all_of_its_queue_to_drivers(self) -> None:
        root = ET.parse(REPOSITORY / "deploy" / "yarn" / "capacity-scheduler.xml").getroot()
        found = {entry.findtext("name"): entry.findtext("value") for entry in root}
        assert found.items() <= hadoop.capacity_scheduler().items()
        assert found["yarn.scheduler.capacity.maximum-am-resource-percent"] == "0.9"


class TestAirflow:
    # What a container has otherwise: paths, addresses, secrets, and a health port of its own.
    DIFFERENT = re.compile(
        r"FOLDER|DIRECTORY|PASSWORDS_FILE|FERNET|SECRET|SQL_ALCHEMY_CONN|URL|HOST$|PORT$|ISSUER|BACKEND_KWARGS"
        r"|ENABLE_HEALTH_CHECK"
    )

    def test_the_configuration_is_the_local_one(self, services: Services, local: StackContext) -> None:
        expected = {k: v for k, v in airflow_environment(local).items() if k.startswith("AIRFLOW__")}
        for name in ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"):
            found = {k: v for k, v in services[name]["environment"].items() if k.startswith("AIRFLOW__")}
            assert set(found) == set(expected), name
            for key, value in expected.items():
                assert self.DIFFERENT.search(key) or found[key] == value, f"{name} {key}"

    def test_each_process_runs_its_own_subcommand(
        self, services: Services, components: dict[str, Component]
    ) -> None:
        for name, component in components.items():
            arguments = getattr(component, "arguments", None)
            if arguments is not None:
                assert services[name]["command"] == ["airflow", *arguments]

    def test_tasks_see_the_contract(
        self, services: Services, components: dict[str, Component], local: StackContext
    ) -> None:
        environment = services["airflow-scheduler"]["environment"]
        dockerfile = (REPOSITORY / "deploy" / "platform" / "Dockerfile").read_text(encoding="utf-8")
        exported = {key for component in components.values() for key in component.exports(local)}
        # These hold passwords or belong to a person's shell; tasks read connections.json.
        personal = {
            "SOURCE_DSN", "WAREHOUSE_DSN", "OPS_DSN", "CLICKHOUSE_URL", "MAIL_DIR",
            "AIRFLOW_URL", "AIRFLOW_USER", "AIRFLOW_PASSWORD",
        }  # fmt: skip
        own = {
            "CDC_CONNECTIONS_FILE", "CDC_ENV", "CDC_PIPELINES_DIR", "CHECKPOINT_ROOT", "LOG_DIR",
            "CDC_JARS", "SPARK_HOME", "PYSPARK_PYTHON", "JAVA_HOME",
        }  # fmt: skip
        for key in (exported - personal) | own:
            assert key in environment or re.search(rf"\b{key}=", dockerfile), key


class TestSecrets:
    def test_every_variable_is_in_the_example_and_none_has_a_default(self) -> None:
        text = (REPOSITORY / "docker-compose.yaml").read_text(encoding="utf-8")
        example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
        keys = set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE))
        required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
        assert required == keys
        assert set(re.findall(r"\$\{([A-Z_]+):-", text)) == {"CDC_ENV"}

    def test_the_local_stacks_passwords_have_a_key_each(self, components: dict[str, Component]) -> None:
        example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
        servers = [item for name, item in components.items() if not name.startswith("airflow")]
        for name in {name for item in servers for name in item.secrets}:
            assert f"{name.upper()}_PASSWORD=" in example


@pytest.fixture
def docker_compose() -> str:
    """The program; without it the test is skipped, except where all must run."""
    program = shutil.which("docker-compose")
    if program is None:
        message = "docker-compose is not installed: apt-get install docker-compose"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return program


def run_config(program: str, env_file: Path) -> subprocess.CompletedProcess[str]:
    command = [
        program,
        "--file",
        str(REPOSITORY / "docker-compose.yaml"),
        "--env-file",
        str(env_file),
        "config",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(env_file.parent)}
    return subprocess.run(
        command, cwd=env_file.parent, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


class TestDockerComposeConfig:
    def test_accepts_the_file(self, docker_compose: str, tmp_path: Path) -> None:
        keys = re.findall(r"^([A-Z_]+)=$", (REPOSITORY / ".env.example").read_text(encoding="utf-8"), re.M)
        env_file = tmp_path / "values.env"
        env_file.write_text("".join(f"{key}=value-of-{key.lower()}\n" for key in keys), encoding="utf-8")
        done = run_config(docker_compose, env_file)
        assert done.returncode == 0, done.stderr
        assert "value-of-clickhouse_password" in done.stdout

    def test_refuses_to_start_without_secrets(self, docker_compose: str, tmp_path: Path) -> None:
        env_file = tmp_path / "empty.env"
        env_file.write_text("", encoding="utf-8")
        done = run_config(docker_compose, env_file)
        assert done.returncode != 0
        assert "make_env.py" in done.stderr
