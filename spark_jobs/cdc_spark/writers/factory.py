"""Which writer a sink has. A third kind of sink is one module beside the others and one case here."""

from __future__ import annotations

from cdc.connections import Connections
from cdc.spec import ClickHouseSink, SinkSpec, TableSpec, WarehouseSink
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES, Limits
from cdc_spark.writers.base import TableWriter
from cdc_spark.writers.clickhouse import ClickHouseWriter
from cdc_spark.writers.warehouse import WarehouseWriter, raise_fence


def writer_for(
    sink: SinkSpec,
    table: TableSpec,
    connections: Connections,
    query: str,
    epoch: int | None,
    deadline_s: float,
) -> TableWriter:
    """The writer of a table into a sink."""
    connection = connections.get(sink.connection)
    match sink:
        case ClickHouseSink():
            return ClickHouseWriter(connection, sink, table, deadline_s)
        case WarehouseSink():
            return WarehouseWriter(connection, sink, table, query, epoch, deadline_s)


def limits_of(sink: SinkSpec) -> Limits:
    """The days that a sink holds."""
    return CLICKHOUSE if isinstance(sink, ClickHouseSink) else POSTGRES


def fence(sink: SinkSpec, connections: Connections, query: str, epoch: int) -> None:
    """Tell a sink that has a fence who writes now.

    Raises:
        FencedError: a newer owner writes already.
    """
    if isinstance(sink, WarehouseSink):
        raise_fence(connections.get(sink.connection), sink, query, epoch)
