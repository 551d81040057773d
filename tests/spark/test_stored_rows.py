"""A value that is read back from a sink, or from the source, is exactly the one that the parser made."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from cdc.model.floors import Floor
from cdc.spec import TableSpec
from cdc.types.kinds import EXTENSIONS, KINDS
from cdc.types.pgtype import parse_type
from cdc_spark.readers.lookups import TableLookups
from cdc_spark.schemas import arrow_type
from cdc_spark.transformations.cdc_transformer import TableContext, source_columns, to_rows
from cdc_spark.transformations.envelopes import Envelopes
from cdc_spark.transformations.limits import CLICKHOUSE
from cdc_spark.writers.base import SinkBatch
from cdc_spark.writers.factory import writer_for
from tests.postgres_types.recording import is_carried, recorded, spec

# Type, two values as Debezium sends them, the same values as literals of PostgreSQL.
VALUES = [
    ("smallint", (-32768, 7), ("-32768", "7")),
    ("integer", (2**31 - 1, 0), ("2147483647", "0")),
    ("bigint", (-(2**63), 1), ("-9223372036854775808", "1")),
    ("real", (1.1, "NaN"), ("1.1", "NaN")),
    ("double precision", ("-Infinity", 0.1), ("-Infinity", "0.1")),
    ("numeric(12,2)", ("-9999999999.99", "1.50"), ("-9999999999.99", "1.5")),
    ("numeric(60,3)", ("1" * 57 + ".125", "0.100"), ("1" * 57 + ".125", "0.1")),
    ("numeric", ("1.500", "NAN"), ("1.500", "NaN")),
    ("boolean", (True, False), ("t", "f")),
    ("text", ('a "b", \\c\n', ""), ('a "b", \\c\n', "")),
    ("varchar(5)", ("é€", " x "), ("é€", " x ")),
    ("char(3)", ("a  ", "abc"), ("a", "abc")),
    ("uuid", ("6f9619ff-8b86-d011-b42d-00c04fc964ff",) * 2, ("6f9619ff-8b86-d011-b42d-00c04fc964ff",) * 2),
    ("json", ('{"b": 1,  "a": null}', "null"), ('{"b": 1,  "a": null}', "null")),
    ("jsonb", ('{"a": [1.50]}', '"x"'), ('{"a": [1.50]}', '"x"')),
    ("bytea", ("AAH/", ""), ("\\x0001ff", "\\x")),
    ("date", (-25567, 20000), ("1900-01-01", "2024-10-04")),
    ("timestamptz", ("2026-01-02T03:04:05.1Z", "2299-12-31T23:59:59.999999Z"),
     ("2026-01-02 03:04:05.1+00", "2299-12-31 23:59:59.999999+00")),
    ("timestamp", (1_000_001, -1), ("1970-01-01 00:00:01.000001", "1969-12-31 23:59:59.999999")),
    ("time", (45_296_500_000, 86_400_000_000), ("12:34:56.5", "24:00:00")),
    ("interval", ("P1Y2M3DT4H5M6.789S", "P0Y-10M0DT-1H0M-6.5S"),
     ("1 year 2 mons 3 days 04:05:06.789", "-10 mons -01:00:06.5")),
    ("inet", ("10.0.0.1", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.0/8")),
    ("cidr", ("10.0.0.0/8", "::/0"), ("10.0.0.0/8", "::/0")),
    ("macaddr", ("08:00:2b:01:02:03",) * 2, ("08:00:2b:01:02:03",) * 2),
    ("enum", ("gold", "silver"), ("gold", "silver")),
    ("int8multirange", ("e1sxLDMpfQ==", "e30="), ("{[1,3)}", "{}")),
    ("tsmultirange", ("e30=",) * 2, ("{}",) * 2),
    ("datemultirange", ("e30=",) * 2, ("{}",) * 2),
    ("bit(12)", ("AQ==", "AAg="), ("000000000001", "100000000000")),
    ("text[]", (["a", None, 'q"\\,{}', "NULL", ""], []), ('{a,NULL,"q\\"\\\\,{}","NULL",""}', "{}")),
    ("bigint[]", ([1, None], [2**62]), ("{1,NULL}", "{4611686018427387904}")),
    ("boolean[]", ([True, None, False], []), ("{t,NULL,f}", "{}")),
    ("numeric(4,1)[]", (["1.5", None], []), ("{1.5,NULL}", "{}")),
    ("double precision[]", ([0.5, "NaN"], []), ("{0.5,NaN}", "{}")),
    ("uuid[]", (["6f9619ff-8b86-d011-b42d-00c04fc964ff", None], []),
     ("{6f9619ff-8b86-d011-b42d-00c04fc964ff,NULL}", "{}")),
    ("time[]", ([45_296_500_000, None], []), ("{12:34:56.5,NULL}", "{}")),
    ("integer[][]", ("{{1,NULL},{2,3}}", "[0:1]={1,2}"), ("{{1,NULL},{2,3}}", "[0:1]={1,2}")),
    ("date[]", ([0, None], []), ("{1970-01-01,NULL}", "{}")),
    ("timestamptz[]", (["2026-01-02T03:04:05.1Z"], []), ('{"2026-01-02 03:04:05.1+00"}', "{}")),
    ("timestamp[]", ([1_000_001, None], []), ('{"1970-01-01 00:00:01.000001",NULL}', "{}")),
]  # fmt: skip
ELSEWHERE = EXTENSIONS | {"other", "xml", "geometry", "geography", "vector", "halfvec", "sparsevec", "isbn"}
"""Types that a database has only once somebody makes them, or that the embedded one is built without."""


def recorded_values():
    """Two values of each other type of the map, as they were recorded."""
    known = {parse_type(kind).base for kind, _, _ in VALUES} | ELSEWHERE
    for name in filter(is_carried, sorted(recorded())):
        column = spec(name).columns[-1]
        events = [event for event in recorded()[name] if event.op == "c" and event.text is not None]
        if column.pg_type.base not in known and not column.pg_type.dimensions:
            known.add(column.pg_type.base)
            # The last polygon's event has two meanings.
            pair = events[0], events[0 if column.type == "polygon" else -1]
            texts = tuple(e.text for e in pair)
            yield column.type, texts if column.from_source else tuple(e.sent for e in pair), texts


VALUES += recorded_values()
KEYS = ["smallint", "bigint", "numeric(12,2)", "boolean", "text", "varchar(5)", "char(3)", "uuid", "bytea",
        "date", "timestamptz", "timestamp", "time", "inet", "macaddr", "enum"]  # fmt: skip


def table_of(name, types, key):
    columns = [{"name": "id", "type": "bigint", "nullable": False}]
    columns += [
        {"name": f"c{n}", "type": kind, "nullable": f"c{n}" not in key} for n, kind in enumerate(types)
    ]
    return TableSpec.model_validate({"source": f"public.{name}", "key": list(key), "columns": columns})


def rows_of(table, values, lookups, versions=(4, 6)):
    """The parser's rows of these values, as events at rising offsets."""
    count = len(values)
    offsets = [version // 2 - 1 for version in versions]
    events = Envelopes(
        keys=[b"k"] * count, ops=["u"] * count, values=values, lsns=[500] * count, tx_ids=[None] * count,
        moments=[0] * count, partitions=[0] * count, offsets=offsets,
    )  # fmt: skip
    context = TableContext(table, "t", {0: [(0, 0)]}, CLICKHOUSE, lookups)
    rows, wrong = to_rows(events, context, datetime.now(UTC))
    assert wrong == {}
    return rows


def writers(lab, table):
    for sink in lab.pipeline.sinks:
        lab.make(sink.name, table)
        yield writer_for(sink, table, lab.connections, "q", None, 20.0)


def test_every_type_of_the_map_is_tried():
    tried = {parse_type(kind).base for kind, _, _ in VALUES}
    assert tried == KINDS.keys() - ELSEWHERE


def test_values_come_back_from_the_sinks_as_they_were_written(lab):
    table = table_of("every_type", [kind for kind, _, _ in VALUES], ["id"])
    values = [(n, *(pair[n] for _, pair, _ in VALUES)) for n in (0, 1)]
    values.append((2, *(None for _ in VALUES)))
    for writer in writers(lab, table):
        rows = rows_of(table, values, None, (4, 6, 8))
        writer.write(SinkBatch("t", pa.Table.from_batches([rows]), frozenset({Floor(0, 7)})))
        found = writer.newest(pa.table({"id": pa.array([0, 1, 2, 3], pa.int64())}))
        assert found.floor == (0, 7)
        back = found.rows.sort_by("id")
        for name in [column.name for column in table.columns] + ["_version", "_lsn"]:
            assert back.schema.field(name).type == rows.schema.field(name).type, name
            written = [None] * 3 if name in table.unsent else rows.column(name).to_pylist()
            assert repr(back[name].to_pylist()) == repr(written), name
        assert back["_is_deleted"].to_pylist() == [False] * 3


def test_a_row_is_found_by_a_key_of_any_type(lab):
    for number, kind in enumerate(KEYS):
        pair = next(pair for known, pair, _ in VALUES if known == kind)
        table = table_of(f"keyed{number}", [kind], ["c0", "id"])
        older, newer = (rows_of(table, [(1, pair[0])], None, (version,)) for version in (4, 6))
        other = rows_of(table, [(2, pair[1])], None, (8,))
        for writer in writers(lab, table):
            for rows in (newer, older, other):
                writer.write(SinkBatch("t", pa.Table.from_batches([rows])))
            found = writer.newest(pa.Table.from_batches([newer.select(["c0", "id"])])).rows
            assert found["_version"].to_pylist() == [6], kind
            assert found["c0"].to_pylist() == newer.column("c0").to_pylist()
            assert found["c0"].type == arrow_type(parse_type(kind))


def test_rows_of_the_source_are_those_that_events_would_have_made(lab):
    table = table_of("every_type_at_source", [kind for kind, _, _ in VALUES], ["id"])
    types = [kind.replace("enum", "customer_tier") for kind, _, _ in VALUES]
    lab.source("DROP TABLE IF EXISTS every_type_at_source")
    declared = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types))
    lab.source(f"CREATE TABLE every_type_at_source (id bigint PRIMARY KEY, {declared})")
    lab.source("GRANT SELECT ON every_type_at_source TO debezium")
    marks = ", ".join(["%s"] * len(VALUES))
    for n in (0, 1):
        literals = tuple(pair[n] for _, _, pair in VALUES)
        lab.source(f"INSERT INTO every_type_at_source VALUES ({n}, {marks})", literals)
    writer = next(iter(writers(lab, table)))
    topic = lab.topic("public.customers")
    source, kafka = (lab.connections.get(name) for name in ("cdc_source", "cdc_kafka"))
    lookups = TableLookups("p", "s", table, topic, writer, source, kafka.bootstrap_servers(), lab.ops)
    answer = lookups.source(pa.table({"id": pa.array([0, 1, 5], pa.int64())}))
    assert set(answer.ends) == {0, 1, 2}
    assert answer.lsn > 0
    context = TableContext(table, "t", {0: [(0, 0)]}, CLICKHOUSE, lookups)
    columns, wrong = source_columns(Envelopes(ops=["u"] * 2, values=list(answer.values)), context)
    assert wrong == {}
    expected = rows_of(table, [(n, *(pair[n] for _, pair, _ in VALUES)) for n in (0, 1)], lookups)
    for array, column in zip(columns, table.columns, strict=True):
        assert repr(array.to_pylist()) == repr(expected.column(column.name).to_pylist()), column.type
