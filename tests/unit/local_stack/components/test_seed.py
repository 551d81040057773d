"""The shop's first rows."""

from __future__ import annotations

from decimal import Decimal

from local_stack.source.seed import COLUMNS, CUSTOMERS, ITEMS, ORDERS, PRODUCTS, build_shop


class TestFirstRows:
    def test_equal_seeds_give_equal_rows(self) -> None:
        assert repr(build_shop(1)) == repr(build_shop(1))
        assert repr(build_shop(1)) != repr(build_shop(2))

    def test_each_table_has_its_rows_and_columns(self) -> None:
        shop = build_shop()
        counts = {table: len(getattr(shop, table)) for table in COLUMNS}
        expected = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": ORDERS, "order_items": ITEMS}
        assert counts == expected
        for table, columns in COLUMNS.items():
            assert {len(row) for row in getattr(shop, table)} == {len(columns)}

    def test_an_order_costs_what_its_lines_cost(self) -> None:
        shop = build_shop()
        total = {row[0]: row[5] for row in shop.orders}
        lines: dict[int, Decimal] = {}
        for order, _, _, quantity, price, _ in shop.order_items:
            lines[order] = lines.get(order, Decimal(0)) + quantity * price
        assert lines == total

    def test_nullable_columns_hold_nulls_and_values(self) -> None:
        shop = build_shop()
        for table, column in (("customers", "phone"), ("customers", "tags"), ("orders", "note"),
                              ("orders", "shipped_on"), ("products", "weight_kg")):  # fmt: skip
            index = COLUMNS[table].index(column)
            nulls = {row[index] is None for row in getattr(shop, table)}
            assert nulls == {True, False}, column
