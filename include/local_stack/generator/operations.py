"""What happens in a shop: each operation is the statements of one event, and the rows they change.

Operations change `ShopState` at once; when their transaction fails, the caller loads the state again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from psycopg.types.json import Jsonb

from local_stack.generator import values
from local_stack.generator.state import ShopState
from local_stack.generator.totals import Totals

INSERT_CUSTOMER = """
INSERT INTO customers (id, email, full_name, phone, tier, tags, preferences, external_id, created_at)
VALUES (%s, %s, %s, %s, %s, %s::text[], %s, %s, %s)"""
INSERT_PRODUCT = """
INSERT INTO products (id, sku, name, description, price, weight_kg, attributes, labels, active)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s::text[], %s)"""
INSERT_ORDER = """
INSERT INTO orders (id, order_no, customer_id, status, currency, total_amount, discount, note,
                    shipping_address, ordered_at, shipped_on)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
INSERT_ITEM = """
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price, options)
VALUES (%s, %s, %s, %s, %s, %s::text[])"""
UPDATE_CUSTOMER = """
UPDATE customers
SET tier = %s, phone = %s, tags = %s::text[], preferences = %s, updated_at = clock_timestamp()
WHERE id = %s"""
UPDATE_PRODUCT = """
UPDATE products SET price = %s, weight_kg = %s, description = %s, active = %s, updated_at = clock_timestamp()
WHERE id = %s"""
UPDATE_STATUS = """
UPDATE orders SET status = %s, shipped_on = %s, note = %s, updated_at = clock_timestamp() WHERE id = %s"""
UPDATE_TOTAL = """
UPDATE orders SET total_amount = total_amount + %s, updated_at = clock_timestamp() WHERE id = %s"""
UPDATE_QUANTITY = (
    "UPDATE order_items SET quantity = %s, options = %s::text[] WHERE order_id = %s AND line_no = %s"
)
MOVE_LINE = "UPDATE order_items SET line_no = %s WHERE order_id = %s AND line_no = %s"
DELETE_ORDER = "DELETE FROM orders WHERE id = %s"
DELETE_ITEM = "DELETE FROM order_items WHERE order_id = %s AND line_no = %s"
DELETE_CUSTOMER = "DELETE FROM customers WHERE id = %s"
DELETE_PRODUCT = "DELETE FROM products WHERE id = %s"

_TIERS = ("standard", "silver", "gold")
_STATUSES = ("pending", "paid", "shipped", "delivered", "cancelled")


@dataclass(frozen=True)
class Statement:
    """One statement and what it changes, cascades included."""

    sql: str
    params: tuple[Any, ...]
    effect: Totals


Operation = Callable[[Random, ShopState], list[Statement]]


def _insert(sql: str, *params: Any) -> Statement:
    return Statement(sql, params, Totals(inserted=1))


def _update(sql: str, *params: Any) -> Statement:
    return Statement(sql, params, Totals(updated=1))


def delete(sql: str, *params: Any, cascades: int = 0) -> Statement:
    """A delete of one row, and of `cascades` rows with it."""
    return Statement(sql, params, Totals(deleted=1 + cascades))


def _document(rng: Random) -> Jsonb | None:
    return None if rng.random() < 0.2 else Jsonb(values.document(rng))


def _customer(rng: Random, number: int) -> Statement:
    return _insert(
        INSERT_CUSTOMER, number, values.email(rng, number), values.text(rng), values.phone(rng),
        rng.choice(_TIERS), values.text_array(rng), _document(rng), values.uuid(rng), values.moment(rng),
    )  # fmt: skip


def _product(rng: Random, number: int) -> Statement:
    return _insert(
        INSERT_PRODUCT, number, f"SKU-{number}", values.text(rng), values.text_or_null(rng),
        values.price(rng), values.weight(rng), _document(rng), values.text_array(rng), rng.random() < 0.9,
    )  # fmt: skip


def _item(rng: Random, state: ShopState, order: int, line: int) -> Statement:
    product = state.products.draw(rng)
    state.idle_products.discard(product)
    return _insert(
        INSERT_ITEM, order, line, product, rng.randint(1, 9), values.unit_price(rng), values.text_array(rng)
    )


def _order(rng: Random, state: ShopState, order: int, lines: list[int]) -> list[Statement]:
    customer = state.customers.draw(rng)
    state.idle_customers.discard(customer)
    state.orders.add(order)
    state.lines[order] = list(lines)
    items = [_item(rng, state, order, line) for line in lines]
    total = sum(statement.params[3] * statement.params[4] for statement in items)
    head = _insert(
        INSERT_ORDER, order, values.uuid(rng), customer, rng.choice(_STATUSES[:2]), values.currency(rng),
        total, values.discount(rng), values.text_or_null(rng), _document(rng), values.moment(rng), None,
    )  # fmt: skip
    return [head, *items]


def register_customer(rng: Random, state: ShopState) -> list[Statement]:
    """A new customer."""
    number = state.new_id("customers")
    state.customers.add(number)
    state.idle_customers.add(number)
    return [_customer(rng, number)]


def list_product(rng: Random, state: ShopState) -> list[Statement]:
    """A new product."""
    number = state.new_id("products")
    state.products.add(number)
    state.idle_products.add(number)
    return [_product(rng, number)]


def place_order(rng: Random, state: ShopState) -> list[Statement]:
    """A new order with one to five lines."""
    if not len(state.customers):
        return register_customer(rng, state)
    if not len(state.products):
        return list_product(rng, state)
    return _order(rng, state, state.new_id("orders"), list(range(1, rng.randint(1, 5) + 1)))


def advance_order(rng: Random, state: ShopState) -> list[Statement]:
    """An order's next status."""
    if not len(state.orders):
        return place_order(rng, state)
    order = state.orders.draw(rng)
    return [_update(UPDATE_STATUS, rng.choice(_STATUSES), values.day(rng), values.text_or_null(rng), order)]


def change_product(rng: Random, state: ShopState) -> list[Statement]:
    """Another price, weight and description of a product."""
    if not len(state.products):
        return list_product(rng, state)
    product = state.products.draw(rng)
    new = (values.price(rng), values.weight(rng), values.text_or_null(rng), rng.random() < 0.9)
    return [_update(UPDATE_PRODUCT, *new, product)]


def change_customer(rng: Random, state: ShopState) -> list[Statement]:
    """Another tier, phone and preferences of a customer."""
    if not len(state.customers):
        return register_customer(rng, state)
    customer = state.customers.draw(rng)
    new = (rng.choice(_TIERS), values.phone(rng), values.text_array(rng), _document(rng))
    return [_update(UPDATE_CUSTOMER, *new, customer)]


def change_line(rng: Random, state: ShopState) -> list[Statement]:
    """Another quantity of a line, and the order's total with it."""
    order = _order_with_lines(rng, state)
    if order is None:
        return place_order(rng, state)
    line = rng.choice(state.lines[order])
    return [
        _update(UPDATE_QUANTITY, rng.randint(1, 9), values.text_array(rng), order, line),
        _update(UPDATE_TOTAL, values.discount(rng) or 1, order),
    ]


def move_line(rng: Random, state: ShopState) -> list[Statement]:
    """A line gets another number, which changes the row's key."""
    order = _order_with_lines(rng, state)
    if order is None:
        return place_order(rng, state)
    lines = state.lines[order]
    old, new = rng.choice(lines), max(lines) + 1
    lines[lines.index(old)] = new
    return [_update(MOVE_LINE, new, order, old)]


def replace_line(rng: Random, state: ShopState) -> list[Statement]:
    """A line is deleted and inserted again under the same key."""
    order = _order_with_lines(rng, state)
    if order is None or not len(state.products):
        return place_order(rng, state)
    line = rng.choice(state.lines[order])
    return [delete(DELETE_ITEM, order, line), _item(rng, state, order, line)]


def cancel_line(rng: Random, state: ShopState) -> list[Statement]:
    """A line is deleted."""
    order = _order_with_lines(rng, state)
    if order is None:
        return place_order(rng, state)
    line = rng.choice(state.lines[order])
    state.lines[order].remove(line)
    return [delete(DELETE_ITEM, order, line)]


def delete_order(rng: Random, state: ShopState) -> list[Statement]:
    """An order is deleted, its lines by the cascade."""
    if not len(state.orders):
        return place_order(rng, state)
    order = state.orders.draw(rng)
    state.orders.discard(order)
    return [delete(DELETE_ORDER, order, cascades=len(state.lines.pop(order)))]


def recreate_order(rng: Random, state: ShopState) -> list[Statement]:
    """An order is deleted with its lines and placed again under the same keys."""
    if not len(state.orders) or not len(state.customers) or not len(state.products):
        return place_order(rng, state)
    order = state.orders.draw(rng)
    lines = state.lines[order]
    gone = delete(DELETE_ORDER, order, cascades=len(lines))
    return [gone, *_order(rng, state, order, lines)]


def delete_customer(rng: Random, state: ShopState) -> list[Statement]:
    """A customer without orders is deleted, and half of the time comes back under the same id."""
    if not len(state.idle_customers):
        return register_customer(rng, state)
    customer = state.idle_customers.draw(rng)
    gone = delete(DELETE_CUSTOMER, customer)
    if rng.random() < 0.5:
        return [gone, _customer(rng, customer)]
    state.customers.discard(customer)
    state.idle_customers.discard(customer)
    return [gone]


def delete_product(rng: Random, state: ShopState) -> list[Statement]:
    """A product that nobody ordered is deleted."""
    if not len(state.idle_products):
        return list_product(rng, state)
    product = state.idle_products.draw(rng)
    state.products.discard(product)
    state.idle_products.discard(product)
    return [delete(DELETE_PRODUCT, product)]


def _order_with_lines(rng: Random, state: ShopState) -> int | None:
    """A known order that has lines; a few draws, then none."""
    for _ in range(8):
        if not len(state.orders):
            return None
        order = state.orders.draw(rng)
        if state.lines[order]:
            return order
    return None
