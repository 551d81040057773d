"""ClickHouse: the `clickhouse` binary when there is one on PATH, else the same engine as chDB behind HTTP."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import requests

from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.envfile import write_atomically

HOST = "127.0.0.1"
USER = "cdc"
SECRET = "clickhouse"  # noqa: S105 - the name of the secret, not the secret
MEMORY_BYTES = 2 << 30


class ClickHouse(Component):
    """One server, one user, one HTTP port; clients cannot tell which of the two it is."""

    name = "clickhouse"
    title = "ClickHouse"
    ports = (PortSpec("clickhouse", 18123),)
    secrets = (SECRET,)
    heavy = True
    ready_timeout_s = 90.0

    def prepare(self, ctx: StackContext) -> None:
        """Write the binary's configuration when it is the binary that runs."""
        if find_binary() is not None:
            write_atomically(self.config_file(ctx), server_config(ctx), mode=0o600)

    def command(self, ctx: StackContext) -> Command:
        """The server in the foreground."""
        binary = find_binary()
        if binary is not None:
            argv: tuple[str, ...] = (binary, "server", f"--config-file={self.config_file(ctx)}")
            return Command(argv=argv, cwd=ctx.data_dir(self.name), stop_timeout_s=60)
        argv = (
            *(str(ctx.python), "-m", "local_stack.clickhouse_http"),
            *("--host", HOST, "--port", str(ctx.ports["clickhouse"])),
            *("--data", str(ctx.data_dir(self.name) / "chdb")),
            *("--user", USER, "--password", ctx.secrets[SECRET]),
        )
        path = {"PYTHONPATH": str(ctx.repo / "include")}
        return Command(argv=argv, cwd=ctx.data_dir(self.name), env=path, stop_timeout_s=60)

    def probe(self, ctx: StackContext) -> str | None:
        """Run a query as the user, since `/ping` alone says nothing about the engine."""
        url = f"http://{HOST}:{ctx.ports['clickhouse']}/"
        try:
            answer = requests.get(
                url, params={"query": "SELECT 1"}, auth=(USER, ctx.secrets[SECRET]), timeout=3
            )
        except requests.RequestException as error:
            return f"ClickHouse does not answer on {url}: {type(error).__name__}"
        if answer.status_code == requests.codes.ok and answer.text.strip() == "1":
            return None
        return f"ClickHouse on {url} says {answer.status_code}: {answer.text[:200]}"

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The HTTP address with user and password."""
        address = f"{USER}:{quote(ctx.secrets[SECRET], safe='')}@{HOST}:{ctx.ports['clickhouse']}"
        return {"CLICKHOUSE_URL": f"http://{address}"}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The HTTP address with user and password."""
        entry = {
            "conn_type": "http",
            "host": HOST,
            "port": ctx.ports["clickhouse"],
            "login": USER,
            "password": ctx.secrets[SECRET],
        }
        return {"cdc_clickhouse": entry}

    def config_file(self, ctx: StackContext) -> Path:
        """The binary's configuration as generated."""
        return ctx.run_dir(self.name) / "config.xml"


def find_binary() -> str | None:
    """The `clickhouse` binary on PATH."""
    return shutil.which("clickhouse")


def server_config(ctx: StackContext) -> str:
    """The binary's configuration: HTTP only, on loopback, with one user."""
    data = ctx.data_dir("clickhouse") / "server"
    root = ET.Element("clickhouse")
    plain = {
        "listen_host": HOST,
        "http_port": str(ctx.ports["clickhouse"]),
        "path": f"{data}/",
        "tmp_path": f"{data / 'tmp'}/",
        "user_files_path": f"{data}/user_files/",
        "format_schema_path": f"{data}/format_schemas/",
        "max_server_memory_usage": str(MEMORY_BYTES),
        "mark_cache_size": str(64 << 20),
    }
    for key, value in plain.items():
        ET.SubElement(root, key).text = value
    logger = ET.SubElement(root, "logger")
    for key, value in {"level": "warning", "console": "1"}.items():
        ET.SubElement(logger, key).text = value
    user = ET.SubElement(ET.SubElement(root, "users"), USER)
    digest = hashlib.sha256(ctx.secrets[SECRET].encode()).hexdigest()
    settings = {"password_sha256_hex": digest, "profile": "default", "quota": "default"}
    for key, value in settings.items():
        ET.SubElement(user, key).text = value
    ET.SubElement(user, "access_management").text = "1"
    networks = ET.SubElement(user, "networks")
    ET.SubElement(networks, "ip").text = HOST
    ET.SubElement(ET.SubElement(root, "profiles"), "default")
    ET.SubElement(ET.SubElement(root, "quotas"), "default")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"
