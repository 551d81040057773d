"""What the components promise to the supervisor and to everything outside the stack."""

from __future__ import annotations

import json
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest

from local_stack.component import StackContext
from local_stack.components import all_components, before_stop

EXPORTED = {
    "SOURCE_DSN", "WAREHOUSE_DSN", "OPS_DSN", "CLICKHOUSE_URL", "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_CONNECT_URL", "KAFKA_TOPIC_PREFIX", "YARN_RM_URL", "HADOOP_CONF_DIR", "AIRFLOW_URL",
    "AIRFLOW_USER", "AIRFLOW_PASSWORD", "SMTP_HOST", "SMTP_PORT", "MAIL_DIR",
}  # fmt: skip
CONNECTIONS = {
    "cdc_source", "cdc_source_admin", "cdc_warehouse", "cdc_clickhouse", "cdc_ops", "cdc_kafka",
    "cdc_connect", "cdc_yarn", "cdc_spark", "cdc_smtp",
}  # fmt: skip
# What airflow.secrets.local_filesystem accepts; another key would make Airflow refuse the whole file.
AIRFLOW_KEYS = {"conn_type", "host", "port", "login", "password", "schema", "extra"}


class TestStartOrder:
    def test_a_component_comes_after_everything_that_it_requires(self) -> None:
        seen: set[str] = set()
        for component in all_components():
            assert set(component.requires) <= seen, component.name
            seen.add(component.name)

    def test_names_and_preferred_ports_are_unique(self) -> None:
        components = all_components()
        names = Counter(component.name for component in components)
        ports = Counter(spec.preferred for component in components for spec in component.ports)
        assert max(names.values()) == 1
        assert max(ports.values()) == 1

    def test_preferred_ports_lie_below_those_that_the_kernel_gives_away(self) -> None:
        assert all(1024 < spec.preferred < 32768 for c in all_components() for spec in c.ports)

    def test_the_streams_are_asked_before_the_components_stop(self) -> None:
        assert [hook.__name__ for hook in before_stop()] == ["stop_streams"]


class TestExports:
    def test_every_promised_line_is_there(self, ctx: StackContext) -> None:
        exported = {key for component in all_components() for key in component.exports(ctx)}
        assert exported >= EXPORTED

    @pytest.mark.parametrize(
        ("key", "user", "secret", "database"),
        [
            ("SOURCE_DSN", "postgres", "source_superuser", "shop"),
            ("WAREHOUSE_DSN", "warehouse", "warehouse", "analytics"),
            ("OPS_DSN", "cdc_ops", "cdc_ops", "cdc_ops_db"),
        ],
    )
    def test_a_dsn_names_role_and_database_and_quotes_its_password(
        self, ctx: StackContext, key: str, user: str, secret: str, database: str
    ) -> None:
        values = {k: v for component in all_components() for k, v in component.exports(ctx).items()}
        url = urlsplit(values[key])
        assert (url.scheme, url.hostname, url.username) == ("postgresql", "127.0.0.1", user)
        assert unquote(url.password or "") == ctx.secrets[secret]
        assert url.path == f"/{database}"

    def test_every_value_fits_on_a_line(self, ctx: StackContext) -> None:
        for component in all_components():
            assert not any("\n" in value for value in component.exports(ctx).values())


class TestConnections:
    def test_every_promised_connection_is_there(self, ctx: StackContext) -> None:
        ids = {key for component in all_components() for key in component.connections(ctx)}
        assert ids == CONNECTIONS

    def test_entries_have_only_keys_that_airflow_accepts(self, ctx: StackContext) -> None:
        for component in all_components():
            for entry in component.connections(ctx).values():
                assert set(entry) <= AIRFLOW_KEYS
                assert json.loads(json.dumps(entry)) == entry

    def test_debezium_logs_in_with_another_role_than_the_owner(self, ctx: StackContext) -> None:
        entries = {k: v for component in all_components() for k, v in component.connections(ctx).items()}
        assert entries["cdc_source"]["login"] == "debezium"
        assert entries["cdc_source_admin"]["login"] == "shop"
        assert entries["cdc_source"]["password"] != entries["cdc_source_admin"]["password"]
