"""What a query's tables are read and written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.model.columns import Steps
from cdc.model.generations import NEVER, Generations, begins_of
from cdc.ops import OpsStore
from cdc.spec import Pipeline, SinkSpec, StreamSpec, TableSpec
from cdc_spark.readers.lookups import TableLookups
from cdc_spark.schema import SchemaKeeper
from cdc_spark.transformations.cdc_transformer import TableContext, Trust
from cdc_spark.writers.base import TableWriter
from cdc_spark.writers.factory import limits_of, writer_for

_NONE_TRUSTED = 2**63


@dataclass(frozen=True)
class QueryContext:
    """What the batches of a query share.

    Attributes:
        query: the name in ledger, fence and dead letters.
        epoch: the lease's; None for a bounded re-read.
        deadline_s: of one write.
    """

    pipeline: Pipeline
    stream: StreamSpec
    sink: SinkSpec
    query: str
    connections: Connections
    generations: Generations
    epoch: int | None
    deadline_s: float


class TableContexts:
    """Makes the context of each table as its definition and its topic's generations are at the time."""

    def __init__(self, context: QueryContext, schema: SchemaKeeper, ops: OpsStore) -> None:
        self._context, self._schema, self._ops = context, schema, ops
        self._generations = context.generations
        self._revision: int | None = None
        self._trusted_from: dict[str, int] = {}

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap servers."""
        here = self._context
        return here.connections.get(here.pipeline.kafka.connection).bootstrap_servers()

    def refresh(self) -> None:
        """Read the topics' generations again where a definition has changed."""
        if self._revision != self._schema.revision:
            # A new build begins a generation of its topic, also one that then comes to nothing; it may have
            # done so between the query's start and its first batch.
            topics = [self._context.pipeline.topic(table) for table in self._schema.tables]
            self._generations = self._ops.generations(topics)
        self._revision = self._schema.revision

    def refresh_trust(self) -> None:
        """Read which of the sink's rows may lack changes; all may, as long as nobody can tell."""
        here = self._context
        try:
            self._trusted_from = self._ops.trusted_from(here.pipeline.name, here.sink.name)
        except UnavailableError:
            self._trusted_from = {table.name: _NONE_TRUSTED for table in self._schema.tables}

    def of(
        self, table: TableSpec, waits: Mapping[int, int] | None, trust: Trust = Trust.SINK
    ) -> TableContext:
        """What a table's events are read with.

        Args:
            table: as its events are to be read.
            waits: for each partition the offset from which on a parked table waits; None when it does not.
            trust: where values that an event does not say are looked for.

        Raises:
            UnavailableError: the table was built anew a moment ago.
        """
        here = self._context
        topic = here.pipeline.topic(table)
        steps = self._generations.for_topic(topic)
        lookups = TableLookups(
            here.pipeline.name,
            here.sink.name,
            table,
            topic,
            self.writer(table),
            here.connections.get(here.pipeline.source.connection),
            self.bootstrap,
            self._ops,
            # The context of a replay knows the generations of its letters alone.
            None if trust is Trust.NOTHING else steps,
        )
        begins = begins_of(steps, self._schema.generation(table))
        if trust is not Trust.NOTHING and NEVER in begins.values():
            raise UnavailableError(
                f"{table.name} was built anew after the generations of {topic} were read: the next attempt "
                "reads them again"
            )
        void = self._void_below(table, steps) if trust is Trust.NOTHING else 0
        return TableContext(
            table,
            topic,
            steps,
            limits_of(here.sink),
            lookups,
            waits,
            trust,
            void,
            begins,
            self._trusted_from.get(table.name, 0),
        )

    def _void_below(self, table: TableSpec, letters: Steps) -> int:
        """The LSN below which dead letters of a changelog count no more, since its rows were read anew."""
        if not table.changelog:
            return 0
        floor = self._ops.truncate_floor(self._context.pipeline.name, table.name)
        if floor is None:
            return 0
        generation = max(step for steps in letters.values() for _, step in steps)
        return floor[1] if floor[0] == generation else 0

    def writer(self, table: TableSpec) -> TableWriter:
        """What writes the table into the query's sink."""
        here = self._context
        return writer_for(here.sink, table, here.connections, here.query, here.epoch, here.deadline_s)
