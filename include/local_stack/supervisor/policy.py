"""When a dead component is started again: pure decisions, no clock and no process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """What a component is doing."""

    WAITING = "waiting"  # for what it requires, or for its turn
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"  # died; is started again after a pause
    FAILED = "failed"  # died so often in a row that a person should look; still tried every `max_delay_s`
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class RestartPolicy:
    """Exponential back-off.

    Attributes:
        first_delay_s: pause after the first quick death; each further one doubles it.
        max_delay_s: the longest pause.
        healthy_after_s: a component that ran this long starts counting from zero again.
        failed_after: quick deaths in a row after which the state is `failed`.
        end_grace_s: how long the rest of a dead component's process group gets before SIGKILL.
    """

    first_delay_s: float = 1.0
    max_delay_s: float = 30.0
    healthy_after_s: float = 60.0
    failed_after: int = 5
    end_grace_s: float = 3.0


@dataclass(frozen=True)
class Deaths:
    """How often in a row a component died soon after its start."""

    quick: int = 0

    def after(self, healthy_s: float, policy: RestartPolicy) -> Deaths:
        """Count one more death, `healthy_s` seconds after the component was ready (0 when it never was)."""
        return replace(self, quick=1 if healthy_s >= policy.healthy_after_s else self.quick + 1)

    def delay_s(self, policy: RestartPolicy) -> float:
        """Seconds to wait before the next start."""
        if self.quick == 0:
            return 0.0
        # the exponent is bounded: 2.0 ** 2000 would overflow after a night of failures
        return float(min(policy.max_delay_s, policy.first_delay_s * 2.0 ** min(self.quick - 1, 16)))

    def state(self, policy: RestartPolicy) -> State:
        """`failed` once there were too many, else `backoff`."""
        return State.FAILED if self.quick >= policy.failed_after else State.BACKOFF
