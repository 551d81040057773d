"""The embedded engine: one per process, opened on a folder, many connections at once."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cdc.errors import ConfigurationError
from local_stack.clickhouse_http.connection import EngineConnection
from local_stack.clickhouse_http.errors import from_engine

# Settings that every query starts with. The embedded engine's own defaults suit a shell:
# `implicit_select` would read a misspelt statement as an expression, and an asynchronous insert would
# be acknowledged before it is on disk.
BASE_SETTINGS: Mapping[str, str] = {"implicit_select": "0", "async_insert": "0"}

_USERS = """<clickhouse>
    <profiles><default>{settings}</default></profiles>
    <users><default>
        <password></password><networks><ip>::/0</ip></networks>
        <profile>default</profile><quota>default</quota>
        <grants><query>GRANT ALL ON *.*</query></grants>
    </default></users>
    <quotas><default></default></quotas>
</clickhouse>
"""
_SERVER = """<clickhouse>
    <users_config>{users}</users_config>
    <display_name>{name}</display_name>
    <backups><allowed_path>{backups}</allowed_path></backups>
    <merge_tree>
        <fsync_after_insert>{fsync}</fsync_after_insert>
        <fsync_part_directory>{fsync}</fsync_part_directory>
    </merge_tree>
</clickhouse>
"""


class Engine:
    """Opens the data folder and hands out connections.

    Args:
        data: the folder; created when missing. One process at a time may have it open.
        name: `X-ClickHouse-Server-Display-Name`.
        fsync: whether an insert is on the disk, not only in the kernel's cache, when it is acknowledged.
            Without it, what was acknowledged outlives the process's death, and not the machine's.
    """

    def __init__(self, data: Path, name: str, *, fsync: bool = False) -> None:
        self.name = name
        self._data = data.resolve()
        self._options = self._write_configuration(fsync=fsync)
        # the engine lives as long as this first connection; it also serves the server's own questions
        self._admin = self._open()
        self._admin_lock = threading.Lock()
        facts = self.ask("SELECT version(), timezone()").rstrip("\n").split("\t")
        self.version, self.timezone = facts[0], facts[1]
        rows = self.ask("SELECT lower(name), name, content_type FROM system.formats").splitlines()
        self._formats = {row.split("\t")[0]: (row.split("\t")[1], row.split("\t")[2]) for row in rows}

    def connect(self) -> EngineConnection:
        """A connection of its own: settings, temporary tables and current database are nobody else's."""
        return EngineConnection(self._open(), BASE_SETTINGS)

    def ask(self, sql: str, params: Mapping[str, str] | None = None) -> str:
        """Run a short statement of the server's own and return its answer as tab-separated text."""
        with self._admin_lock:
            try:
                return bytes(self._admin.query(sql, "TSV", params=dict(params or {})).bytes()).decode()
            except RuntimeError as error:
                raise from_engine(error) from error

    def content_type(self, name: str) -> str:
        """The MIME type of an output format."""
        return self._formats.get(name.lower(), ("", ""))[1] or "application/octet-stream"

    def close(self) -> None:
        """Stop the engine: merges end, and the folder is free for another process."""
        with self._admin_lock:
            self._admin.close()

    def _open(self) -> Any:
        # imported here: loading the engine takes half a second that `--help` need not wait for
        chdb: Any = importlib.import_module("chdb._chdb")

        try:
            return chdb.connect(f"{self._data / 'db'}?config-file={self._options}")
        except RuntimeError as error:
            raise ConfigurationError(
                f"the engine does not open {self._data}: {error}. "
                "Expected a folder that this user may write and that no other server has open: "
                "stop the other one, or give another --data."
            ) from error

    def _write_configuration(self, *, fsync: bool) -> Path:
        folder = self._data / "etc"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            settings = "".join(f"<{name}>{value}</{name}>" for name, value in BASE_SETTINGS.items())
            (folder / "users.xml").write_text(_USERS.format(settings=settings))
            config = folder / "config.xml"
            config.write_text(
                _SERVER.format(
                    users=escape(str(folder / "users.xml")),
                    name=escape(self.name),
                    backups=escape(str(self._data / "backups")),
                    fsync=int(fsync),
                )
            )
        except OSError as error:
            raise ConfigurationError(
                f"--data {self._data} cannot be written: {error}. Give another folder."
            ) from error
        return config
