"""A driver keeps its leases, whatever else asks the ops store at the same time."""

from __future__ import annotations

import threading

import pytest

from cdc.errors import ConfigurationError
from cdc.model.lease import Lease
from cdc.ops import OpsStore
from cdc_spark.leases import LeaseKeeper
from cdc_spark.owner import Owner
from tests.unit.local_stack.watching import wait_until

ME = Owner("here/1/1", on_yarn=False)


class Held(OpsStore):
    """Renewals begin and then take until they are let go, as when the ops store is out of reach."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.begun, self.go, self.tried = threading.Event(), threading.Event(), 0

    def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        self.begun.set()
        assert self.go.wait(60)
        self.tried += 1
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
            wait_until(lambda: not other.live_leases())
        taking = threading.Thread(target=lambda: again.append(keeper.acquire("q")))
        taking.start()
        taking.join(1)
        store.go.set()
        taking.join(60)
        wait_until(lambda: keeper.lost is not None or store.tried > 2)
        lost = keeper.lost
        keeper.close()
        assert lost is None
        assert again[0].epoch >= first.epoch


@pytest.mark.usefixtures("ops")
def test_leases_are_renewed_again_after_any_failure_of_the_ops_store(dsn: str) -> None:
    with Broken(dsn) as store:
        keeper = LeaseKeeper(store, ME, 0.4)
        keeper.acquire("q")
        wait_until(lambda: store.renewed >= 2)
        keeper.close()
        assert store.failed
        assert store.renewed >= 2
