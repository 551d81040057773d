"""What the embedded PostgreSQL is built without, with Debian's: XML and TLS."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.services.capturable import entry
from cdc.services.catalogue import read_tables
from cdc.services.compare import compare_table
from cdc_spark.kept import Kept
from cdc_spark.writers import warehouse
from tests.postgres_types.cases import XML, setup_sql
from tests.postgres_types.recording import entries, recorded, spec
from tests.stack.types.conftest import Lab
from tests.stack.types.debian import debian_postgres


def test_xml_is_the_same_in_both_sinks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: Kept[psycopg.Connection[Any]] = Kept()
    monkeypatch.setattr(warehouse, "_CONNECTIONS", connections)
    with debian_postgres() as server:
        here = Lab(
            Connections([
                server.create_database("source").model_copy(update={"id": "cdc_source_admin"}),
                server.create_database("warehouse").model_copy(update={"id": "cdc_warehouse"}),
                lab.connections.get("cdc_clickhouse"),
            ]),
            lab.sample,
        )  # fmt: skip
        with here.source() as source:
            source.execute("CREATE SCHEMA kinds")
            source.execute(setup_sql(XML).encode())
            for case in XML:
                source.execute(
                    f'INSERT INTO kinds."{case.name}" SELECT id + 1000, v FROM kinds."{case.name}"'.encode()
                )
            found = {table.name: entry(table) for table in read_tables(source, ["kinds"])}
        assert found == {case.name: entries()[case.name] for case in XML}
        for case in XML:
            table = spec(case.name)
            pipeline = here.pipeline([table])
            here.make(pipeline, table)
            assert here.write(pipeline, table, recorded()[case.name]) == {"clickhouse": {}, "warehouse": {}}
            report = compare_table(pipeline, here.connections, table)
            assert [difference.sentence() for difference in report.examples] == []
            assert set(report.rows.values()) == {2 * (len(case.values) + 1)}
        if (connection := connections.pop("cdc_warehouse")) is not None:
            connection.close()


def test_a_server_is_met_with_tls_as_its_connection_says() -> None:
    with debian_postgres(tls=True) as server:
        root = str(server.data.parent / "root.crt")
        plain = server.connection()
        checked = plain.model_copy(update={"extra": {"sslmode": "verify-full", "sslrootcert": root}})
        (server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
        with connect_postgres(checked) as connection:
            seen = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
            connection.execute("SELECT pg_reload_conf()")
        assert seen == (True,)
        connect_postgres(checked).close()
        without = plain.model_copy(update={"extra": {"sslmode": "disable"}})
        with pytest.raises(CdcError, match="no encryption"):
            connect_postgres(without)
        (server.data.parent / "root.crt").unlink()
        with pytest.raises(CdcError, match="root certificate file"):
            connect_postgres(checked)
