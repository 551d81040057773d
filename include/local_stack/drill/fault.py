"""What a fault is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from local_stack.drill.stage import Stage
from local_stack.drill.watch import Watch


class Fault(ABC):
    """Something that goes wrong, planted on purpose.

    Attributes:
        name: by which it is chosen.
        planted: what is done, in words.
        mended_by: `itself: …`, or the action that a person takes, which the drill then takes.
        lasts_s: it ends by itself after so many seconds; 0 for one that stays.
    """

    name: str
    planted: str
    mended_by: str
    lasts_s: float = 0.0

    @abstractmethod
    def plant(self, stage: Stage) -> None:
        """Do it, and return once it is so."""

    @abstractmethod
    def watch(self, stage: Stage) -> Watch:
        """What should notice it; asked after it was planted."""

    def mend(self, stage: Stage) -> None:  # noqa: B027 - what mends itself needs no hand
        """Take the named action."""

    def undo(self, stage: Stage) -> None:  # noqa: B027 - most leave nothing behind
        """Take back what is left of it; called at the end, or at any moment after `plant` began."""
