"""Connections: where services are and how to log in, in the format of Airflow's local file backend.

Airflow reads the same `connections.json` as its secrets backend, and Spark drivers get it by `--files`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cdc.errors import ConfigurationError

TLS_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
"""libpq's parameters (PostgreSQL documentation, "Parameter Key Words"); Debezium has them as `database.*`."""

YARN = "cdc_yarn"
"""The connection of YARN's ResourceManager (its web address)."""


class Connection(BaseModel):
    """One service.

    Attributes:
        id: the Airflow connection id that a pipeline names.
        schema_: the database, which Airflow calls `schema`.
        extra: what has no field of its own, such as Kafka's `bootstrap.servers`, or `sslmode` and
            `sslrootcert` of a PostgreSQL server, as Airflow's connections have them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = Field(default="", repr=False)
    schema_: str = Field(default="", alias="schema")
    extra: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    @field_validator("host", "login", "password", "schema_", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return "" if value is None else value

    @field_validator("extra", mode="before")
    @classmethod
    def _parsed(cls, value: object) -> object:
        if isinstance(value, str):
            return json.loads(value) if value.strip() else {}
        return {} if value is None else value

    def dsn(self, **parameters: str | int) -> str:
        """A `postgresql://` URL; `parameters` such as `connect_timeout` are added to it, and those of TLS."""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        login = f"{quote(self.login, safe='')}{password}@" if self.login else ""
        every = {**self.tls, **parameters}
        query = f"?{urlencode(every, quote_via=quote)}" if every else ""
        return f"postgresql://{login}{self._address()}/{quote(self.schema_, safe='')}{query}"

    @property
    def tls(self) -> dict[str, str]:
        """How a PostgreSQL server is to be met, in libpq's words; empty for its default."""
        return {name: str(self.extra[name]) for name in TLS_PARAMETERS if self.extra.get(name)}

    def url(self) -> str:
        """`http://host:port`, or https when the connection's type or its schema field says so."""
        secure = "https" in (self.conn_type, self.schema_) or bool(self.extra.get("secure"))
        return f"{'https' if secure else 'http'}://{self._address()}"

    def bootstrap_servers(self) -> str:
        """Kafka's bootstrap servers, from `extra` or from host and port.

        Raises:
            ConfigurationError: the connection names no broker.
        """
        return str(self.extra.get("bootstrap.servers") or self._address())

    def to_entry(self) -> dict[str, Any]:
        """The entry that `connections.json` holds under this connection's id."""
        entry = self.model_dump(by_alias=True, exclude={"id"})
        return {**entry, "extra": dict(self.extra)}

    def _address(self) -> str:
        if not self.host:
            raise ConfigurationError(
                f"connection {self.id!r} has no host: add one to its entry in connections.json"
            )
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Connections:
    """The connections a process can use, by id."""

    def __init__(self, connections: Iterable[Connection]) -> None:
        self._by_id = {connection.id: connection for connection in connections}

    @classmethod
    def from_file(cls, path: Path | str) -> Connections:
        """Read `connections.json`.

        Raises:
            ConfigurationError: the file cannot be read or an entry is invalid.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(
                f"{path}: cannot be read ({error.strerror}); it is written when the stack starts (`make up`)"
            ) from None
        except ValueError as error:
            raise ConfigurationError(f"{path}: is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise ConfigurationError(f"{path}: expected an object of connections by id, got {document!r:.60}")
        return cls.from_mapping(document, str(path))

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any], origin: str = "connections") -> Connections:
        """Build from entries by id, as the file holds them.

        Raises:
            ConfigurationError: an entry is invalid.
        """
        built = []
        for name, entry in document.items():
            # Airflow also accepts a list with one entry.
            value = entry[0] if isinstance(entry, list) and len(entry) == 1 else entry
            if not isinstance(value, Mapping):
                raise ConfigurationError(f"{origin}: {name}: expected an object with conn_type, host, …")
            try:
                built.append(Connection.model_validate({**value, "id": name}))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                field = ".".join(map(str, first["loc"]))
                raise ConfigurationError(f"{origin}: {name}.{field}: {first['msg']}") from None
        return cls(built)

    def get(self, connection_id: str) -> Connection:
        """The connection of that id.

        Raises:
            ConfigurationError: there is none; the message lists those that are.
        """
        try:
            return self._by_id[connection_id]
        except KeyError:
            known = ", ".join(sorted(self._by_id)) or "none"
            raise ConfigurationError(
                f"no connection {connection_id!r}; known are: {known}. Add it to connections.json or to "
                "Airflow"
            ) from None

    def ids(self) -> tuple[str, ...]:
        """Every id, sorted."""
        return tuple(sorted(self._by_id))

    def to_document(self) -> dict[str, dict[str, Any]]:
        """What `connections.json` holds for these connections."""
        return {name: connection.to_entry() for name, connection in sorted(self._by_id.items())}

    def write(self, folder: Path, ids: Iterable[str]) -> Path:
        """Write a `connections.json` of some of them into `folder`, for this user only.

        Raises:
            ConfigurationError: one of them is not known.
        """
        chosen = Connections(self.get(name) for name in ids)
        path = folder / "connections.json"
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(json.dumps(chosen.to_document()), encoding="utf-8")
        return path
