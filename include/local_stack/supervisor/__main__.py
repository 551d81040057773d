"""Entry point of the daemon: `python -m local_stack.supervisor --components <module>:<function>`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType

from cdc.errors import CdcError
from local_stack.component import Component
from local_stack.context import Places, environment, open_context
from local_stack.supervisor.daemon import BeforeStop, Supervisor, hold_lock, ignore_terminal_signals


def load_components(reference: str) -> tuple[tuple[Component, ...], tuple[BeforeStop, ...]]:
    """Import `<module>:<function>`; its `before_stop()`, if any, gives what is called first."""
    module_name, _, function = reference.partition(":")
    module: ModuleType = importlib.import_module(module_name)
    components: Sequence[Component] = getattr(module, function)()
    hooks: Sequence[BeforeStop] = module.before_stop() if hasattr(module, "before_stop") else ()
    return tuple(components), tuple(hooks)


def main() -> int:
    """Run until SIGTERM; 0 after a stop in order."""
    parser = argparse.ArgumentParser(prog="local_stack.supervisor")
    parser.add_argument("--components", required=True)
    arguments = parser.parse_args()
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    env = environment()
    places = Places.from_environment(env)
    os.chdir(places.home)  # not where `up` was typed, which may go away
    try:
        lock = hold_lock(places.home)
        components, hooks = load_components(arguments.components)
        supervisor = Supervisor(open_context(places, env), components, hooks)
    except CdcError as error:
        logging.getLogger("supervisor").error("%s", error)
        return 1
    ignore_terminal_signals(supervisor)
    with lock:
        supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
