"""The environment in which Spark submits, and in which its containers run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cdc.errors import ConfigurationError
from local_stack.class_archive import ClassArchive
from local_stack.component import StackContext
from local_stack.components.hadoop import HOST, conf_dir
from local_stack.components.jvm import FLAGS, QUICK_FORK, QUICK_START
from local_stack.envfile import write_atomically

# A driver that compiles queries needs more room for classes than a server does.
SPARK_FLAGS = (*(flag for flag in FLAGS if "Metaspace" not in flag), QUICK_START)


def spark_home() -> Path:
    """The installed `pyspark` folder, which is a whole Spark.

    Raises:
        ConfigurationError: pyspark is not installed.
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package pyspark is not installed; `make bootstrap` installs requirements.txt"
        )
    return Path(spec.origin).parent


def class_archive(jars: Path, java_home: Path) -> ClassArchive:
    """The archive of Spark's classes for this installation, whether it is there or not."""
    return ClassArchive(spark_home() / "jars", java_home, jars / "class-archives")


def spark_conf_dir(ctx: StackContext) -> Path:
    """SPARK_CONF_DIR of this stack."""
    return ctx.run_dir("spark-conf")


def write_spark_conf(ctx: StackContext) -> None:
    """Write `spark-defaults.conf`, so that the way a job is launched is the same as in production."""
    values = spark_defaults(ctx)
    text = "".join(f"{key} {value}\n" for key, value in values.items())
    write_atomically(spark_conf_dir(ctx) / "spark-defaults.conf", text)


def spark_defaults(ctx: StackContext) -> dict[str, str]:
    """What is particular to this machine: jars in place, staging in the stack's folder, small JVMs."""
    staging = ctx.data_dir("spark-staging")
    archive = class_archive(ctx.jars, ctx.java_home)
    flags = " ".join([*SPARK_FLAGS, QUICK_FORK, *archive.options])
    return {
        "spark.driver.extraClassPath": archive.class_path,
        "spark.executor.extraClassPath": archive.class_path,
        "spark.yarn.jars": f"local:{spark_home()}/jars/*",
        "spark.yarn.stagingDir": staging.as_uri(),
        "spark.driver.defaultJavaOptions": flags,
        "spark.executor.defaultJavaOptions": flags,
        "spark.yarn.am.waitTime": "300s",
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.sql.ui.retainedExecutions": "20",
    }


def spark_environment(ctx: StackContext) -> dict[str, str]:
    """What a process needs to submit to this stack's YARN.

    `SPARK_HOME` must be named, as the virtual environment's `spark-submit` does not find it by itself.
    """
    archive = class_archive(ctx.jars, ctx.java_home)
    return {
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(spark_conf_dir(ctx)),
        "PYSPARK_PYTHON": str(ctx.python),
        "PYSPARK_DRIVER_PYTHON": str(ctx.python),
        "HADOOP_CONF_DIR": str(conf_dir(ctx)),
        "YARN_CONF_DIR": str(conf_dir(ctx)),
        "JAVA_HOME": str(ctx.java_home),
        "CDC_JARS": str(ctx.jars),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_SUBMIT_OPTS": submit_options(archive, spark_conf_dir(ctx), conf_dir(ctx)),
        "CHECKPOINT_ROOT": str(ctx.checkpoint_root),
    }


def submit_options(archive: ClassArchive, *folders: Path) -> str:
    """SPARK_SUBMIT_OPTS: spark-submit's own JVM is the short-lived one among those that start.

    Its class path would have SPARK_CONF_DIR first, and an archive wants its jars before any folder: so the
    class path is named anew.

    Args:
        archive: without its file, nothing but the quick start is left.
        folders: of configuration.
    """
    options = archive.options
    if not options:
        return QUICK_START
    class_path = ":".join([archive.class_path, *map(str, folders)])
    return " ".join([QUICK_START, *options, "-cp", class_path])
