"""A stack of tiny real processes, imported by the tests and the daemon: top requires middle requires base."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from local_stack.component import Command, Component, PortSpec, StackContext

SERVER = Path(__file__).with_name("toy_server.py")


class Toy(Component):
    """Listens on its port, writes what happens to it into `events`, and keeps a helper in its group."""

    ready_timeout_s = 20.0
    secrets = ("toy",)

    def prepare(self, ctx: StackContext) -> None:
        note(ctx, f"prepare {self.name}")

    def command(self, ctx: StackContext) -> Command:
        port = ctx.ports[self.name]
        argv = (sys.executable, "-S", str(SERVER), self.name, str(port), str(ctx.home / "events"))
        return Command(argv=argv, cwd=ctx.home, stop_timeout_s=5)

    def probe(self, ctx: StackContext) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", ctx.ports[self.name]), timeout=1).close()
        except OSError as error:
            return f"nothing listens: {error}"
        return None

    def after_ready(self, ctx: StackContext) -> None:
        note(ctx, f"ready {self.name}")

    def exports(self, ctx: StackContext) -> dict[str, str]:
        return {f"{self.name.upper()}_PORT": str(ctx.ports[self.name])}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, object]]:
        return {
            f"toy_{self.name}": {
                "conn_type": "http",
                "port": ctx.ports[self.name],
                "password": ctx.secrets["toy"],
            }
        }


class Base(Toy):
    name = "base"
    title = "Base"
    ports = (PortSpec("base", 21871),)


class Middle(Toy):
    name = "middle"
    title = "Middle"
    requires = ("base",)
    heavy = True
    ports = (PortSpec("middle", 21872),)


class Top(Toy):
    name = "top"
    title = "Top"
    requires = ("middle",)
    heavy = True
    ports = (PortSpec("top", 21873),)


class Flaky(Toy):
    """Says why and dies at once."""

    name = "flaky"
    title = "Flaky"
    ports = (PortSpec("flaky", 21874),)

    def command(self, ctx: StackContext) -> Command:
        return Command(
            argv=(sys.executable, "-S", "-c", "print('no licence'); raise SystemExit(7)"), cwd=ctx.home
        )


def note(ctx: StackContext, event: str) -> None:
    with (ctx.home / "events").open("a") as events:
        events.write(event + "\n")


def components() -> tuple[Component, ...]:
    return (Base(), Middle(), Top())


def with_flaky() -> tuple[Component, ...]:
    return (*components(), Flaky())


def before_stop() -> tuple[object, ...]:
    return (lambda ctx: note(ctx, "before stop"),)
