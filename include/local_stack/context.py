"""Makes a stack's context and keeps it: ports, passwords and paths are the same at the next start."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdc.errors import ConfigurationError
from local_stack.component import Component, PortSpec, StackContext
from local_stack.envfile import write_atomically
from local_stack.java import find_java
from local_stack.ports import choose_ports, is_free

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """Where a stack lives, before anything is chosen for it."""

    repo: Path
    home: Path
    jars: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Places:
        """`CDC_HOME` and `CDC_JARS`, else `.local` and `.local/jars` in the checkout."""
        home = Path(env.get("CDC_HOME") or REPO / ".local").absolute()
        return cls(REPO, home, Path(env.get("CDC_JARS") or REPO / ".local" / "jars").absolute())


def create_context(
    places: Places,
    components: Sequence[Component],
    env: Mapping[str, str],
    free: Callable[[int], bool] = is_free,
) -> StackContext:
    """Choose ports, make the passwords that are still missing, and write both down.

    Raises:
        ConfigurationError: without a usable Java, or without free ports.
    """
    ports = choose_ports(port_specs(components), _read_json(_ports_file(places.home)), free)
    _write_json(_ports_file(places.home), ports, 0o644)
    known = _read_json(_secrets_file(places.home))
    names = dict.fromkeys(name for component in components for name in component.secrets)
    passwords = {**known, **{name: secrets.token_hex(16) for name in names if name not in known}}
    _write_json(_secrets_file(places.home), passwords, 0o600)
    return _build(places, env, ports, passwords)


def open_context(places: Places, env: Mapping[str, str]) -> StackContext:
    """The context of a stack that was started before.

    Raises:
        ConfigurationError: when there never was one.
    """
    if not _ports_file(places.home).exists():
        raise ConfigurationError(f"there is no stack in {places.home}: `make up` starts one")
    return _build(places, env, _read_json(_ports_file(places.home)), _read_json(_secrets_file(places.home)))


def port_specs(components: Iterable[Component]) -> list[PortSpec]:
    """All ports of all components."""
    return [spec for component in components for spec in component.ports]


def _build(
    places: Places, env: Mapping[str, str], ports: Mapping[str, int], passwords: Mapping[str, str]
) -> StackContext:
    return StackContext(
        repo=places.repo,
        home=places.home,
        jars=places.jars,
        java_home=find_java(env),
        python=Path(sys.executable),
        ports=ports,
        secrets=passwords,
    )


def _ports_file(home: Path) -> Path:
    return home / "state" / "ports.json"


def _secrets_file(home: Path) -> Path:
    return home / "state" / "secrets.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path} is not JSON ({error}): `make clean` deletes it and the data"
        ) from error
    return dict(content)


def _write_json(path: Path, content: Mapping[str, Any], mode: int) -> None:
    write_atomically(path, json.dumps(content, indent=1) + "\n", mode)


def environment() -> Mapping[str, str]:
    """The process's environment; the one place where the stack's own commands read it."""
    return os.environ
