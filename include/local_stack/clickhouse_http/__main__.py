"""`python -m local_stack.clickhouse_http --port 8123 --data DIR --user default --password secret`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdc.errors import CdcError, ConfigurationError
from local_stack.clickhouse_http.auth import UserEntry, load_users
from local_stack.clickhouse_http.server import ServerOptions, configure_logs, serve


def main(
    port: Annotated[int, typer.Option(help="The port; 0 lets the system choose and the log tells which.")],
    data: Annotated[Path, typer.Option(help="The folder of the data; created when missing.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    user: Annotated[str, typer.Option(help="A user who may do everything.")] = "default",
    password: Annotated[
        str, typer.Option(envvar="CLICKHOUSE_PASSWORD", help="That user's password.", show_default=False)
    ] = "",
    users_file: Annotated[
        Path | None,
        typer.Option(help='More users: JSON, {"name": {"password_sha256_hex": "…", "readonly": 1}}.'),
    ] = None,
    name: Annotated[str, typer.Option(help="X-ClickHouse-Server-Display-Name.")] = "clickhouse",
    fsync: Annotated[
        bool, typer.Option("--fsync", help="Have inserts on the disk itself before they are acknowledged.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Serve ClickHouse's HTTP interface from an embedded engine until SIGTERM or SIGINT."""
    configure_logs(log_level)
    try:
        if not password and host not in {"127.0.0.1", "localhost", "::1"}:
            raise ConfigurationError(
                f"no password, and {host} can be reached from other machines. "
                "Give --password, or listen on 127.0.0.1."
            )
        users = load_users(users_file) if users_file else {}
        serve(ServerOptions(host, port, data, {**users, user: UserEntry(password=password)}, name, fsync))
    except CdcError as error:
        typer.echo(f"clickhouse_http: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
