"""How a stream is submitted to Spark: one description for the operator, the command and the script.

Pure but for `build_py_files`, which writes two archives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdc.services.archive import write_archive
from cdc.settings import INCLUDE, Settings
from cdc.spec import Pipeline, StreamSpec

SPARK_JOBS = INCLUDE.parent / "spark_jobs"
APPLICATION = SPARK_JOBS / "run_cdc_job.py"
CONTAINER_CONNECTIONS = "connections.json"
DRIVER_OVERHEAD_MB = 384
EXECUTOR_OVERHEAD_MB = 640
"""Of each executor, beside its heap: the Python workers that parse and write, and the JVM's own needs."""


@dataclass(frozen=True)
class Submission:
    """Everything spark-submit is told.

    Attributes:
        files: `path#name` pairs that the driver finds in its working folder.
        env: variables of the submitting process.
    """

    application: str
    name: str
    master: str
    deploy_mode: str
    conf: Mapping[str, str]
    py_files: tuple[str, ...]
    files: tuple[str, ...]
    jars: tuple[str, ...]
    application_args: tuple[str, ...]
    env: Mapping[str, str]


def submission(
    pipeline: Pipeline,
    stream: StreamSpec,
    settings: Settings,
    connections_file: Path,
    pipeline_file: Path,
    *,
    py_files: Sequence[Path] = (),
    master: str = "yarn",
    extra_args: Sequence[str] = (),
    purpose: str = "",
) -> Submission:
    """Describe the submission of one stream.

    On YARN and Kubernetes the driver runs in the cluster, gets the pipeline and the connections as files in
    its working folder, and finds them by the same settings as a process on this machine. Spark standalone
    refuses Python drivers in the cluster, and `local[*]` has none, so there the driver runs here.

    A run that ends by itself has a `purpose`, which makes its name another than the stream's: it is found,
    stopped and counted apart from the stream's driver.

    Raises:
        ConfigurationError: a setting that the master needs is missing.
    """
    name = f"{stream.app_name}-{purpose}" if purpose else stream.app_name
    in_cluster = master == "yarn" or master.startswith("k8s://")
    files = (f"{connections_file}#{CONTAINER_CONNECTIONS}", f"{pipeline_file}#{pipeline.name}.yaml")
    jars = tuple(sorted(str(jar) for jar in (settings.cdc_jars / "spark").glob("*.jar")))
    return Submission(
        application=str(APPLICATION),
        name=name,
        master=master,
        deploy_mode="cluster" if in_cluster else "client",
        conf=_conf(pipeline, stream, settings, master) | (_bounded_conf(name, master) if purpose else {}),
        py_files=tuple(map(str, py_files)),
        files=files if in_cluster else (),
        jars=tuple(f"local:{jar}" for jar in jars) if master == "yarn" else jars,
        application_args=(
            *("--job-type", stream.name, "--pipeline", pipeline.name, "--env", pipeline.environment),
            *extra_args,
        ),
        env=_submit_env(settings, master, connections_file, pipeline_file),
    )


def command_line(described: Submission) -> list[str]:
    """The arguments of spark-submit, the program first."""
    command = ["spark-submit", "--master", described.master, "--deploy-mode", described.deploy_mode]
    command += ["--name", described.name]
    for name, value in described.conf.items():
        command += ["--conf", f"{name}={value}"]
    for option, values in (
        ("--py-files", described.py_files),
        ("--files", described.files),
        ("--jars", described.jars),
    ):
        command += [option, ",".join(values)] if values else []
    return [*command, described.application, *described.application_args]


def build_py_files(out_dir: Path) -> tuple[Path, Path]:
    """Pack `cdc` and `cdc_spark` for `--py-files`; the same sources give the same bytes.

    Returns:
        The paths of `cdc.zip` and `cdc_spark.zip` in `out_dir`.
    """
    library = write_archive(INCLUDE / "cdc", out_dir / "cdc.zip")
    return library, write_archive(SPARK_JOBS / "cdc_spark", out_dir / "cdc_spark.zip")


def spec_tag(app_name: str, spec_hash: str) -> str:
    """The YARN tag by which a driver's spec is told from another's."""
    return f"{app_name}-spec-{spec_hash}"


def stream_memory_mb(pipeline: Pipeline) -> int:
    """What YARN sets aside for one stream of this pipeline."""
    size = pipeline.streaming
    executor = size.executor_memory_mb + EXECUTOR_OVERHEAD_MB
    return size.driver_memory_mb + DRIVER_OVERHEAD_MB + size.executors * executor


def _conf(pipeline: Pipeline, stream: StreamSpec, settings: Settings, master: str) -> dict[str, str]:
    size = pipeline.streaming
    conf = {
        "spark.driver.memory": f"{size.driver_memory_mb}m",
        "spark.driver.memoryOverhead": f"{DRIVER_OVERHEAD_MB}m",
        "spark.executor.memory": f"{size.executor_memory_mb}m",
        "spark.executor.memoryOverhead": f"{EXECUTOR_OVERHEAD_MB}m",
        "spark.executor.cores": str(size.executor_cores),
        "spark.executor.instances": str(size.executors),
        "spark.dynamicAllocation.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        # One stage, no shuffle: the setting only keeps a stray one small.
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.streaming.stopTimeout": "120s",
        "spark.task.maxFailures": "4",
        "spark.ui.showConsoleProgress": "false",
        "spark.redaction.regex": "(?i)secret|password|passwd|token|dsn|access[.]?key",
    }
    if master == "yarn":
        conf |= _yarn_conf(pipeline, stream, settings)
    elif master.startswith("k8s://"):
        conf |= _container_env("spark.kubernetes.driverEnv.", settings, pipeline)
        conf |= _container_env("spark.executorEnv.", settings, pipeline)
        conf["spark.kubernetes.submission.waitAppCompletion"] = "false"
    elif master.startswith("local"):
        # One process: the executor's share of memory is the driver's.
        conf["spark.driver.memory"] = f"{size.driver_memory_mb + size.executor_memory_mb}m"
    return conf


def _yarn_conf(pipeline: Pipeline, stream: StreamSpec, settings: Settings) -> dict[str, str]:
    tag = spec_tag(stream.app_name, pipeline.spec_hash(stream))
    conf = {
        "spark.yarn.tags": f"{stream.app_name},{tag}",
        "spark.yarn.submit.waitAppCompletion": "false",
        "spark.yarn.jars": f"local:{settings.spark_home}/jars/*",
        # A driver that dies is started again by YARN; failures older than ten minutes are forgiven.
        "spark.yarn.maxAppAttempts": "20",
        "spark.yarn.am.attemptFailuresValidityInterval": "10m",
        "spark.yarn.executor.failuresValidityInterval": "10m",
        "spark.yarn.max.executor.failures": "50",
        **_container_env("spark.yarn.appMasterEnv.", settings, pipeline),
        **_container_env("spark.executorEnv.", settings, pipeline),
    }
    if settings.local_stack_home is not None:
        staging = settings.local_stack_home / "run" / "spark-staging"
        conf["spark.yarn.stagingDir"] = staging.absolute().as_uri()
    return conf


def _bounded_conf(name: str, master: str) -> dict[str, str]:
    # Whoever asked for it hears of a failure and asks again.
    return {"spark.yarn.tags": name, "spark.yarn.maxAppAttempts": "1"} if master == "yarn" else {}


def _container_env(prefix: str, settings: Settings, pipeline: Pipeline) -> dict[str, str]:
    variables = {
        "PYSPARK_PYTHON": settings.pyspark_python,
        "SPARK_HOME": str(settings.spark_home),
        "CDC_ENV": pipeline.environment,
        "CDC_CONNECTIONS_FILE": CONTAINER_CONNECTIONS,
        "CDC_PIPELINES_DIR": ".",
        "CHECKPOINT_ROOT": settings.checkpoint_root,
    }
    return {prefix + name: value for name, value in variables.items()}


def _submit_env(
    settings: Settings, master: str, connections_file: Path, pipeline_file: Path
) -> dict[str, str]:
    env = {
        "SPARK_HOME": str(settings.spark_home),
        "PYSPARK_PYTHON": settings.pyspark_python,
        "PYSPARK_DRIVER_PYTHON": settings.pyspark_python,
        "CHECKPOINT_ROOT": settings.checkpoint_root,
    }
    if master == "yarn":
        folder = str(settings.hadoop_conf_dir)
        env |= {"HADOOP_CONF_DIR": folder, "YARN_CONF_DIR": folder}
    elif not master.startswith("k8s://"):
        env |= {
            "CDC_CONNECTIONS_FILE": str(connections_file.absolute()),
            "CDC_PIPELINES_DIR": str(pipeline_file.absolute().parent),
        }
    return env
