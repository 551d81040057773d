"""Which drivers and leases belong to nothing that is wanted. Pure.

A driver carries two tags on YARN: its stream's name, and that name with the hash of its specification. A run
that ends by itself (a repair, a replay) carries only its own name, and is never an orphan.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cdc.model.lease import Lease

_SPEC_TAG = re.compile(r"^(?P<app>cdc-[a-z0-9_]+-[a-z0-9_]+)-spec-[0-9a-f]+$")
_OWNER = re.compile(r"^(?P<application>application_\d+_\d+)/\d+$")


class Why(StrEnum):
    """What makes it an orphan."""

    UNDECLARED = "undeclared"
    """A driver of a stream that its pipeline's file does not declare any more."""
    GONE = "gone"
    """A driver of a pipeline that is not here, launched by way of this ops store: a person decides, since
    another folder of pipelines may share the store."""
    FOREIGN = "foreign"
    """The same, but neither the ops store's launches nor its leases name it: it is told, and never ended."""
    DOUBLE = "double"
    """A second live driver of one stream."""
    LEASE = "lease"
    """A lease that runs on although YARN says that its owner has ended."""


@dataclass(frozen=True)
class Orphan:
    """Something that is left over.

    Attributes:
        name: of a driver the application's id, of a lease its query.
        stream: the application's name, such as `cdc-ecommerce-orders`; of a lease the owner.
        kept: of a double the application that carries the stream.
    """

    why: Why
    name: str
    stream: str
    kept: str = ""

    def may_be_ended(self, *, by_person: bool) -> bool:
        """It is this platform's own; what may be another one's needs a person, who knows."""
        return self.why is not Why.FOREIGN and (by_person or self.why is not Why.GONE)

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        return {
            Why.UNDECLARED: f"driver {self.name} carries {self.stream}, which its pipeline has no more",
            Why.GONE: (
                f"driver {self.name} carries {self.stream}, whose pipeline is not here: if nobody else "
                "runs it, `cdc stream orphans --end` ends it"
            ),
            Why.FOREIGN: (
                f"driver {self.name} carries {self.stream}, which no pipeline here declares and nobody here "
                "has launched: another environment may own it; `yarn application -kill` ends it"
            ),
            Why.DOUBLE: f"driver {self.name} carries {self.stream} as well, whose driver is {self.kept}",
            Why.LEASE: f"lease of query {self.name} is held by {self.stream}, which has ended",
        }[self.why]


@dataclass(frozen=True)
class LiveApplication:
    """An application on YARN that has not ended."""

    id: str
    tags: frozenset[str]


def driver_of(application: LiveApplication) -> str:
    """The stream's application name when this is a stream's driver; empty otherwise."""
    found = (_SPEC_TAG.match(tag) for tag in application.tags)
    return next((match["app"] for match in found if match and match["app"] in application.tags), "")


def owning_application(lease: Lease) -> str:
    """The YARN application that holds a lease; empty for a process elsewhere."""
    match = _OWNER.match(lease.owner)
    return match["application"] if match else ""


def keeper(live: Sequence[LiveApplication], launched: str, leases: Iterable[Lease]) -> LiveApplication | None:
    """Which of several live drivers of one stream carries it.

    The one that was launched last by the ops store's word, else the one that holds a lease, else the oldest.

    Args:
        live: the stream's live drivers, oldest first.
        launched: the application that the ops store knows; empty when none.
        leases: of the stream's queries.
    """
    if not live:
        return None
    holders = {owning_application(lease) for lease in leases}
    return min(live, key=lambda app: (app.id != launched, app.id not in holders))


def orphan_drivers(
    live: Sequence[LiveApplication],
    declared: Collection[str],
    launched: Mapping[str, str],
    leases: Mapping[str, Sequence[Lease]],
) -> list[Orphan]:
    """The drivers that are left over.

    Args:
        live: every live application, oldest first.
        declared: the application names of all streams of all pipelines.
        launched: by application name, the application that the ops stores know.
        leases: by application name, the live leases of its queries.
    """
    drivers: dict[str, list[LiveApplication]] = {}
    for application in live:
        if name := driver_of(application):
            drivers.setdefault(name, []).append(application)
    found = []
    pipelines = {name.rpartition("-")[0] for name in declared}
    for name, applications in sorted(drivers.items()):
        if name in declared:
            kept = keeper(applications, launched.get(name, ""), leases.get(name, ()))
            doubles = [app for app in applications if kept is not None and app.id != kept.id]
            found += [Orphan(Why.DOUBLE, app.id, name, kept.id if kept else "") for app in doubles]
        else:
            own = {launched.get(name, ""), *map(owning_application, leases.get(name, ()))}
            here = name.rpartition("-")[0] in pipelines
            mine = Why.UNDECLARED if here else Why.GONE
            found += [Orphan(mine if app.id in own else Why.FOREIGN, app.id, name) for app in applications]
    return found


def orphan_leases(leases: Iterable[Lease], ended: Collection[str]) -> list[Orphan]:
    """The leases whose owners are among the applications that have ended."""
    return [
        Orphan(Why.LEASE, lease.query, lease.owner) for lease in leases if owning_application(lease) in ended
    ]
