"""Hadoop's configuration files for a one-node YARN, and how its daemons are started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from local_stack.component import Command, StackContext
from local_stack.components.jvm import QUICK_START, java_argv, write_log4j1
from local_stack.envfile import write_atomically

HOST = "127.0.0.1"
OPENS = ("--add-opens", "java.base/java.lang=ALL-UNNAMED", "--add-opens", "java.base/java.util=ALL-UNNAMED")
# What the NodeManager may give away. Containers are counted by what they ask for, not by what they use:
# four streams ask for about 6 GB and use half of it.
NODE_MEMORY_MB = 10_240
NODE_VCORES = 24
MINIMUM_ALLOCATION_MB = 128
MAX_AM_ATTEMPTS = 20


def conf_dir(ctx: StackContext) -> Path:
    """HADOOP_CONF_DIR of this stack."""
    return ctx.run_dir("hadoop-conf")


def container_dir(ctx: StackContext) -> Path:
    """The NodeManager's local folder: every container's working directory is below it."""
    return ctx.data_dir("nodemanager") / "local"


def container_log_dir(ctx: StackContext) -> Path:
    """Where containers write stdout and stderr."""
    return ctx.home / "logs" / "yarn"


def write_conf(ctx: StackContext) -> Path:
    """Write the configuration that daemons and clients read; returns its folder."""
    folder = conf_dir(ctx)
    files = {
        "core-site.xml": core_site(ctx),
        "yarn-site.xml": yarn_site(ctx),
        "capacity-scheduler.xml": capacity_scheduler(),
    }
    for name, values in files.items():
        write_atomically(folder / name, render_configuration(values))
    write_log4j1(folder)
    return folder


def daemon_command(ctx: StackContext, name: str, main: str, heap_mb: int, stop_timeout_s: float) -> Command:
    """A YARN daemon on the mini cluster's classpath, with the configuration folder in front."""
    folder = conf_dir(ctx)
    options = (*OPENS, QUICK_START, f"-Dyarn.log.dir={ctx.home / 'logs'}", write_log4j1(folder))
    classpath = f"{folder}:{ctx.jars / 'hadoop' / '*'}"
    return Command(
        argv=java_argv(ctx, classpath, main, heap_mb=heap_mb, options=options),
        cwd=ctx.data_dir(name),
        env={"HADOOP_CONF_DIR": str(folder), "YARN_CONF_DIR": str(folder)},
        stop_timeout_s=stop_timeout_s,
    )


def render_configuration(values: Mapping[str, str]) -> str:
    """Render Hadoop's XML."""
    root = ET.Element("configuration")
    for name, value in values.items():
        entry = ET.SubElement(root, "property")
        ET.SubElement(entry, "name").text = name
        ET.SubElement(entry, "value").text = value
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def core_site(ctx: StackContext) -> dict[str, str]:
    """Everything lies in local files."""
    return {
        "fs.defaultFS": "file:///",
        "hadoop.tmp.dir": str(ctx.data_dir("hadoop-tmp")),
        "hadoop.security.authentication": "simple",
        "ipc.client.connect.max.retries.on.timeouts": "3",
    }


def yarn_site(ctx: StackContext) -> dict[str, str]:
    """Both daemons' settings: addresses, recovery, limits."""
    return _addresses(ctx) | _recovery(ctx) | _limits(ctx)


def capacity_scheduler() -> dict[str, str]:
    """One queue, nearly all of which may be application masters: each stream's driver is one."""
    root = "yarn.scheduler.capacity"
    return {
        f"{root}.maximum-applications": "1000",
        f"{root}.maximum-am-resource-percent": "0.9",
        f"{root}.resource-calculator": "org.apache.hadoop.yarn.util.resource.DefaultResourceCalculator",
        f"{root}.root.queues": "default",
        f"{root}.root.default.capacity": "100",
        f"{root}.root.default.maximum-capacity": "100",
        f"{root}.root.default.state": "RUNNING",
        f"{root}.root.default.user-limit-factor": "1",
        f"{root}.node-locality-delay": "0",
    }


def _addresses(ctx: StackContext) -> dict[str, str]:
    rm, nm = "yarn.resourcemanager", "yarn.nodemanager"
    ports = {
        f"{rm}.address": "resourcemanager-rpc",
        f"{rm}.scheduler.address": "resourcemanager-scheduler",
        f"{rm}.resource-tracker.address": "resourcemanager-tracker",
        f"{rm}.admin.address": "resourcemanager-admin",
        f"{rm}.webapp.address": "resourcemanager",
        f"{nm}.address": "nodemanager-rpc",
        f"{nm}.localizer.address": "nodemanager-localizer",
        f"{nm}.webapp.address": "nodemanager",
    }
    hosts = {f"{rm}.hostname": HOST, f"{rm}.bind-host": HOST, f"{nm}.hostname": HOST, f"{nm}.bind-host": HOST}
    return hosts | {key: f"{HOST}:{ctx.ports[port]}" for key, port in ports.items()}


def _recovery(ctx: StackContext) -> dict[str, str]:
    """Containers outlive a killed daemon, and the daemon finds them again.

    Without this a killed NodeManager leaves containers that write beside the new attempt.
    """
    rm, nm = "yarn.resourcemanager", "yarn.nodemanager"
    store = "org.apache.hadoop.yarn.server.resourcemanager.recovery.FileSystemRMStateStore"
    return {
        f"{rm}.recovery.enabled": "true",
        f"{rm}.store.class": store,
        f"{rm}.fs.state-store.uri": (ctx.data_dir("resourcemanager") / "state").as_uri(),
        f"{rm}.work-preserving-recovery.enabled": "true",
        f"{rm}.work-preserving-recovery.scheduling-wait-ms": "1000",
        f"{nm}.recovery.enabled": "true",
        f"{nm}.recovery.supervised": "true",
        f"{nm}.recovery.dir": str(ctx.data_dir("nodemanager") / "recovery"),
        f"{rm}.am.max-attempts": str(MAX_AM_ATTEMPTS),
        # A dead container shows at once through its NodeManager; a driver on a busy machine needs time to
        # register, and a NodeManager that is given up for lost takes every driver with it.
        "yarn.am.liveness-monitor.expiry-interval-ms": "300000",
        "yarn.nm.liveness-monitor.expiry-interval-ms": "180000",
        f"{rm}.nodemanagers.heartbeat-interval-ms": "500",
        "yarn.resourcemanager.connect.max-wait.ms": "600000",
        "yarn.resourcemanager.connect.retry-interval.ms": "2000",
        f"{nm}.resourcemanager.connect.max-wait.ms": "-1",
        f"{nm}.resourcemanager.connect.retry-interval.ms": "2000",
        f"{rm}.max-completed-applications": "200",
    }


def _limits(ctx: StackContext) -> dict[str, str]:
    nm, scheduler = "yarn.nodemanager", "yarn.scheduler"
    monitor = f"{nm}.disk-health-checker.max-disk-utilization-per-disk-percentage"
    capacity = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler"
    return {
        "yarn.resourcemanager.scheduler.class": capacity,
        f"{nm}.local-dirs": str(container_dir(ctx)),
        f"{nm}.log-dirs": str(container_log_dir(ctx)),
        f"{nm}.resource.memory-mb": str(NODE_MEMORY_MB),
        f"{nm}.resource.cpu-vcores": str(NODE_VCORES),
        f"{scheduler}.minimum-allocation-mb": str(MINIMUM_ALLOCATION_MB),
        f"{scheduler}.maximum-allocation-mb": str(NODE_MEMORY_MB),
        f"{scheduler}.maximum-allocation-vcores": str(NODE_VCORES),
        f"{nm}.vmem-check-enabled": "false",
        f"{nm}.pmem-check-enabled": "true",
        monitor: "99.5",
        f"{nm}.env-whitelist": "JAVA_HOME,PATH,LANG,PYSPARK_PYTHON,SPARK_HOME,SPARK_LOCAL_IP,HADOOP_CONF_DIR",
        f"{nm}.delete.debug-delay-sec": "0",
        f"{nm}.localizer.cache.target-size-mb": "512",
        f"{nm}.container-metrics.enable": "false",
        "yarn.log-aggregation-enable": "false",
        "yarn.nodemanager.log.retain-seconds": "86400",
        "yarn.timeline-service.enabled": "false",
    }
