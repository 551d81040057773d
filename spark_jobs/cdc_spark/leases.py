"""Keeps a driver's leases alive while its queries run."""

from __future__ import annotations

import threading

import psycopg
import structlog

from cdc.errors import CdcError, ConflictError, FencedError, UnavailableError
from cdc.model.lease import Lease
from cdc.ops import OpsStore
from cdc_spark.owner import Owner, has_ended

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Acquires leases, and renews them on a thread of its own.

    When the ops store is away nobody else can take a lease either, so the queries go on. When a newer owner
    has one, `lost` names it and the driver ends.
    """

    def __init__(self, ops: OpsStore, owner: Owner, ttl_s: float) -> None:
        self._ops, self._owner, self._ttl_s = ops, owner, ttl_s
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self.lost: FencedError | None = None
        self._thread = threading.Thread(target=self._keep, name="cdc-leases", daemon=True)
        self._thread.start()

    def acquire(self, query: str) -> Lease:
        """Take a query's lease, at once when the owner before is known to have ended.

        Raises:
            ConflictError: another driver holds it.
            UnavailableError: the ops store does not answer.
        """
        # A renewal at the same time would find this driver's own newer lease, and take it for another's.
        with self._lock:
            try:
                lease = self._held[query] = self._acquire(query)
            except UnavailableError:
                # It may have been given all the same, and is newer than the one that was held.
                self._held.pop(query, None)
                raise
        return lease

    def _acquire(self, query: str) -> Lease:
        try:
            return self._ops.acquire_lease(query, self._owner.name, self._ttl_s)
        except ConflictError:
            before = self._ops.lease(query)
            if before is None or not has_ended(before.owner, self._owner):
                raise
            return self._ops.acquire_lease(query, self._owner.name, self._ttl_s, previous_ended=True)

    def close(self) -> None:
        """Give every lease back."""
        self._end.set()
        self._thread.join()
        with self._lock:
            held, self._held = list(self._held.values()), {}
        for lease in held:
            try:
                self._ops.release_lease(lease)
            except (CdcError, psycopg.Error) as error:
                log.warning(
                    "a lease could not be given back; it expires by itself",
                    query=lease.query,
                    error=str(error),
                )

    def _keep(self) -> None:
        while not self._end.wait(self._ttl_s / 4):
            with self._lock:
                self._held = {query: self._renewed(lease) for query, lease in self._held.items()}

    def _renewed(self, lease: Lease) -> Lease:
        try:
            return self._ops.renew_lease(lease, self._ttl_s)
        except FencedError as error:
            self.lost = error
        except (CdcError, psycopg.Error) as error:
            log.warning("a lease is not renewed, the stream goes on", query=lease.query, error=str(error))
        return lease
