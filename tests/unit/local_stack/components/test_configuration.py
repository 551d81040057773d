"""The configuration that components generate."""

from __future__ import annotations

import base64
import json
import pwd
from pathlib import Path
from xml.etree import ElementTree as ET

from local_stack.component import StackContext
from local_stack.components import airflow_environment, spark_environment
from local_stack.components.clickhouse import server_config
from local_stack.components.connect import worker_properties
from local_stack.components.hadoop import capacity_scheduler, container_dir, render_configuration, yarn_site
from local_stack.components.jvm import java_argv
from local_stack.components.kafka import server_properties
from local_stack.components.spark import spark_defaults
from local_stack.components.system_user import build_prefix, is_reachable


def read_configuration(text: str) -> dict[str, str]:
    entries = ET.fromstring(text).findall("property")
    return {entry.findtext("name", ""): entry.findtext("value", "") for entry in entries}


class TestKafka:
    def test_everything_listens_on_loopback_on_the_chosen_ports(self, ctx: StackContext) -> None:
        values = server_properties(ctx)
        broker, controller = ctx.ports["kafka"], ctx.ports["kafka-controller"]
        expected = f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}"
        assert values["listeners"] == expected
        assert values["controller.quorum.voters"] == f"1@127.0.0.1:{controller}"

    def test_nobody_makes_a_topic_by_mistake(self, ctx: StackContext) -> None:
        assert server_properties(ctx)["auto.create.topics.enable"] == "false"

    def test_one_broker_is_enough_for_every_internal_topic(self, ctx: StackContext) -> None:
        factors = [v for k, v in server_properties(ctx).items() if k.endswith("replication.factor")]
        assert len(factors) == 4
        assert set(factors) == {"1"}


class TestConnect:
    def test_sources_deliver_exactly_once(self, ctx: StackContext) -> None:
        values = worker_properties(ctx)
        assert values["exactly.once.source.support"] == "enabled"
        assert values["connector.client.config.override.policy"] == "All"

    def test_events_are_json_without_schemas(self, ctx: StackContext) -> None:
        values = worker_properties(ctx)
        for side in ("key", "value"):
            assert values[f"{side}.converter"].endswith("JsonConverter")
            assert values[f"{side}.converter.schemas.enable"] == "false"

    def test_an_event_that_kafka_takes_is_one_that_the_producer_sends(self, ctx: StackContext) -> None:
        limit = worker_properties(ctx)["producer.max.request.size"]
        assert limit == server_properties(ctx)["message.max.bytes"]


class TestYarn:
    def test_both_daemons_recover(self, ctx: StackContext) -> None:
        values = yarn_site(ctx)
        assert values["yarn.resourcemanager.recovery.enabled"] == "true"
        assert values["yarn.nodemanager.recovery.enabled"] == "true"
        assert values["yarn.nodemanager.recovery.supervised"] == "true"
        assert values["yarn.nodemanager.address"] == f"127.0.0.1:{ctx.ports['nodemanager-rpc']}"

    def test_every_address_is_on_loopback(self, ctx: StackContext) -> None:
        addresses = {k: v for k, v in yarn_site(ctx).items() if k.endswith((".address", ".hostname"))}
        assert len(addresses) == 10
        assert all(value.startswith("127.0.0.1") for value in addresses.values())

    def test_drivers_may_take_nearly_the_whole_queue(self) -> None:
        assert capacity_scheduler()["yarn.scheduler.capacity.maximum-am-resource-percent"] == "0.9"

    def test_values_survive_the_xml(self) -> None:
        values = {"a": "1 < 2 & 3", "b": "/some/päth"}
        assert read_configuration(render_configuration(values)) == values

    def test_containers_live_inside_the_stack(self, ctx: StackContext) -> None:
        assert container_dir(ctx).is_relative_to(ctx.home)


class TestSpark:
    def test_nothing_is_staged_outside_the_stack(self, ctx: StackContext) -> None:
        assert spark_defaults(ctx)["spark.yarn.stagingDir"] == (ctx.home / "data/spark-staging").as_uri()

    def test_the_environment_names_an_installed_spark(self, ctx: StackContext) -> None:
        values = spark_environment(ctx)
        assert (Path(values["SPARK_HOME"]) / "bin" / "spark-submit").is_file()
        assert values["HADOOP_CONF_DIR"] == str(ctx.home / "run" / "hadoop-conf")


class TestAirflow:
    def test_a_key_is_the_same_at_each_start_and_differs_by_purpose(self, ctx: StackContext) -> None:
        first, second = airflow_environment(ctx), airflow_environment(ctx)
        assert first == second
        keys = ["AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY"]
        assert len({first[key] for key in keys}) == 3
        assert len(base64.urlsafe_b64decode(first["AIRFLOW__CORE__FERNET_KEY"])) == 32

    def test_connections_come_from_the_stacks_file(self, ctx: StackContext) -> None:
        arguments = json.loads(airflow_environment(ctx)["AIRFLOW__SECRETS__BACKEND_KWARGS"])
        assert arguments == {"connections_file_path": str(ctx.connections_file)}

    def test_metadata_is_on_the_control_server(self, ctx: StackContext) -> None:
        values = airflow_environment(ctx)
        for key, driver in (("SQL_ALCHEMY_CONN", "psycopg2"), ("SQL_ALCHEMY_CONN_ASYNC", "asyncpg")):
            url = values[f"AIRFLOW__DATABASE__{key}"]
            assert url.startswith(f"postgresql+{driver}://airflow:")
            assert url.endswith(f"@127.0.0.1:{ctx.ports['control']}/airflow")

    def test_the_three_import_roots_are_on_the_path(self, ctx: StackContext) -> None:
        roots = airflow_environment(ctx)["PYTHONPATH"].split(":")
        assert [Path(root).name for root in roots] == ["include", "plugins", "spark_jobs"]


class TestClickHouseBinary:
    def test_the_password_is_not_in_the_configuration(self, ctx: StackContext) -> None:
        text = server_config(ctx)
        assert ctx.secrets["clickhouse"] not in text
        root = ET.fromstring(text)
        assert root.findtext("http_port") == str(ctx.ports["clickhouse"])
        assert root.findtext("users/cdc/networks/ip") == "127.0.0.1"


class TestProcesses:
    def test_a_jvm_has_a_capped_heap(self, ctx: StackContext) -> None:
        argv = java_argv(ctx, "jars/*", "some.Main", "argument", heap_mb=300)
        assert "-Xmx300m" in argv
        assert argv[-2:] == ("some.Main", "argument")

    def test_root_keeps_no_capability_when_everybody_may_read(self) -> None:
        user = pwd.getpwuid(0)
        assert "--ambient-caps" not in build_prefix(user, reachable=True)
        assert "--ambient-caps" in build_prefix(user, reachable=False)

    def test_a_private_folder_above_makes_a_path_unreachable(self, tmp_path: Path) -> None:
        private = tmp_path / "private"
        inner = private / "inner"
        inner.mkdir(parents=True)
        inner.chmod(0o755)
        private.chmod(0o700)
        assert not is_reachable(inner)
