"""The bench's stack: what carries data, and a second Connect worker for the peers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.connect import HOST, Connect, worker_properties
from local_stack.components.control import Control
from local_stack.components.jvm import QUICK_START, java_argv, render_properties, write_log4j2
from local_stack.components.kafka import Kafka, classpath
from local_stack.components.source import Source
from local_stack.components.warehouse import Warehouse
from local_stack.envfile import write_atomically

HEAP_MB = 1024
SMALL = (QUICK_START, "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=96m")


class BusyKafka(Kafka):
    """The stack keeps its JVMs small, since they mostly wait; under load they run as they do elsewhere."""

    def command(self, ctx: StackContext) -> Command:
        """The broker, not kept small."""
        return not_small(super().command(ctx))


class BusyConnect(Connect):
    """The worker of Debezium, not kept small either."""

    def command(self, ctx: StackContext) -> Command:
        """The worker, not kept small."""
        return not_small(super().command(ctx))


class PeerConnect(Connect):
    """A worker of its own for the peers, so that its CPU and memory are theirs alone; it has a large heap."""

    name = "peer-connect"
    title = "Kafka Connect for the peers"
    ports = (PortSpec("peer-connect", 18084),)

    def prepare(self, ctx: StackContext) -> None:
        """Write the configuration."""
        write_atomically(self.config_file(ctx), render_properties(self._properties(ctx)))

    def command(self, ctx: StackContext) -> Command:
        """`ConnectDistributed` in a JVM that is not kept small."""
        option = write_log4j2(ctx.run_dir(self.name))
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        config = str(self.config_file(ctx))
        argv = java_argv(ctx, classpath(ctx), main, config, heap_mb=HEAP_MB, options=(option,))
        return not_small(Command(argv=argv, cwd=ctx.run_dir(self.name), stop_timeout_s=30))

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """Nothing outside talks to it."""
        return {}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """Nothing outside talks to it."""
        return {}

    def url(self, ctx: StackContext) -> str:
        """The REST address."""
        return f"http://{HOST}:{ctx.ports[self.name]}"

    def _properties(self, ctx: StackContext) -> dict[str, str]:
        port = str(ctx.ports[self.name])
        return {
            **worker_properties(ctx),
            "group.id": "peer-connect",
            "exactly.once.source.support": "disabled",
            "config.storage.topic": "peer-configs",
            "offset.storage.topic": "peer-offsets",
            "status.storage.topic": "peer-status",
            "listeners": f"http://{HOST}:{port}",
            "rest.advertised.port": port,
            "plugin.path": str(peer_plugins(ctx)),
            "plugin.discovery": "hybrid_warn",
        }


def not_small(command: Command) -> Command:
    """A JVM's command without what keeps it small."""
    return replace(command, argv=tuple(word for word in command.argv if word not in SMALL))


def peer_plugins(ctx: StackContext) -> Path:
    """The peers' plug-in path."""
    return ctx.home / "peers"


def bench_components() -> tuple[Component, ...]:
    """Every component of the bench, in start order."""
    return (Source(), Warehouse(), Control(), BusyKafka(), BusyConnect(), PeerConnect(), ClickHouse())


def reconcile_components() -> tuple[Component, ...]:
    """What the reconciliation alone needs: everything but the peers' worker."""
    return tuple(component for component in bench_components() if not isinstance(component, PeerConnect))
