"""Leases: at most one owner at any time, and epochs that only rise."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdc.model.lease import Acquire, Fenced, Lease, Renew, Wait, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=60)


def held(owner: str = "a", expires_in: int = 30, epoch: int = 4) -> Lease:
    return Lease("q", epoch, owner, NOW + timedelta(seconds=expires_in))


def test_nobody_holds_it() -> None:
    assert decide(None, "a", NOW, TTL) == Acquire(1, NOW + TTL)


def test_the_owner_keeps_its_epoch() -> None:
    assert decide(held(), "a", NOW, TTL) == Renew(4, NOW + TTL)


def test_another_waits_until_it_expires() -> None:
    assert decide(held(), "b", NOW, TTL) == Wait(NOW + timedelta(seconds=30), "a")
    assert decide(held(expires_in=0), "b", NOW, TTL) == Acquire(5, NOW + TTL)


def test_another_need_not_wait_when_the_owner_has_ended() -> None:
    assert decide(held(), "b", NOW, TTL, ended=True) == Acquire(5, NOW + TTL)


def test_a_renewal_after_a_take_over_is_fenced() -> None:
    assert decide(held("b", epoch=5), "a", NOW, TTL, held_epoch=4) == Fenced(5, "b")
    assert decide(None, "a", NOW, TTL, held_epoch=4) == Fenced(0, "")


def test_a_late_renewal_is_fine_while_nobody_took_over() -> None:
    assert decide(held(expires_in=-100), "a", NOW, TTL, held_epoch=4) == Renew(4, NOW + TTL)


steps = st.tuples(st.sampled_from("abc"), st.integers(0, 90), st.booleans())


@given(st.lists(steps, max_size=40))
def test_epochs_rise_and_no_two_hold_at_once(plan: list[tuple[str, int, bool]]) -> None:
    current: Lease | None = None
    now = NOW
    for owner, seconds, renews in plan:
        now += timedelta(seconds=seconds)
        epoch = current.epoch if renews and current and current.owner == owner else None
        match decide(current, owner, now, TTL, held_epoch=epoch):
            case Acquire(new, until):
                assert current is None or current.expires_at <= now
                assert new == (current.epoch if current else 0) + 1
                current = Lease("q", new, owner, until)
            case Renew(same, until):
                assert current is not None
                assert (current.owner, current.epoch) == (owner, same)
                current = Lease("q", same, owner, until)
            case Wait(until, holder):
                assert current is not None
                assert (holder, until) == (current.owner, current.expires_at)
                assert holder != owner
                assert until > now
            case Fenced():
                raise AssertionError("nobody took over from the owner of the stored lease")
