"""Process settings: the only place in `cdc` that reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cdc.errors import ConfigurationError

INCLUDE = Path(__file__).resolve().parents[1]


class _Environment(BaseSettings):
    """The variables as they are; absent ones are None until somebody needs them."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    cdc_home: Path | None = None
    cdc_env: str = "dev"
    cdc_pipelines_dir: Path | None = None
    cdc_connections_file: Path | None = None
    cdc_jars: Path | None = None
    checkpoint_root: str | None = None
    yarn_rm_url: str | None = None
    hadoop_conf_dir: Path | None = None
    spark_home: Path | None = None
    pyspark_python: str | None = None
    java_home: Path | None = None
    log_dir: Path | None = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])).upper()
            raise ConfigurationError(f"{name} is {first['input']!r}: {first['msg']}") from None


class Settings:
    """Where this process finds its stack.

    Every property is one environment variable of the same name in upper case; a keyword argument of the same
    name wins over it. A variable that is missing matters only when it is used.

    Raises (each property):
        ConfigurationError: the variable is not set; says which, and how to set it.
    """

    def __init__(self, **overrides: Any) -> None:
        self._env = _Environment(**overrides)

    @property
    def cdc_home(self) -> Path:
        """The folder of the stack's own files."""
        return Path(self._need("cdc_home"))

    @property
    def cdc_env(self) -> str:
        """The environment whose overlay of a pipeline applies."""
        return self._env.cdc_env

    @property
    def cdc_pipelines_dir(self) -> Path:
        """The folder of the pipeline files; by default the one beside this library."""
        return self._env.cdc_pipelines_dir or INCLUDE / "pipelines"

    @property
    def cdc_connections_file(self) -> Path:
        """`connections.json`; by default in `cdc_home`."""
        if self._env.cdc_connections_file is None and self._env.cdc_home is not None:
            return self._env.cdc_home / "connections.json"
        return Path(self._need("cdc_connections_file"))

    @property
    def cdc_jars(self) -> Path:
        """The folder of the jars that Spark needs, `spark/*.jar` below it."""
        return Path(self._need("cdc_jars"))

    @property
    def checkpoint_root(self) -> str:
        """Path or URL under which every query keeps its checkpoint."""
        return str(self._need("checkpoint_root"))

    @property
    def yarn_rm_url(self) -> str:
        """The ResourceManager's REST address."""
        return str(self._need("yarn_rm_url"))

    @property
    def hadoop_conf_dir(self) -> Path:
        """Hadoop's configuration, for spark-submit."""
        return Path(self._need("hadoop_conf_dir"))

    @property
    def spark_home(self) -> Path:
        """The Spark distribution (the installed `pyspark` folder on the local stack)."""
        return Path(self._need("spark_home"))

    @property
    def pyspark_python(self) -> str:
        """The Python of drivers and executors."""
        return str(self._need("pyspark_python"))

    @property
    def java_home(self) -> Path:
        """The JDK or JRE of drivers and executors."""
        return Path(self._need("java_home"))

    @property
    def log_dir(self) -> Path:
        """The folder of the components' logs."""
        return Path(self._need("log_dir"))

    @property
    def local_stack_home(self) -> Path | None:
        """`cdc_home` where this process belongs to a local stack, else None."""
        return self._env.cdc_home

    def _need(self, name: str) -> Any:
        value = getattr(self._env, name)
        if value is None:
            raise ConfigurationError(
                f"the environment has no {name.upper()}: `. .local/activate` sets it for the local stack; "
                "elsewhere export it before the command"
            )
        return value
