"""Upkeep of one ClickHouse sink: merges under a budget, then what may go of tombstones and truncated rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.connections import Connections
from cdc.ddl.clickhouse import FLOORS, raw_name
from cdc.ddl.columns import quote_ch, quote_ch_string
from cdc.errors import UnavailableError
from cdc.model.upkeep import Budget, MergePlan, PartitionSample, plan_merges
from cdc.services.upkeep_report import TIME_IS_UP, Deadline, Horizon, PartitionUpkeep, TableUpkeep
from cdc.spec import ClickHouseSink, Pipeline, TableSpec

TIMEOUT_S = 3600
GIGABYTE = 1_000_000_000


def keep_up_clickhouse(
    pipeline: Pipeline,
    sink: ClickHouseSink,
    tables: Sequence[TableSpec],
    ready: Mapping[str, Horizon | str],
    connections: Connections,
    deadline: Deadline,
) -> Iterator[TableUpkeep]:
    """Merge what the budget allows, then remove what may go, table by table.

    Raises:
        UnavailableError: ClickHouse does not answer, or refuses a statement.
    """
    connection = connections.get(sink.connection)
    with mapped_errors(connection):
        client = connect_clickhouse(connection, send_receive_timeout_s=TIMEOUT_S)
        try:
            plan = _plan(client, pipeline, sink, tables)
            for table in tables:
                before = _figures(client, sink, table)
                partitions = _merge(client, sink, table, plan, deadline)
                done = [one.sentence for one in partitions if not one.left]
                left = [one.sentence for one in partitions if one.left]
                _remove(client, sink, table, ready[table.name], deadline, done, left)
                after = _figures(client, sink, table)
                yield TableUpkeep(
                    sink.name, table.name, before, after, tuple(done), tuple(left), tuple(partitions)
                )
        except ClickHouseError as error:
            if getattr(error, "code", None) is None:
                raise
            raise UnavailableError(
                f"ClickHouse ({connection.id}) refuses a step of upkeep: {error}"
            ) from error
        finally:
            client.close()


def _plan(client: Client, pipeline: Pipeline, sink: ClickHouseSink, tables: Sequence[TableSpec]) -> MergePlan:
    samples = _samples(client, sink, tables)
    running = int(str(client.command("SELECT count() FROM system.merges")))
    policy = pipeline.policies.maintenance
    return plan_merges(
        samples, running, Budget(int(policy.max_merge_gb * GIGABYTE), policy.max_running_merges)
    )


def _samples(client: Client, sink: ClickHouseSink, tables: Sequence[TableSpec]) -> list[PartitionSample]:
    names = [sink.raw_table(table.name)[1] for table in tables]
    found = client.query(
        "SELECT table, partition_id, count(), sum(rows), sum(bytes_on_disk) FROM system.parts "
        "WHERE active AND database = {d:String} AND table IN {t:Array(String)} GROUP BY table, partition_id",
        parameters={"d": sink.raw_database, "t": names},
    )
    return [PartitionSample(*row) for row in found.result_rows]


def _merge(
    client: Client, sink: ClickHouseSink, table: TableSpec, plan: MergePlan, deadline: Deadline
) -> list[PartitionUpkeep]:
    name = sink.raw_table(table.name)[1]
    why_not = {sample.id: why for sample, why in plan.skipped if sample.table == name}
    samples = [sample for sample in plan.chosen if sample.table == name]
    took: dict[str, float] = {}
    for sample in samples:
        if deadline.passed:
            why_not[sample.id] = TIME_IS_UP
            continue
        began = time.monotonic()
        client.command(
            f"OPTIMIZE TABLE {raw_name(sink, table)} PARTITION ID {quote_ch_string(sample.id)} FINAL"
        )
        took[sample.id] = round(time.monotonic() - began, 3)
    samples += [sample for sample, _ in plan.skipped if sample.table == name]
    now = {sample.id: sample for sample in _samples(client, sink, [table])} if took else {}
    return [
        PartitionUpkeep(
            sample.id,
            _size(sample),
            _size(now.get(sample.id, sample)),
            took.get(sample.id, 0.0),
            why_not.get(sample.id, ""),
        )
        for sample in samples
    ]


def _size(sample: PartitionSample) -> dict[str, int]:
    return {"parts": sample.parts, "rows": sample.rows, "bytes": sample.bytes}


def _remove(
    client: Client,
    sink: ClickHouseSink,
    table: TableSpec,
    horizon: Horizon | str,
    deadline: Deadline,
    done: list[str],
    left: list[str],
) -> None:
    raw = raw_name(sink, table)
    if table.changelog:  # keeps every event
        return
    if deadline.passed:
        left.append(f"tombstones: {TIME_IS_UP}")
        return
    conditions = [("truncated rows", _alone(raw, table, _below_floor(sink, table)))]
    if isinstance(horizon, str):
        left.append(horizon)
    else:
        conditions.insert(0, ("tombstones", _alone(raw, table, _behind(horizon))))
    for what, condition in conditions:
        count = int(str(client.command(f"SELECT count() FROM {raw} WHERE {condition}")))  # noqa: S608
        if count:
            client.command(f"DELETE FROM {raw} WHERE {condition}")  # noqa: S608 all quoted, or numbers
            done.append(f"removed {count:,} {what}")


def _behind(horizon: Horizon) -> str:
    partitions = " OR ".join(f"(_partition = {p} AND _version < {v})" for p, v in sorted(horizon.items()))
    return f"_is_deleted = 1 AND ({partitions or '0'})"


def _alone(raw: str, table: TableSpec, condition: str) -> str:
    # Without this row an older version of the key, which no merge has removed yet, would be current.
    key = ", ".join(map(quote_ch, table.key))
    return (
        f"{condition} AND ({key}) NOT IN (SELECT {key} FROM {raw} "  # noqa: S608
        f"WHERE ({key}) IN (SELECT {key} FROM {raw} WHERE {condition}) GROUP BY {key} HAVING count() > 1)"
    )


def _below_floor(sink: ClickHouseSink, table: TableSpec) -> str:
    floors = f"{quote_ch(sink.raw_database)}.{quote_ch(FLOORS)}"
    name = quote_ch_string(table.name)
    highest = f"SELECT max((generation, lsn)) FROM {floors} WHERE table_name = {name}"  # noqa: S608
    return f"(_generation, _lsn) < ({highest})"


def _figures(client: Client, sink: ClickHouseSink, table: TableSpec) -> dict[str, int]:
    parts = client.query(
        "SELECT count(), sum(bytes_on_disk) FROM system.parts WHERE active AND database = {d:String} "
        "AND table = {t:String}",
        parameters={"d": sink.raw_database, "t": sink.raw_table(table.name)[1]},
    ).result_rows[0]
    raw = raw_name(sink, table)
    deleted = "0" if table.changelog else "countIf(_is_deleted = 1)"
    rows = client.query(f"SELECT count(), {deleted} FROM {raw}").result_rows[0]  # noqa: S608
    return {"parts": parts[0], "bytes": parts[1] or 0, "rows": rows[0], "tombstones": rows[1]}
