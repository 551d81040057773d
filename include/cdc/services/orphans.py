"""Drivers and leases that belong to nothing that is wanted: found, and ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from cdc.clients.yarn import Application, YarnClient
from cdc.connections import Connections
from cdc.model.lease import Lease
from cdc.model.orphans import (
    LiveApplication,
    Orphan,
    Why,
    driver_of,
    keeper,
    orphan_drivers,
    orphan_leases,
    owning_application,
)
from cdc.ops import Launch, OpsStore
from cdc.services.streams import GRACE_S, end_applications, launch_lock
from cdc.spec import Pipeline, StreamSpec


class Orphans:
    """What is left over of the streams that some ops stores know.

    Args:
        pipelines: every pipeline that is declared.
        yarn: the cluster that their streams run on.
        stores: their ops stores, each once.
    """

    def __init__(self, pipelines: Sequence[Pipeline], yarn: YarnClient, stores: Sequence[OpsStore]) -> None:
        self._declared = {stream.app_name for pipeline in pipelines for stream in pipeline.streams}
        self._yarn, self._stores = yarn, stores

    def find(self) -> list[Orphan]:
        """Look at every live application and every live lease.

        Raises:
            UnavailableError: YARN or an ops store does not answer.
        """
        live = [_view(application) for application in self._yarn.applications()]
        leases = [lease for store in self._stores for lease in store.live_leases()]
        launched = {name: launch.application_id or "" for name, (_, launch) in self._launches().items()}
        by_stream = {name: _leases_of(name, leases) for name in filter(None, map(driver_of, live))}
        ended = {
            owner
            for owner in {owning_application(lease) for lease in leases} - {"", *(app.id for app in live)}
            if (found := self._yarn.application(owner)) is not None and not found.live
        }
        return [*orphan_drivers(live, self._declared, launched, by_stream), *orphan_leases(leases, ended)]

    def end(
        self, found: Sequence[Orphan], *, by_person: bool = False, grace_s: float = GRACE_S
    ) -> list[Orphan]:
        """End those that are this platform's own, as far as that is known without a person; returns them.

        A driver of a stream that is gone ends between two batches; a double is killed, since whoever asked it
        to stop would ask the other one as well. Whoever launches the stream at this moment is waited for: of
        its two drivers the new one may be the one that stays.

        Raises:
            UnavailableError: YARN or an ops store does not answer, or a launch takes longer than 300 s.
        """
        mine = [orphan for orphan in found if orphan.may_be_ended(by_person=by_person)]
        doubles = [orphan for orphan in mine if orphan.why is Why.DOUBLE]
        drained = [orphan for orphan in mine if orphan.why in (Why.UNDECLARED, Why.GONE)]
        launches = self._launches()
        for orphan in drained:
            if orphan.stream in launches:
                store, launch = launches[orphan.stream]
                store.request_drain(launch.pipeline, launch.stream)
        for orphan in mine:
            if orphan.why is Why.LEASE:
                self._release(orphan)
        end_applications(self._yarn, {o.name for o in drained}, grace_s)
        return [*(orphan for orphan in mine if orphan.why is not Why.DOUBLE), *self._end_doubles(doubles)]

    def _end_doubles(self, found: Sequence[Orphan]) -> list[Orphan]:
        ended: list[Orphan] = []
        for stream in dict.fromkeys(orphan.stream for orphan in found):
            with ExitStack() as locks:
                for store in self._stores:
                    locks.enter_context(launch_lock(store, stream))
                still = [o for o in self.find() if o.why is Why.DOUBLE and o.stream == stream]
                end_applications(self._yarn, {orphan.name for orphan in still}, grace_s=0)
                ended += still
        return ended

    def _launches(self) -> dict[str, tuple[OpsStore, Launch]]:
        return {
            f"cdc-{launch.pipeline}-{launch.stream}": (store, launch)
            for store in self._stores
            for launch in store.all_launches()
        }

    def _release(self, orphan: Orphan) -> None:
        for store in self._stores:
            lease = store.lease(orphan.name)
            if lease is not None and lease.owner == orphan.stream:
                store.release_lease(lease)


@contextmanager
def orphans_of(
    pipelines: Sequence[Pipeline], connections: Connections, yarn: YarnClient
) -> Iterator[Orphans]:
    """Look for what is left over of these pipelines; their ops stores are open meanwhile."""
    with ExitStack() as stack:
        ids = dict.fromkeys(pipeline.ops.connection for pipeline in pipelines)
        stores = [stack.enter_context(OpsStore(connections.get(name))) for name in ids]
        for store in stores:
            store.ensure_schema()
        yield Orphans(pipelines, yarn, stores)


def end_doubles(
    yarn: YarnClient, ops: OpsStore, stream: StreamSpec
) -> tuple[Application | None, list[Orphan]]:
    """End every live driver of a stream but one; the caller holds the stream's launch lock.

    Returns:
        The driver that carries the stream, and those that were ended.
    """
    applications = {application.id: application for application in yarn.applications(tags=[stream.app_name])}
    if len(applications) < 2:
        return next(iter(applications.values()), None), []
    launch = ops.launch(stream.pipeline, stream.name)
    known: Mapping[str, str] = {stream.app_name: (launch.application_id or "") if launch else ""}
    leases = {stream.app_name: _leases_of(stream.app_name, ops.live_leases())}
    live = [_view(application) for application in applications.values()]
    doubles = orphan_drivers(live, {stream.app_name}, known, leases)
    end_applications(yarn, {orphan.name for orphan in doubles}, grace_s=0)
    kept = keeper(live, known[stream.app_name], leases[stream.app_name])
    return (applications[kept.id] if kept else None), doubles


def _view(application: Application) -> LiveApplication:
    return LiveApplication(application.id, application.tags)


def _leases_of(app_name: str, leases: Sequence[Lease]) -> list[Lease]:
    prefix = app_name.removeprefix("cdc-").replace("-", ".") + "."
    return [lease for lease in leases if lease.query.startswith(prefix)]
