"""The existing rows of a changelog's table, written to its topic so that no row counts twice or is missing.

Debezium's own snapshots repeat what was streamed beside them, which a key makes harmless and a changelog
counts. Here the table is locked for a moment: every change before has a lower LSN and is in the snapshot,
every change after has a higher one and is in the log. A floor with this LSN comes first, so whatever was
appended before counts no more, and a snapshot can be taken again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from cdc.clients.kafka_transaction import produce_together
from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.snapshot_events import SnapshotPoint, begin_event, row_event
from cdc.services.catalogue import published_tables
from cdc.services.undeclared import refuse_undeclared
from cdc.spec import Pipeline, TableSpec
from cdc.types.text import SESSION_SETTINGS

LOCK_TIMEOUT_S = 10
_POINT = """
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"""


class ChangelogSnapshot:
    """Takes the snapshot of one table, and puts the table into the publication in the same moment."""

    def __init__(self, pipeline: Pipeline, connections: Connections, table: TableSpec) -> None:
        self._pipeline, self._table = pipeline, table
        self._admin = connections.get(pipeline.source.admin_connection)
        self._bootstrap = connections.get(pipeline.kafka.connection).bootstrap_servers()
        self._relation = Identifier(table.schema_name, table.table_name)

    def published(self) -> bool:
        """Whether the table's changes are in the log."""
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-plan") as connection:
            return self._is_published(connection)

    def take_again(self) -> int:
        """Take it of a table that is captured; raises as `take` does.

        Raises:
            ConfigurationError: the table is no changelog, or is not captured yet.
        """
        if not self._table.changelog:
            raise ConfigurationError(
                f"{self._table.source} has mode: rows, expected a changelog: `cdc backfill "
                f"{self._table.name} --method snapshot` reads its rows again"
            )
        if not self.published():
            raise ConfigurationError(f"{self._table.source} is not published: run `cdc apply` first")
        return self.take()

    def take(self) -> int:
        """Lock, publish, and write the rows as they were at that moment; how many there are.

        The connector must capture the table already, or it would pass over what is published.

        Raises:
            UnavailableError: a transaction keeps the table's lock, or a server does not answer; nothing was
                written, and it can be taken again.
            ConfigurationError: the owner's connection may not do this.
            SchemaChangedError: the table has a column that is not known yet; nothing was written.
        """
        topic = self._pipeline.topic(self._table)
        with ExitStack() as stack:
            reader = stack.enter_context(connect_postgres(self._admin, application_name="cdc-snapshot"))
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            try:
                point = self._begin(reader)
                values = self._events(reader, point)
                return produce_together(self._bootstrap, f"cdc-snapshot.{topic}", topic, values) - 1
            except psycopg.errors.LockNotAvailable as error:
                raise UnavailableError(
                    f"{self._table.source}: a transaction has written to it for more than {LOCK_TIMEOUT_S} s "
                    "and has not ended, and a changelog's first rows are read between two writers: end it, "
                    "then run apply again"
                ) from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"connection {self._admin.id!r} ({self._admin.login}) may not lock, publish and read "
                    f"{self._table.source} as a whole: {_said(error)}. It must own the table"
                ) from error
            except psycopg.OperationalError as error:
                raise UnavailableError(f"reading {self._table.source}: {_said(error)}") from error

    def _begin(self, reader: psycopg.Connection[Any]) -> SnapshotPoint:
        """Fix what the reader sees and the LSN that belongs to it, while nobody writes."""
        with connect_postgres(self._admin, application_name="cdc-snapshot") as locker:
            for session in (reader, locker):
                session.execute(SQL("SET LOCAL lock_timeout = {}").format(f"{LOCK_TIMEOUT_S}s"))
            # The reader's own lock, before what it sees is fixed: a change of the table's definition that
            # waits for the locker would write its rows anew, and an older snapshot would see none of them.
            reader.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(self._relation))
            # Not beside another snapshot, which would have the same position.
            locker.execute(SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(self._relation))
            if not self._is_published(locker):
                publication = Identifier(self._pipeline.source.publication)
                locker.execute(SQL("ALTER PUBLICATION {} ADD TABLE {}").format(publication, self._relation))
            # With a number of its own this transaction ends with a record in the log, so that the next
            # snapshot has a higher position even when nothing else happens.
            locker.execute("SELECT pg_current_xact_id()")
            # Rows that a policy would hide are an error and not left out.
            for name, value in {**SESSION_SETTINGS, "row_security": "off"}.items():
                reader.execute("SELECT set_config(%s, %s, true)", (name, value))
            refuse_undeclared(reader.cursor(), self._table)
            row = reader.execute(_POINT).fetchone()
            if row is None:
                raise UnavailableError("the source said no log position")
        return SnapshotPoint(self._table.schema_name, self._table.table_name, *row)

    def _events(self, reader: psycopg.Connection[Any], point: SnapshotPoint) -> Iterator[bytes]:
        names = [column.name for column in self._table.live_columns]
        query = SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
            SQL(", ").join(map(Identifier, names)), self._relation
        )
        yield orjson.dumps(begin_event(point))
        with reader.cursor() as cursor, cursor.copy(query) as copy:
            for row in copy.rows():
                yield orjson.dumps(row_event(point, dict(zip(names, row, strict=True))))

    def _is_published(self, connection: psycopg.Connection[Any]) -> bool:
        name = (self._table.schema_name, self._table.table_name)
        return name in published_tables(connection, self._pipeline.source.publication)


def _said(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
