"""Kafka: one broker that is its own KRaft controller."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cdc.errors import ConfigurationError
from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.components.jvm import QUICK_START, java_argv, render_properties, write_log4j2
from local_stack.envfile import write_atomically

HOST = "127.0.0.1"
NODE_ID = 1
HEAP_MB = 512
TOPIC_PREFIX = "dbserver1"


class Kafka(Component):
    """Broker and controller in one JVM; topics appear only when somebody creates them."""

    name = "kafka"
    title = "Kafka"
    ports = (PortSpec("kafka", 19092), PortSpec("kafka-controller", 19093))
    heavy = True
    ready_timeout_s = 180.0

    def prepare(self, ctx: StackContext) -> None:
        """Write the configuration, and format the log folder the first time."""
        folder = ctx.run_dir(self.name)
        write_atomically(self.config_file(ctx), render_properties(server_properties(ctx)))
        write_log4j2(folder)
        if not (log_dir(ctx) / "meta.properties").exists():
            self._format(ctx)

    def command(self, ctx: StackContext) -> Command:
        """`kafka.Kafka` with the generated configuration."""
        option = write_log4j2(ctx.run_dir(self.name))
        config = str(self.config_file(ctx))
        argv = java_argv(
            ctx, classpath(ctx), "kafka.Kafka", config, heap_mb=HEAP_MB, options=(option, QUICK_START)
        )
        return Command(argv=argv, cwd=ctx.data_dir(self.name), stop_timeout_s=45)

    def probe(self, ctx: StackContext) -> str | None:
        """Ask for the cluster's metadata, until the broker itself is in it."""
        address = f"{HOST}:{ctx.ports['kafka']}"
        client = AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 500})
        try:
            metadata = client.list_topics(timeout=2)
        except KafkaException as error:
            return f"Kafka does not answer on {address}: {error.args[0].str()}"
        if str(metadata.cluster_id) != read_cluster_id(ctx):
            return f"another Kafka answers on {address}: cluster {metadata.cluster_id}"
        return None if NODE_ID in metadata.brokers else f"Kafka on {address} has not registered itself yet"

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """Bootstrap address, and the prefix of the sample pipeline's topics."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{ctx.ports['kafka']}",
            "KAFKA_TOPIC_PREFIX": TOPIC_PREFIX,
        }

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The broker, in the form of Airflow's Kafka connection."""
        extra = {"bootstrap.servers": f"{HOST}:{ctx.ports['kafka']}"}
        entry = {"conn_type": "kafka", "host": HOST, "port": ctx.ports["kafka"], "extra": extra}
        return {"cdc_kafka": entry}

    def config_file(self, ctx: StackContext) -> Path:
        """`server.properties` as generated."""
        return ctx.run_dir(self.name) / "server.properties"

    def _format(self, ctx: StackContext) -> None:
        """Give the log folder a cluster id, which a KRaft broker refuses to start without."""
        shutil.rmtree(log_dir(ctx), ignore_errors=True)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "x")
        config = str(self.config_file(ctx))
        argv = java_argv(
            ctx, classpath(ctx), "kafka.tools.StorageTool", "format",
            *("--cluster-id", cluster_id, "--config", config),
            heap_mb=128, options=(write_log4j2(ctx.run_dir(self.name)),),
        )  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise ConfigurationError(
                f"formatting Kafka's storage in {log_dir(ctx)} ended with {done.returncode}: "
                f"{(done.stderr or done.stdout).strip()[-500:]}; mend the cause and start again"
            )


def log_dir(ctx: StackContext) -> Path:
    """The folder of the topics' segments."""
    return ctx.data_dir("kafka") / "logs"


def read_cluster_id(ctx: StackContext) -> str:
    """The id that the log folder was formatted with; it tells this Kafka from one of another stack."""
    lines = (log_dir(ctx) / "meta.properties").read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id=")), "")


def classpath(ctx: StackContext) -> str:
    """Broker, Connect runtime and tools; the JVM expands the star."""
    return str(ctx.jars / "kafka" / "*")


def server_properties(ctx: StackContext) -> dict[str, str]:
    """The broker's configuration.

    Segments are small and the internal topics have few partitions, since this broker serves one
    machine; a change event may be as large as PostgreSQL lets a row with its before-image be in practice.
    """
    broker, controller = f"{HOST}:{ctx.ports['kafka']}", f"{HOST}:{ctx.ports['kafka-controller']}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(log_dir(ctx)),
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "num.partitions": "3",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "log.retention.hours": "168",
        "log.segment.bytes": str(64 << 20),
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "message.max.bytes": str(10 << 20),
        "replica.fetch.max.bytes": str(10 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        # A killed broker may register again only when its old session has ended.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
