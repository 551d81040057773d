"""The tables of a query as they are in effect, and what an event that does not fit them means."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.services.effective import effective_table
from cdc.services.schema_changes import ensure_in_sink, follow, reason_of
from cdc.services.schema_memory import leave_out
from cdc.services.source_schema import Judged, judge, read_source
from cdc.spec import Pipeline, SinkSpec, StreamSpec, TableSpec

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Blocked:
    """The table waits for an approval."""

    reason: str


class SchemaKeeper:
    """Follows the definitions that the ops store has, each in this query's own sink before it is used.

    Whoever finds a change first (this query, another sink's, the DAG, a person) remembers the definition; the
    others pick it up at their next batch. A query's tables may ask at the same time.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        stream: StreamSpec,
        sink: SinkSpec,
        connections: Connections,
        ops: OpsStore,
    ) -> None:
        self._pipeline, self._sink, self._connections, self._ops = pipeline, sink, connections, ops
        self._declared = {table.name: table for table in stream.tables}
        self._topics = [pipeline.topic(table) for table in stream.tables]
        self._tables = dict(self._declared)
        self._made = dict(self._declared)
        self._begins: dict[str, int] = {}
        self._revision: int | None = None
        self._lock = threading.Lock()

    @property
    def tables(self) -> tuple[TableSpec, ...]:
        """The tables as they are in effect."""
        return tuple(self._tables.values())

    @property
    def revision(self) -> int | None:
        """Of the definitions and the topics' generations as they were read last; None before that."""
        return self._revision

    def generation(self, table: TableSpec) -> int:
        """The topic's generation from which on events belong to the table."""
        return self._begins.get(table.name, 0)

    def refresh(self) -> None:
        """Look whether a definition has changed.

        Raises:
            UnavailableError: the ops store does not answer, and never did.
        """
        try:
            self._refresh()
        except UnavailableError:
            if self._revision is None:
                raise

    def _refresh(self) -> None:
        with self._lock:
            revision = self._ops.schema_revision(self._pipeline.name, self._topics)
            if revision != self._revision:
                self._read(revision)

    def _read(self, revision: int) -> None:
        schemas = self._ops.table_schemas(self._pipeline.name)
        tables = {
            name: effective_table(declared, schemas.get(name)) for name, declared in self._declared.items()
        }
        # In this order: whoever has the new definition knows from which generation on events belong to it.
        self._begins = {name: schema.generation for name, schema in schemas.items()}
        self._tables = tables
        self._revision = revision

    def ready(self, table: TableSpec) -> TableSpec:
        """The table as it is in effect now, once this sink has its columns.

        A parked table's sink is left as it is, because nobody asks for it.
        """
        now = self._tables[table.name]
        if now != self._made[table.name]:
            ensure_in_sink(self._pipeline, now, self._sink, self._connections, self._ops)
            self._made[table.name] = now
        return now

    def _refuse_outdated(self, item: Judged) -> None:
        built = item.schema.built.columns
        left_out = [c.name for c in item.table.live_columns if c.name in built and built[c.name].left_out]
        if left_out:
            raise UnavailableError(
                f"{item.table.source}: {', '.join(left_out)} were left out when it was applied, and "
                "this driver's pipeline file declares them: the stream's DAG, or `cdc stream start "
                f"{item.table.stream}`, restarts it with the newer file; if its own is newer, run `cdc apply`"
            )

    def examine(self, table: TableSpec, unknown: Collection[str]) -> TableSpec | Blocked | None:
        """Ask the source's catalogue whether a change of the table explains events that do not fit it.

        Args:
            table: as the events were read.
            unknown: columns that the events have beside the table's.

        Returns:
            The table to read them with, the sink having followed; or why it waits; or None when nothing there
            explains them.

        Raises:
            UnavailableError: the source, the sink or the ops store does not answer, or the pipeline was
                applied with another file than this driver has.
        """
        schemas = self._ops.table_schemas(self._pipeline.name)
        connection = self._connections.get(self._pipeline.source.connection)
        source = read_source(connection, [table.schema_name])
        judged = judge([self._declared[table.name]], schemas, source)
        if not judged:
            return None  # applied by an older version, which did not remember what the sinks were built from
        item = judged[0]
        self._refuse_outdated(item)
        if item.table == table:
            if item.verdict.blocking:
                return Blocked(reason_of(item.verdict.blocking, table))
            if item.verdict.settled != table:
                follow(self._pipeline, item, self._sink, self._connections, self._ops)
                log.warning("schema followed", table=table.source, changes=item.verdict.sentence)
            elif not unknown or leave_out(self._pipeline, item, sorted(unknown), self._ops) is None:
                return None
        # Without the newest definition the events would be called wrong.
        self._refresh()
        now = self.ready(table)
        return now if now != table else None
