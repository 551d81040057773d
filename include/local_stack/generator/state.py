"""What a generator knows of the shop: which rows there are, so that it changes and deletes real ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from psycopg import Connection

KNOWN_ORDERS = 5_000
"""Orders that a generator remembers: the newest ones; older ones are left in peace."""


class Pool:
    """A set of ids from which one can be drawn at random in constant time, in an order the seed repeats."""

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids = list(ids)
        self._at = {value: index for index, value in enumerate(self._ids)}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ids)

    def __contains__(self, value: int) -> bool:
        """Whether the id is in it."""
        return value in self._at

    def add(self, value: int) -> None:
        """Put an id in; one that is there stays."""
        if value not in self._at:
            self._at[value] = len(self._ids)
            self._ids.append(value)

    def discard(self, value: int) -> None:
        """Take an id out, if it is there."""
        index = self._at.pop(value, None)
        if index is None:
            return
        last = self._ids.pop()
        if last != value:
            self._ids[index] = last
            self._at[last] = index

    def draw(self, rng: Random) -> int:
        """One id at random."""
        return self._ids[rng.randrange(len(self._ids))]


@dataclass
class ShopState:
    """The rows that a generator knows.

    Attributes:
        idle_customers, idle_products: without an order, so that they can be deleted.
        lines: the line numbers of each known order.
        fresh: ids drawn from the tables' own sequences and not used yet.
    """

    customers: Pool = field(default_factory=Pool)
    products: Pool = field(default_factory=Pool)
    idle_customers: Pool = field(default_factory=Pool)
    idle_products: Pool = field(default_factory=Pool)
    orders: Pool = field(default_factory=Pool)
    lines: dict[int, list[int]] = field(default_factory=dict)
    fresh: dict[str, list[int]] = field(default_factory=dict)

    def new_id(self, table: str) -> int:
        """An id that nobody uses."""
        return self.fresh[table].pop()

    def low_on_ids(self, wanted: int) -> list[str]:
        """Tables whose fresh ids would not last for `wanted` more rows."""
        return [
            table for table in ("customers", "products", "orders") if len(self.fresh.get(table, ())) < wanted
        ]


def load_state(connection: Connection[Any]) -> ShopState:
    """Read what there is; ends the transaction that reading opens."""
    with connection.transaction():
        state = ShopState(
            customers=Pool(_ids(connection, "SELECT id FROM customers ORDER BY id")),
            products=Pool(_ids(connection, "SELECT id FROM products ORDER BY id")),
            idle_customers=Pool(_ids(connection, _IDLE_CUSTOMERS)),
            idle_products=Pool(_ids(connection, _IDLE_PRODUCTS)),
        )
        for order, lines in connection.execute(_ORDERS, [KNOWN_ORDERS]):
            state.orders.add(order)
            state.lines[order] = list(lines)
    return state


def draw_ids(connection: Connection[Any], state: ShopState, tables: Iterable[str], count: int) -> None:
    """Take `count` ids from the sequence of each table, so that other clients' inserts do not collide."""
    for table in tables:
        rows = connection.execute(_NEXT_IDS, [table, count])
        state.fresh[table] = [row[0] for row in rows][::-1] + state.fresh.get(table, [])


def _ids(connection: Connection[Any], query: str) -> list[int]:
    return [row[0] for row in connection.execute(query)]


_IDLE_CUSTOMERS = """
SELECT id FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id) ORDER BY id"""
_IDLE_PRODUCTS = """
SELECT id FROM products p WHERE NOT EXISTS (SELECT FROM order_items i WHERE i.product_id = p.id)
ORDER BY id"""
_ORDERS = """
SELECT o.id, coalesce(array_agg(i.line_no ORDER BY i.line_no) FILTER (WHERE i.line_no IS NOT NULL), '{}')
FROM (SELECT id FROM orders ORDER BY id DESC LIMIT %s) o LEFT JOIN order_items i ON i.order_id = o.id
GROUP BY o.id ORDER BY o.id"""
_NEXT_IDS = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
