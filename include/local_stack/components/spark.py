"""The environment in which Spark submits, and in which its containers run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cdc.errors import ConfigurationError
from local_stack.component import StackContext
from local_stack.components.hadoop import HOST, conf_dir


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


def spark_environment(ctx: StackContext) -> dict[str, str]:
    """What a process needs to submit to this stack's YARN.

    `SPARK_HOME` must be named, as the virtual environment's `spark-submit` does not find it by itself.
    """
    return {
        "SPARK_HOME": str(spark_home()),
        "PYSPARK_PYTHON": str(ctx.python),
        "PYSPARK_DRIVER_PYTHON": str(ctx.python),
        "HADOOP_CONF_DIR": str(conf_dir(ctx)),
        "YARN_CONF_DIR": str(conf_dir(ctx)),
        "JAVA_HOME": str(ctx.java_home),
        "CDC_JARS": str(ctx.jars),
        "SPARK_LOCAL_IP": HOST,
        "CHECKPOINT_ROOT": str(ctx.checkpoint_root),
    }
