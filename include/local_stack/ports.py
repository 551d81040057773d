"""Which ports a stack uses: the usual ones when free, else others, and the same ones at the next start."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from cdc.errors import ConfigurationError
from local_stack.component import PortSpec

LOOPBACK = "127.0.0.1"
# below the range from which the kernel takes ports for outgoing connections, so that none is lost to a client
OTHERS = range(20000, 32000)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as servers do: a port whose last connections linger in TIME_WAIT is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class PortClaims:
    """Ports that are ours before anything listens there, so that two stacks which start at once share none.

    A claim is a bound Unix socket with an abstract name. It has the scope of a port (the network namespace),
    needs no file, and ends with the last process that holds it: this one, until it leaves the context, and
    each that inherits it, as the supervisor does.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Nothing is claimed yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go, as far as this process is concerned."""
        while self._held:
            self._held.pop().close()

    def claim(self, port: int) -> bool:
        """Take the port, unless something listens there or another stack has claimed it."""
        if not is_free(port):
            return False
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            one.bind(f"\0cdc-local-stack/{port}")
        except OSError:
            one.close()
            return False
        one.set_inheritable(True)
        self._held.append(one)
        return True


def choose_ports(
    specs: Iterable[PortSpec],
    remembered: Mapping[str, int],
    free: Callable[[int], bool] = is_free,
    others: Iterable[int] | None = None,
) -> dict[str, int]:
    """A port for each spec: the remembered one if free, else the preferred one, else another.

    Raises:
        ConfigurationError: when two specs share a name, or when no port is free.
    """
    chosen: dict[str, int] = {}
    pool = iter(others if others is not None else random.sample(OTHERS, len(OTHERS)))
    for spec in specs:
        if spec.name in chosen:
            raise ConfigurationError(f"two components declare a port named {spec.name}: rename one")
        wanted = [remembered[spec.name]] if spec.name in remembered else []
        taken = set(chosen.values())
        port = next((p for p in (*wanted, spec.preferred) if p not in taken and free(p)), None)
        if port is None:
            port = next((p for p in pool if p not in taken and free(p)), None)
        if port is None:
            raise ConfigurationError(f"no free port on {LOOPBACK} for {spec.name}: stop what listens there")
        chosen[spec.name] = port
    return chosen
