"""YARN's two daemons: the ResourceManager, and the one NodeManager on which every stream runs."""

from __future__ import annotations

from typing import Any

import requests

from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.components.hadoop import (
    HOST,
    conf_dir,
    container_dir,
    container_log_dir,
    daemon_command,
    write_conf,
)
from local_stack.components.processes import end_processes, processes_working_in, started_file
from local_stack.components.spark import spark_environment, write_spark_conf

SERVER = "org.apache.hadoop.yarn.server"


def resourcemanager_url(ctx: StackContext) -> str:
    """The ResourceManager's web and REST address."""
    return f"http://{HOST}:{ctx.ports['resourcemanager']}"


class ResourceManager(Component):
    """Keeps the applications, in files, so that it comes back knowing them."""

    name = "resourcemanager"
    title = "YARN ResourceManager"
    ports = (
        PortSpec("resourcemanager", 18088),
        PortSpec("resourcemanager-rpc", 18032),
        PortSpec("resourcemanager-scheduler", 18030),
        PortSpec("resourcemanager-tracker", 18031),
        PortSpec("resourcemanager-admin", 18033),
    )
    heavy = True
    ready_timeout_s = 180.0

    def prepare(self, ctx: StackContext) -> None:
        """Write Hadoop's and Spark's configuration."""
        write_conf(ctx)
        write_spark_conf(ctx)
        started_file(ctx, self.name).touch()

    def command(self, ctx: StackContext) -> Command:
        """The daemon."""
        main = f"{SERVER}.resourcemanager.ResourceManager"
        return daemon_command(ctx, self.name, main, heap_mb=320, stop_timeout_s=15)

    def probe(self, ctx: StackContext) -> str | None:
        """Ask for the cluster's state."""
        url = f"{resourcemanager_url(ctx)}/ws/v1/cluster/info"
        try:
            info = requests.get(url, timeout=5).json()["clusterInfo"]
        except (requests.RequestException, KeyError) as error:
            return f"the ResourceManager does not answer on {url}: {type(error).__name__}"
        if info["startedOn"] < started_ms(ctx, self.name):
            return f"another ResourceManager answers on {url}: it is older than this start"
        return None if info["state"] == "STARTED" else f"the ResourceManager is {info['state']}"

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """REST address and client configuration."""
        return {"YARN_RM_URL": resourcemanager_url(ctx), "HADOOP_CONF_DIR": str(conf_dir(ctx))}

    def shell_environment(self, ctx: StackContext) -> dict[str, str]:
        """What `spark-submit` needs."""
        return spark_environment(ctx)

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The REST address, and the connection of Airflow's SparkSubmitOperator."""
        extra = {
            "deploy-mode": "cluster",
            "yarn_resourcemanager_webapp_address": resourcemanager_url(ctx),
        }
        return {
            "cdc_yarn": {"conn_type": "http", "host": HOST, "port": ctx.ports["resourcemanager"]},
            "cdc_spark": {"conn_type": "spark", "host": "yarn", "extra": extra},
        }


class NodeManager(Component):
    """Runs the containers; they outlive it, and it finds them again."""

    name = "nodemanager"
    title = "YARN NodeManager"
    requires = ("resourcemanager",)
    ports = (
        PortSpec("nodemanager", 18042),
        PortSpec("nodemanager-rpc", 18045),
        PortSpec("nodemanager-localizer", 18040),
    )
    heavy = True
    ready_timeout_s = 180.0

    def prepare(self, ctx: StackContext) -> None:
        """Write Hadoop's configuration and make the folders whose health it checks."""
        write_conf(ctx)
        container_dir(ctx).mkdir(parents=True, exist_ok=True)
        container_log_dir(ctx).mkdir(parents=True, exist_ok=True)
        started_file(ctx, self.name).touch()

    def command(self, ctx: StackContext) -> Command:
        """The daemon, with what its containers inherit."""
        main = f"{SERVER}.nodemanager.NodeManager"
        command = daemon_command(ctx, self.name, main, heap_mb=256, stop_timeout_s=15)
        return Command(
            argv=command.argv,
            cwd=command.cwd,
            env={**spark_environment(ctx), **command.env},
            stop_timeout_s=command.stop_timeout_s,
        )

    def probe(self, ctx: StackContext) -> str | None:
        """Ask the ResourceManager for this node, since one that nobody knows runs nothing."""
        node = f"http://{HOST}:{ctx.ports['nodemanager']}/ws/v1/node/info"
        nodes = f"{resourcemanager_url(ctx)}/ws/v1/cluster/nodes?states=RUNNING"
        try:
            health = requests.get(node, timeout=5).json()["nodeInfo"]
            running = (requests.get(nodes, timeout=5).json().get("nodes") or {}).get("node", [])
        except (requests.RequestException, KeyError) as error:
            return f"the NodeManager does not answer on {node}: {type(error).__name__}"
        if health["nmStartupTime"] < started_ms(ctx, self.name):
            return f"another NodeManager answers on {node}: it is older than this start"
        if not health["nodeHealthy"]:
            return f"the NodeManager is not healthy: {health['healthReport']}"
        return None if running else "the ResourceManager does not list the node as running yet"

    def after_stop(self, ctx: StackContext) -> None:
        """End the containers: they outlive a NodeManager that is killed, but not the stack."""
        stop_leftover_containers(ctx)


def started_ms(ctx: StackContext, name: str) -> float:
    """When the daemon's present start began, in milliseconds; no daemon that is older can be ours."""
    return started_file(ctx, name).stat().st_mtime * 1000


def stop_leftover_containers(ctx: StackContext) -> int:
    """End containers that outlived the NodeManager; returns how many processes that were.

    A container's processes work below the NodeManager's local folder of this stack; nothing else is
    touched. Call it after the NodeManager has ended.
    """
    return end_processes(processes_working_in(container_dir(ctx)), grace_s=10.0)
