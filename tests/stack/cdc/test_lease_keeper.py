"""A driver keeps its leases, whatever else asks the ops store at the same time."""

from __future__ import annotations

import threading

import pytest

from cdc.errors import ConfigurationError
from cdc.model.lease import Lease
from cdc.ops import OpsStore
from cdc_spark.leases import LeaseKeeper
from cdc_spark.owner import Owner

ME = Owner("here/1/1", on_yarn=False)


class Held(OpsStore):
    """Renewals begin and then take until they are let go, as when the ops store is out of reach."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.begun, self.go = threading.Event(), threading.Event()

    def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        self.begun.set()
        assert self.go.wait(60)
        return super().renew_lease(lease, ttl_s)


class Broken(OpsStore):
    """Fails the first renewal, and counts those after it."""

    failed, renewed = False, 0

    def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        if not self.failed:
            self.failed = True
            raise ConfigurationError("schema cdc_ops is being restored")
        self.renewed += 1
        return super().renew_lease(lease, ttl_s)


@pytest.mark.usefixtures("ops")
def test_a_lease_that_is_taken_again_during_its_renewal_is_not_another_s(dsn: str) -> None:
    with Held(dsn) as store:
        keeper = LeaseKeeper(store, ME, 0.4)
        first = keeper.acquire("q")
        assert store.begun.wait(60)
        again: list[Lease] = []
        # The first has expired when a query is started again after its failure.
        with OpsStore(dsn) as other:
            while any(lease.query == "q" for lease in other.live_leases()):
                pass
        taking = threading.Thread(target=lambda: again.append(keeper.acquire("q")))
        taking.start()
        taking.join(1)
        store.go.set()
        taking.join(60)
        renewed = threading.Event()
        threading.Timer(0.5, renewed.set).start()
        assert renewed.wait(60)
        lost = keeper.lost
        keeper.close()
        assert lost is None
        assert again[0].epoch >= first.epoch


@pytest.mark.usefixtures("ops")
def test_leases_are_renewed_again_after_any_failure_of_the_ops_store(dsn: str) -> None:
    with Broken(dsn) as store:
        keeper = LeaseKeeper(store, ME, 0.4)
        keeper.acquire("q")
        waiting = threading.Event()
        for _ in range(600):
            if store.renewed >= 2:
                break
            waiting.wait(0.1)
        keeper.close()
        assert store.failed
        assert store.renewed >= 2
