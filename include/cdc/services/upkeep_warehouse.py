"""Upkeep of one warehouse: tombstones and truncated rows that may go, then vacuum and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.ddl.warehouse import FLOORS, raw_name
from cdc.errors import UnavailableError
from cdc.services.upkeep_report import TIME_IS_UP, Deadline, Horizon, TableUpkeep
from cdc.spec import TableSpec, WarehouseSink


def keep_up_warehouse(
    sink: WarehouseSink,
    tables: Sequence[TableSpec],
    ready: Mapping[str, Horizon | str],
    connections: Connections,
    deadline: Deadline,
) -> Iterator[TableUpkeep]:
    """Remove what may go, table by table, and vacuum.

    Raises:
        UnavailableError: the warehouse does not answer, or refuses a statement.
    """
    connection = connections.get(sink.connection)
    try:
        with connect_postgres(connection, autocommit=True, application_name="cdc-upkeep") as session:
            for table in tables:
                before = _figures(session, sink, table)
                done: list[str] = []
                left: list[str] = []
                if deadline.passed:
                    left.append(TIME_IS_UP)
                else:
                    _remove(session, sink, table, ready[table.name], done, left)
                    session.execute(SQL("VACUUM (ANALYZE) {}").format(raw_name(sink, table)))
                    done.append("vacuumed and analysed")
                after = _figures(session, sink, table)
                yield TableUpkeep(sink.name, table.name, before, after, tuple(done), tuple(left))
    except psycopg.Error as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UnavailableError(f"the warehouse ({connection.id}) refuses a step of upkeep: {said}") from error


def _remove(
    session: psycopg.Connection[Any],
    sink: WarehouseSink,
    table: TableSpec,
    horizon: Horizon | str,
    done: list[str],
    left: list[str],
) -> None:
    if table.changelog:  # keeps every event
        return
    conditions: list[tuple[str, Composable]] = []
    if isinstance(horizon, str):
        left.append(horizon)
    else:
        behind: list[Composable] = [
            SQL("(_partition = {} AND _version < {})").format(Literal(p), Literal(v))
            for p, v in sorted(horizon.items())
        ]
        conditions.append(
            ("tombstones", SQL("_is_deleted AND ({})").format(SQL(" OR ").join(behind or [SQL("false")])))
        )
    floors = Identifier(sink.raw_schema, FLOORS)
    conditions.append(
        (
            "truncated rows",
            SQL(
                "EXISTS (SELECT 1 FROM {} AS floor WHERE floor.table_name = {} "
                "AND (_generation, _lsn) < (floor.generation, floor.lsn))"
            ).format(floors, Literal(table.name)),
        )
    )
    for what, condition in conditions:
        deleted = session.execute(SQL("DELETE FROM {} WHERE {}").format(raw_name(sink, table), condition))
        if deleted.rowcount:
            done.append(f"removed {deleted.rowcount:,} {what}")


def _figures(session: psycopg.Connection[Any], sink: WarehouseSink, table: TableSpec) -> dict[str, int]:
    statement = SQL(
        "SELECT count(*), count(*) FILTER (WHERE {}), pg_total_relation_size({}::regclass) FROM {}"
    ).format(
        SQL("false") if table.changelog else SQL("_is_deleted"),
        Literal(raw_name(sink, table).as_string(session)),
        raw_name(sink, table),
    )
    row = session.execute(statement).fetchone() or (0, 0, 0)
    return {"rows": row[0], "tombstones": row[1], "bytes": row[2]}
