"""The table that the reconciliation is measured on: the sample's orders, in any number, in every database."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from ruamel.yaml import YAML

from cdc.clients.clickhouse import connect_clickhouse
from cdc.ddl import clickhouse as clickhouse_ddl
from cdc.ddl import warehouse as warehouse_ddl
from cdc.ddl.columns import sink_columns
from cdc.errors import ConfigurationError
from cdc.model.generations import FIRST_GENERATION
from cdc.ops import OpsStore
from cdc.spec import ClickHouseSink, SinkSpec, TableSpec, WarehouseSink
from local_stack.bench.driver import wait_until
from local_stack.bench.place import PARTITIONS, STREAM, Place

SAMPLE, SAMPLE_TABLE = "include/pipelines/ecommerce.yaml", "public.orders"
NAME = "reconcile_orders"
BLOCK = 200_000
"""Rows of one transaction, and of one insert into ClickHouse."""
PIECE = 1 << 18
CLICKHOUSE_TIMEOUT_S = 600
MERGES_LIMIT_S = 300.0

SOURCE_VALUES: Mapping[str, str] = {
    "id": "i",
    "order_no": "md5(i::text)::uuid",
    "customer_id": "1 + i % 100000",
    "status": "(enum_range(NULL::order_status))[1 + i % 5]",
    "currency": "(ARRAY['EUR', 'USD', 'GBP'])[1 + i % 3]",
    "total_amount": "(i * 7919 % 1000000) / 100.0",
    "discount": "CASE WHEN i % 3 > 0 THEN (i % 2500) / 10000.0 END",
    "note": "CASE WHEN i % 4 > 0 THEN 'note ' || md5((i * 3)::text) END",
    "shipping_address": "CASE WHEN i % 10 > 0 THEN jsonb_build_object('street', 'Main Street ' || i % 500, "
    "'city', 'City ' || i % 97, 'zip', lpad((i % 100000)::text, 5, '0')) END",
    "ordered_at": "timestamptz '2026-01-01 00:00:00+00' + i % 15000000 * interval '1.000003 seconds'",
    "shipped_on": "CASE WHEN i % 5 > 1 THEN date '2026-01-02' + (i % 200)::integer END",
    "updated_at": "timestamptz '2026-01-01 12:00:00+00' + i % 15000000 * interval '1.000007 seconds'",
}
"""A row at the source, from its number `i`."""

SINK_VALUES: Mapping[str, str] = {
    "net_amount": "total_amount * (1 - coalesce(discount, 0))",
    "processed_at": "updated_at",
    "_version": f"({FIRST_GENERATION}::bigint << 48) | ((id / {PARTITIONS} + 1) << 1)",
    "_op": "'c'",
    "_is_deleted": "0",
    "_lsn": "10000000 + id * 160",
    "_tx_id": "1000 + id / 10",
    "_source_ts": "updated_at",
    "_partition": f"id % {PARTITIONS}",
    "_offset": f"id / {PARTITIONS}",
    "_generation": f"{FIRST_GENERATION}",
}
"""What a stream adds, from the columns of the source's row: its place in the topic, and what follows."""


@dataclass(frozen=True)
class ReconcilePlace(Place):
    """A pipeline whose one table is the sample's orders, with its derived column."""

    def _tables(self) -> list[dict[str, Any]]:
        path = self.ctx.repo / SAMPLE
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for table in document["tables"]:
            if table["source"] == SAMPLE_TABLE:
                return [{**table, "source": f"public.{NAME}", "name": NAME, "stream": STREAM}]
        raise ConfigurationError(
            f"{path} has no table {SAMPLE_TABLE}, on which the reconciliation is measured"
        )

    @property
    def table(self) -> TableSpec:
        """The table."""
        return self.pipeline().table(NAME)

    def fill(self, rows: int, say: Callable[[str], None]) -> None:
        """Make the rows at the source and in both sinks, as after a stream that has written them all.

        The topic's present generation is a later one than the rows': so it need not hold an event of each.
        """
        with self.postgres("cdc_source_admin") as source:
            source.execute(f"CREATE TABLE public.{NAME} (LIKE {SAMPLE_TABLE} INCLUDING ALL)")
            for first, last in _blocks(rows, "source", say):
                source.execute(source_insert(first, last))
            source.execute(f"VACUUM (ANALYZE) public.{NAME}")
        self.make_objects()
        pipeline = self.pipeline()
        with OpsStore(self.connections().get(pipeline.ops.connection)) as ops:
            (topic,) = (pipeline.topic(table) for table in pipeline.tables)
            recorded = ops.topic_identity(topic)
            if recorded is not None:
                ops.raise_generation(recorded, dict.fromkeys(range(recorded.partitions), 0))
        for sink in pipeline.sinks:
            if isinstance(sink, ClickHouseSink):
                self._fill_clickhouse(sink, rows, say)
            else:
                self._fill_warehouse(sink, rows, say)

    def _fill_warehouse(self, sink: WarehouseSink, rows: int, say: Callable[[str], None]) -> None:
        """One COPY out of the source into one COPY into the warehouse, binary."""
        raw = warehouse_ddl.raw_name(sink, self.table)
        names, _ = warehouse_values(self.table)
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(raw, names)
        with self.postgres("cdc_source_admin") as source, self.postgres(sink.connection) as warehouse:
            for first, last in _blocks(rows, sink.name, say):
                out = copy_out(self.table, sink, first, last)
                with source.cursor().copy(out) as read, warehouse.cursor().copy(into) as write:
                    for data in read:
                        write.write(data)
            # Else the first comparison would do what autovacuum has done long ago on a real table.
            warehouse.execute(sql.SQL("VACUUM (ANALYZE) {}").format(raw))

    def _fill_clickhouse(self, sink: ClickHouseSink, rows: int, say: Callable[[str], None]) -> None:
        """The text form of COPY is ClickHouse's TabSeparated."""
        raw = clickhouse_ddl.raw_name(sink, self.table)
        names = [column.name for column in sink_columns(self.table) if column.clickhouse]
        client = connect_clickhouse(
            self.connections().get(sink.connection), send_receive_timeout_s=CLICKHOUSE_TIMEOUT_S
        )
        with self.postgres("cdc_source_admin") as source:
            for first, last in _blocks(rows, sink.name, say):
                with source.cursor().copy(copy_out(self.table, sink, first, last)) as read:
                    client.raw_insert(
                        raw, names, pieces(read), {"date_time_input_format": "best_effort"}, "TabSeparated"
                    )
        merges = "SELECT count() FROM system.merges"
        wait_until(
            lambda: client.query(merges).result_rows[0][0] == 0, lambda: None, MERGES_LIMIT_S,
            "the end of ClickHouse's merges",
        )  # fmt: skip
        client.close()


def source_insert(first: int, last: int) -> str:
    """The rows of these numbers, both ends included."""
    return (
        f"INSERT INTO public.{NAME} ({', '.join(SOURCE_VALUES)}) "
        f"SELECT {', '.join(SOURCE_VALUES.values())} FROM generate_series({first}::bigint, {last}) AS i"
    )


def copy_out(table: TableSpec, sink: SinkSpec, first: int, last: int) -> sql.Composed:
    """COPY of rows at the source, as the columns of the sink's physical table."""
    if isinstance(sink, ClickHouseSink):
        values: sql.Composable = sql.SQL(", ").join(
            _value(column.name) for column in sink_columns(table) if column.clickhouse
        )
        form = "text"
    else:
        _, values = warehouse_values(table)
        form = "binary"
    return sql.SQL("COPY (SELECT {} FROM {} WHERE id BETWEEN {} AND {}) TO STDOUT (FORMAT {})").format(
        values, sql.Identifier(table.schema_name, table.table_name), first, last, sql.SQL(form)
    )


def warehouse_values(table: TableSpec) -> tuple[sql.Composed, sql.Composed]:
    """The columns of the warehouse's physical table, and what they are at the source, of the same types."""
    columns = [column for column in sink_columns(table) if column.warehouse]
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    values = sql.SQL(", ").join(
        sql.SQL("({})::{}").format(_value(column.name), sql.SQL(column.warehouse)) for column in columns
    )
    return names, values


def pieces(rows: Iterable[Any]) -> Generator[bytes, None, None]:
    """Rows together, so that each piece is worth a call; the client's deadline is that of one piece."""
    piece = bytearray()
    for row in rows:
        piece += row
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _value(name: str) -> sql.Composable:
    return sql.SQL(SINK_VALUES[name]) if name in SINK_VALUES else sql.Identifier(name)


def _blocks(rows: int, where: str, say: Callable[[str], None]) -> Iterator[tuple[int, int]]:
    """First and last number of each block; says every tenth of the rows."""
    told = 0
    for first in range(1, rows + 1, BLOCK):
        last = min(first + BLOCK - 1, rows)
        yield first, last
        if last * 10 // rows > told:
            told = last * 10 // rows
            say(f"{where}: {last:,} of {rows:,} rows")
