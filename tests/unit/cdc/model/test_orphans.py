"""Which drivers and leases belong to nothing that is wanted, and which of them may be ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdc.model.lease import Lease
from cdc.model.orphans import (
    LiveApplication,
    Orphan,
    Why,
    driver_of,
    keeper,
    orphan_drivers,
    orphan_leases,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = "cdc-shop-orders"


def driver(number: int, app_name: str = ORDERS) -> LiveApplication:
    return LiveApplication(f"application_1_{number:04}", frozenset({app_name, f"{app_name}-spec-0a1b"}))


def lease(holder: str, query: str = "shop.orders.warehouse") -> Lease:
    return Lease(query, 3, holder, NOW)


def found(
    live: list[LiveApplication], launched: dict[str, str] | None = None, leases: list[Lease] | None = None
) -> list[tuple[Why, str]]:
    declared = {ORDERS, "cdc-shop-customers"}
    orphans = orphan_drivers(live, declared, launched or {}, {o: leases or [] for o in map(driver_of, live)})
    return [(orphan.why, orphan.name) for orphan in orphans]


def test_only_a_stream_s_driver_is_one_and_not_a_run_that_ends_by_itself() -> None:
    assert driver_of(driver(1)) == ORDERS
    assert driver_of(LiveApplication("a", frozenset({f"{ORDERS}-repair"}))) == ""
    assert driver_of(LiveApplication("a", frozenset({f"{ORDERS}-spec-0a1b"}))) == ""
    assert driver_of(LiveApplication("a", frozenset({"somebody-else"}))) == ""
    assert found([driver(1), LiveApplication("a", frozenset({f"{ORDERS}-repair"}))]) == []


def test_of_two_drivers_the_one_that_was_launched_last_stays_else_the_one_that_writes_else_the_oldest() -> (
    None
):
    both = [driver(1), driver(2)]
    assert found(both, {ORDERS: "application_1_0002"}) == [(Why.DOUBLE, "application_1_0001")]
    assert found(both, leases=[lease("application_1_0002/1")]) == [(Why.DOUBLE, "application_1_0001")]
    assert found(both) == [(Why.DOUBLE, "application_1_0002")]
    assert keeper([], "", []) is None


def test_a_driver_of_a_stream_that_was_taken_out_of_its_pipeline_is_ended_when_it_is_ours() -> None:
    gone = driver(1, "cdc-shop-returns")
    assert found([gone], {"cdc-shop-returns": gone.id}) == [(Why.UNDECLARED, gone.id)]
    assert found([gone], leases=[lease(f"{gone.id}/2")]) == [(Why.UNDECLARED, gone.id)]
    assert found([gone], {"cdc-shop-returns": "application_9"}) == [(Why.FOREIGN, gone.id)]


def test_a_whole_pipeline_that_is_not_here_is_for_a_person_to_judge() -> None:
    other = driver(1, "cdc-other-orders")
    assert found([other], {"cdc-other-orders": other.id}) == [(Why.GONE, other.id)]
    assert found([other]) == [(Why.FOREIGN, other.id)]


@pytest.mark.parametrize(
    ("why", "alone", "by_person"),
    [
        (Why.DOUBLE, True, True),
        (Why.UNDECLARED, True, True),
        (Why.LEASE, True, True),
        (Why.GONE, False, True),
        (Why.FOREIGN, False, False),
    ],
)
def test_what_may_be_somebody_else_s_is_never_ended_without_knowing(
    why: Why, alone: bool, by_person: bool
) -> None:
    orphan = Orphan(why, "application_1", ORDERS, "application_2")
    assert orphan.may_be_ended(by_person=False) is alone
    assert orphan.may_be_ended(by_person=True) is by_person
    assert "application_1" in orphan.sentence


def test_a_lease_is_left_over_only_when_its_owner_has_ended() -> None:
    kept, left = lease("application_1_0001/1"), lease("application_1_0002/1", "shop.orders.clickhouse")
    process = lease("host/17/1700000000")
    (orphan,) = orphan_leases([kept, left, process], {"application_1_0002"})
    assert (orphan.why, orphan.name) == (Why.LEASE, "shop.orders.clickhouse")
    assert "application_1_0002/1, which has ended" in orphan.sentence
