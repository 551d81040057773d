"""The SparkSession of a job, under spark-submit or by itself in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from cdc.settings import Settings

_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    # A backlog in one sink must not hold up the other sink's small batches.
    "spark.scheduler.mode": "FAIR",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
    "spark.sql.streaming.noDataProgressEventInterval": "5000",
    "spark.sql.streaming.stopTimeout": "120s",
    # A batch is one stage: there is no shuffle whose figures could change the plan.
    "spark.sql.adaptive.enabled": "false",
    # A batch's plan is a projection or two: generating code for it takes longer than running it.
    "spark.sql.codegen.wholeStage": "false",
    # How long an idle stream without a trigger interval rests before it looks for events again.
    "spark.sql.streaming.pollingDelay": "50ms",
}
_SMALL_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djdk.lang.Process.launchMechanism=VFORK"
"""Python does a batch's work: an optimising compiler and a collector with threads cost more than they give.
Hadoop starts `chmod` for each file of a checkpoint, and Java's own way makes two programs of it."""
_LOCAL_CHECKPOINTS = {
    # Hadoop's newer interface to local files starts a process for each of the many permissions that it sets.
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    # The file system with checksums starts two processes for each file and two for each checksum, the one
    # below it a single one. Of this session alone: elsewhere Hadoop wants its own class behind `file:`.
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}


def under_spark_submit() -> bool:
    """True when spark-submit started this process and its JVM."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def open_session(name: str, settings: Settings, *, local_master: str = "local[2]") -> SparkSession:
    """The session; outside spark-submit a local one, with the jars of this installation.

    Raises:
        ConfigurationError: outside spark-submit, and the folder of the jars is not known.
    """
    builder = SparkSession.builder.appName(name)
    for key, value in _ALWAYS.items():
        builder = builder.config(key, value)
    if _workers_import_at_once():
        builder = builder.config("spark.python.daemon.module", "cdc_spark.daemon")
    if not under_spark_submit():
        jars = sorted(str(jar) for jar in (settings.cdc_jars / "spark").glob("*.jar"))
        builder = builder.master(local_master).config("spark.jars", ",".join(jars))
        builder = builder.config("spark.driver.memory", "768m").config(
            "spark.ui.showConsoleProgress", "false"
        )
        builder = builder.config("spark.driver.host", "127.0.0.1").config(
            "spark.driver.bindAddress", "127.0.0.1"
        )
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.defaultJavaOptions", _SMALL_JVM)
        _share_import_path()
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def write_checkpoints_quickly(session: SparkSession, root: str) -> None:
    """Take the quicker of Spark's ways to write checkpoints where they are local files.

    Both write a temporary file and rename it. Elsewhere Spark's choice stays, since a rename is not the same
    on every file system.
    """
    jvm = session.sparkContext._jvm  # noqa: SLF001 the only way to Hadoop's file systems
    if jvm is None:
        return
    path = jvm.org.apache.hadoop.fs.Path(root)
    system = path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())  # noqa: SLF001
    if system.getScheme() == "file":
        for key, value in _LOCAL_CHECKPOINTS.items():
            session.conf.set(key, value)


def _workers_import_at_once() -> bool:
    # The daemon starts before Spark hands --py-files to workers. YARN has them on PYTHONPATH, as this module
    # sees to without spark-submit; elsewhere the daemon would not find the package.
    return not under_spark_submit() or "CONTAINER_ID" in os.environ


def _share_import_path() -> None:
    # Python workers start from the environment, not from this process's sys.path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    roots = [entry for entry in sys.path if entry and Path(entry).is_dir() and "site-packages" not in entry]
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*roots, *filter(None, known)]))
