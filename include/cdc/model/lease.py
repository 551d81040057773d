"""Leases: one writer for each query. Who may take over, and when, as one pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Lease:
    """The right to write as `query`.

    Attributes:
        epoch: rises with every new owner; the sinks' fence refuses a lower one.
        owner: who holds it, such as YARN's application id and attempt.
    """

    query: str
    epoch: int
    owner: str
    expires_at: datetime


@dataclass(frozen=True)
class Acquire:
    """Take it, with this epoch."""

    epoch: int
    expires_at: datetime


@dataclass(frozen=True)
class Renew:
    """Keep it, with the epoch it has."""

    epoch: int
    expires_at: datetime


@dataclass(frozen=True)
class Wait:
    """Somebody else holds it until then."""

    until: datetime
    owner: str


@dataclass(frozen=True)
class Fenced:
    """A newer owner has it; the caller must write nothing more."""

    epoch: int
    owner: str


Decision = Acquire | Renew | Wait | Fenced


def decide(
    current: Lease | None,
    owner: str,
    now: datetime,
    ttl: timedelta,
    ended: bool = False,
    held_epoch: int | None = None,
) -> Decision:
    """Decide what `owner` may do.

    Args:
        current: the lease as it is stored.
        owner: who asks.
        now: the store's clock, the only one that counts.
        ttl: how long a lease lasts.
        ended: the stored owner is known to have ended, so its expiry need not be awaited.
        held_epoch: the epoch that the caller believes to hold, when it renews.
    """
    expires_at = now + ttl
    if held_epoch is not None:
        if current is None or current.epoch != held_epoch or current.owner != owner:
            return Fenced(current.epoch if current else 0, current.owner if current else "")
        return Renew(held_epoch, expires_at)
    if current is None:
        return Acquire(1, expires_at)
    if current.owner == owner and now < current.expires_at:
        return Renew(current.epoch, expires_at)
    if ended or current.owner == owner or now >= current.expires_at:
        return Acquire(current.epoch + 1, expires_at)
    return Wait(current.expires_at, current.owner)


def is_fenced(fence: int | None, epoch: int) -> bool:
    """True when a sink's fence refuses a writer.

    Args:
        fence: the highest epoch that has announced itself to the sink; None before the first.
        epoch: the writer's.
    """
    return fence is not None and fence > epoch
