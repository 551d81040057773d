"""What is dear to make and is kept for the next batch: connections and consumers, by a name."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Kept(threading.local, Generic[Thing]):
    """Of one thread, since none of them may be used by two at once.

    Spark uses its Python workers again, and a query calls the driver from one thread for as long as it runs.
    """

    def __init__(self) -> None:
        self._things: dict[str, Thing] = {}

    def get(self, name: str) -> Thing | None:
        """What is kept."""
        return self._things.get(name)

    def put(self, name: str, thing: Thing) -> None:
        """Keep it."""
        self._things[name] = thing

    def pop(self, name: str) -> Thing | None:
        """What was kept; it is no longer."""
        return self._things.pop(name, None)
