"""Chooses operations: a transaction is a handful; a bounded run ends on its exact number of changes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from local_stack.generator import operations as ops
from local_stack.generator.operations import Operation, Statement
from local_stack.generator.state import ShopState

LARGEST_OPERATION = 128
"""More row changes than any operation makes; an order of that many lines would be needed."""

_WEIGHTS: dict[Operation, int] = {
    ops.place_order: 18,
    ops.advance_order: 22,
    ops.change_product: 10,
    ops.change_customer: 12,
    ops.change_line: 8,
    ops.move_line: 2,
    ops.replace_line: 4,
    ops.cancel_line: 4,
    ops.delete_order: 7,
    ops.recreate_order: 2,
    ops.register_customer: 5,
    ops.list_product: 2,
    ops.delete_customer: 3,
    ops.delete_product: 1,
}
_CHOICES = tuple(_WEIGHTS)
_CUMULATIVE = tuple(sum(list(_WEIGHTS.values())[: index + 1]) for index in range(len(_WEIGHTS)))
# One change each, whatever there is in the shop; so a run can end on any number.
_SINGLE_INSERT: Operation = ops.register_customer
_SINGLE_UPDATE: Operation = ops.change_customer


def changes(statements: Sequence[Statement]) -> int:
    """Row changes of some statements."""
    return sum(statement.effect.changes for statement in statements)


def opening(rng: Random, state: ShopState, budget: int) -> list[Statement]:
    """The first transaction of a bounded run: an insert, an update and a delete, as far as it may."""
    plan = [*_SINGLE_INSERT(rng, state)] if budget else []
    if budget > 1:
        plan += _SINGLE_UPDATE(rng, state)
    if budget > 2:
        customer = state.idle_customers.draw(rng)
        state.customers.discard(customer)
        state.idle_customers.discard(customer)
        plan.append(ops.delete(ops.DELETE_CUSTOMER, customer))
    return plan


def transaction(rng: Random, state: ShopState, size: int, budget: int) -> list[Statement]:
    """About `size` row changes, and never more than `budget`."""
    plan: list[Statement] = []
    wanted = min(size, budget)
    while (made := changes(plan)) < wanted:
        room = budget - made
        if room > LARGEST_OPERATION:
            plan += rng.choices(_CHOICES, cum_weights=_CUMULATIVE)[0](rng, state)
        else:
            plan += _fitting(rng, state, room)
    return plan


def _fitting(rng: Random, state: ShopState, room: int) -> list[Statement]:
    """An operation whose size is known before it is drawn, for the end of a bounded run."""
    if room >= 6 and rng.random() < 0.2:
        return ops.place_order(rng, state)
    return rng.choice((_SINGLE_INSERT, _SINGLE_UPDATE))(rng, state)
