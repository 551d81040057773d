"""The shop's schema and first rows: the same rows on every machine."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

SEED = 20260101
FIRST_MOMENT = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
CUSTOMERS, PRODUCTS, ORDERS, ITEMS = 200, 100, 1_000, 2_500

FIRST_NAMES = ("Ana", "Björn", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Giulia", "Håkon", "Inés", "Jürgen")
LAST_NAMES = ("Almeida", "Berg", "Čapek", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ito", "O'Neil")
KINDS = ("Lamp", "Chair", "Desk", "Shelf", "Rug", "Mirror", "Clock", "Vase", "Stool", "Frame")
TIERS = ("standard", "standard", "standard", "silver", "gold")
STATUSES = ("pending", "paid", "shipped", "delivered", "cancelled")
CITIES = ("Lisboa", "Oslo", "München", "Kraków", "Θεσσαλονίκη", "東京")


@dataclass(frozen=True)
class Shop:
    """The rows of each table, in the order of the columns below."""

    customers: tuple[tuple[Any, ...], ...]
    products: tuple[tuple[Any, ...], ...]
    orders: tuple[tuple[Any, ...], ...]
    order_items: tuple[tuple[Any, ...], ...]


COLUMNS: dict[str, tuple[str, ...]] = {
    "customers": ("id", "email", "full_name", "phone", "tier", "tags", "preferences", "external_id",
                  "created_at", "updated_at"),
    "products": ("id", "sku", "name", "description", "price", "weight_kg", "attributes", "labels", "active",
                 "updated_at"),
    "orders": ("id", "order_no", "customer_id", "status", "currency", "total_amount", "discount", "note",
               "shipping_address", "ordered_at", "shipped_on", "updated_at"),
    "order_items": ("order_id", "line_no", "product_id", "quantity", "unit_price", "options"),
}  # fmt: skip


def build_shop(seed: int = SEED) -> Shop:
    """Build the rows; equal seeds give equal rows."""
    rng = random.Random(seed)  # noqa: S311 - sample data, not a secret
    products = tuple(_product(rng, number) for number in range(1, PRODUCTS + 1))
    items = tuple(_items(rng, products))
    totals: dict[int, Decimal] = {}
    for order_id, _, _, quantity, price, _ in items:
        totals[order_id] = totals.get(order_id, Decimal(0)) + quantity * price
    return Shop(
        customers=tuple(_customer(rng, number) for number in range(1, CUSTOMERS + 1)),
        products=products,
        orders=tuple(_order(rng, number, totals[number]) for number in range(1, ORDERS + 1)),
        order_items=items,
    )


def create_shop(connection: psycopg.Connection[Any]) -> bool:
    """Apply the schema, and in the same transaction fill tables that did not exist before.

    A shop that somebody emptied later stays empty: rows are written once, not whenever there are none.

    Args:
        connection: a connection of the tables' owner; the transaction is committed here.

    Returns:
        Whether the first rows were written.
    """
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    with connection.transaction():
        is_new = connection.execute("SELECT to_regclass('public.customers') IS NULL").fetchone() == (True,)
        connection.execute(schema.encode())
        if is_new:
            shop = build_shop()
            for table, columns in COLUMNS.items():
                _copy(connection, table, columns, getattr(shop, table))
    return is_new


def _copy(
    connection: psycopg.Connection[Any], table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    """COPY rows into a table and set its identity sequence behind the largest id."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
        if columns[0] == "id":
            cursor.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT max(id) FROM {}))").format(
                    sql.Literal(table), sql.Identifier(table)
                )
            )


def _customer(rng: random.Random, number: int) -> tuple[Any, ...]:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    created = FIRST_MOMENT + timedelta(minutes=number * 7, microseconds=rng.randrange(1_000_000))
    return (
        number,
        f"{first}.{last}.{number}@Example.org",
        f"{first} {last}",
        f"+351 9{rng.randrange(10_000_000, 99_999_999)}" if rng.random() < 0.7 else None,
        rng.choice(TIERS),
        rng.sample(["newsletter", "vip", "b2b", "a,b", 'quote"d', ""], rng.randrange(4))
        if rng.random() < 0.8
        else None,
        Jsonb({"lang": rng.choice(["pt", "no", "de", "ja"]), "theme": {"dark": rng.random() < 0.5}})
        if rng.random() < 0.8
        else None,
        _uuid(rng),
        created,
        created,
    )


def _product(rng: random.Random, number: int) -> tuple[Any, ...]:
    kind = rng.choice(KINDS)
    return (
        number,
        f"SKU-{number:05d}",
        f"{kind} № {number}",
        f"A {kind.lower()}.\nMade in {rng.choice(CITIES)}." if rng.random() < 0.6 else None,
        Decimal(rng.randrange(199, 99_999)) / 100,
        round(rng.uniform(0.1, 40), 3) if rng.random() < 0.9 else None,
        Jsonb({"color": rng.choice(["oak", "white", "black"]), "sizes": [rng.randrange(10, 90), None]}),
        rng.sample(["new", "sale", "eco"], rng.randrange(3)),
        rng.random() < 0.95,
        FIRST_MOMENT + timedelta(minutes=number),
    )


def _items(rng: random.Random, products: tuple[tuple[Any, ...], ...]) -> Iterator[tuple[Any, ...]]:
    """Spread ITEMS over ORDERS: one for each, the rest where chance puts them."""
    lines = [1] * ORDERS
    for _ in range(ITEMS - ORDERS):
        lines[rng.randrange(ORDERS)] += 1
    for order, count in enumerate(lines, start=1):
        for line in range(1, count + 1):
            product = rng.choice(products)
            options = rng.sample(["gift", "express", "fragile"], rng.randrange(3)) or None
            yield order, line, product[0], rng.randrange(1, 6), product[4], options


def _order(rng: random.Random, number: int, total: Decimal) -> tuple[Any, ...]:
    ordered = FIRST_MOMENT + timedelta(minutes=number * 11, microseconds=rng.randrange(1_000_000))
    status = rng.choice(STATUSES)
    shipped: date | None = None
    if status in {"shipped", "delivered"}:
        shipped = (ordered + timedelta(days=rng.randrange(1, 5))).date()
    return (
        number,
        _uuid(rng),
        rng.randrange(1, CUSTOMERS + 1),
        status,
        rng.choice(["EUR", "NOK", "JPY"]),
        total,
        Decimal(rng.randrange(0, 3000)) / 10_000 if rng.random() < 0.3 else None,
        rng.choice(["leave at the door", "ring twice\tplease", "café ☕"]) if rng.random() < 0.2 else None,
        Jsonb({"city": rng.choice(CITIES), "zip": f"{rng.randrange(10_000):04d}"}),
        ordered,
        shipped,
        ordered,
    )


def _uuid(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)
