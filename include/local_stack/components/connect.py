"""Kafka Connect in distributed mode, with exactly-once source support and Debezium on its plug-in path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.components.jvm import QUICK_START, java_argv, render_properties, write_log4j2
from local_stack.components.kafka import classpath, read_cluster_id
from local_stack.envfile import write_atomically

HOST = "127.0.0.1"
HEAP_MB = 512
GROUP = "cdc-connect"


class Connect(Component):
    """One worker; connectors, their offsets and their state live in Kafka, so there is no data folder."""

    name = "connect"
    title = "Kafka Connect with Debezium"
    requires = ("kafka",)
    ports = (PortSpec("connect", 18083),)
    heavy = True
    ready_timeout_s = 240.0

    def prepare(self, ctx: StackContext) -> None:
        """Write the configuration."""
        write_atomically(self.config_file(ctx), render_properties(worker_properties(ctx)))

    def command(self, ctx: StackContext) -> Command:
        """`ConnectDistributed` with the generated configuration."""
        option = write_log4j2(ctx.run_dir(self.name))
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        config = str(self.config_file(ctx))
        argv = java_argv(ctx, classpath(ctx), main, config, heap_mb=HEAP_MB, options=(option, QUICK_START))
        return Command(argv=argv, cwd=ctx.run_dir(self.name), stop_timeout_s=30)

    def probe(self, ctx: StackContext) -> str | None:
        """Ask for the worker's health, which is good once it has joined its group and read its topics."""
        try:
            answer = requests.get(f"{self.url(ctx)}/health", timeout=5)
            root = requests.get(f"{self.url(ctx)}/", timeout=5) if answer.ok else answer
        except requests.RequestException as error:
            return f"Connect does not answer on {self.url(ctx)}: {type(error).__name__}"
        if root.ok:
            cluster = root.json().get("kafka_cluster_id")
            known = read_cluster_id(ctx)
            return None if cluster == known else f"another Connect answers on {self.url(ctx)}: {cluster}"
        return f"Connect on {self.url(ctx)} says {answer.status_code}: {answer.text[:200]}"

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The REST address."""
        return {"KAFKA_CONNECT_URL": self.url(ctx)}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The REST address."""
        return {"cdc_connect": {"conn_type": "http", "host": HOST, "port": ctx.ports["connect"]}}

    def url(self, ctx: StackContext) -> str:
        """The REST address."""
        return f"http://{HOST}:{ctx.ports['connect']}"

    def config_file(self, ctx: StackContext) -> Path:
        """`connect.properties` as generated."""
        return ctx.run_dir(self.name) / "connect.properties"


def worker_properties(ctx: StackContext) -> dict[str, str]:
    """The worker's configuration.

    A killed worker is back within seconds and alone in its group, so nobody waits for its return
    (`scheduled.rebalance.max.delay.ms`), and its own old membership is given up soon.
    `offset.flush.interval.ms` bounds how stale the slot's confirmed LSN, and so a watermark, can be.
    """
    return {
        "bootstrap.servers": f"{HOST}:{ctx.ports['kafka']}",
        "group.id": GROUP,
        "exactly.once.source.support": "enabled",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "config.storage.topic": "connect-configs",
        "config.storage.replication.factor": "1",
        "offset.storage.topic": "connect-offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "3",
        "status.storage.topic": "connect-status",
        "status.storage.replication.factor": "1",
        "status.storage.partitions": "1",
        "offset.flush.interval.ms": "1000",
        "listeners": f"http://{HOST}:{ctx.ports['connect']}",
        "rest.advertised.host.name": HOST,
        "rest.advertised.port": str(ctx.ports["connect"]),
        "plugin.path": str(ctx.jars / "connect-plugins"),
        "plugin.discovery": "service_load",
        "connector.client.config.override.policy": "All",
        "scheduled.rebalance.max.delay.ms": "0",
        "session.timeout.ms": "6000",
        "heartbeat.interval.ms": "2000",
        "rebalance.timeout.ms": "15000",
        "task.shutdown.graceful.timeout.ms": "10000",
        "producer.max.request.size": str(10 << 20),
        "consumer.max.partition.fetch.bytes": str(10 << 20),
    }
