"""The default job: every table of a stream as it is, without derived columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StructType

from cdc.errors import ConfigurationError
from cdc.spec import StreamSpec, TableSpec
from cdc.types import spark_type

Transformation = Callable[[DataFrame], DataFrame]


class BaseJob:
    """What happens to a stream's rows between the parser and the writers.

    A job is its configuration (the stream), the schema of each table (`cdc_spark.schemas`) and its
    transformations; reader and writers are the same for all. A subclass names the derived columns that it can
    make; the pipeline decides which of them a table has.

    Usage:
        class OrdersJob(BaseJob):
            derived = {"public.orders": {"net_amount": add_net_amount}}
    """

    derived: ClassVar[Mapping[str, Mapping[str, Transformation]]] = {}
    """For each source table, the transformation that adds a derived column, by the column's name."""

    def __init__(self, stream: StreamSpec) -> None:
        self.stream = stream
        for table in stream.tables:
            self.transformations(table)

    def transformations(self, table: TableSpec) -> tuple[Transformation, ...]:
        """What adds the declared derived columns, in the declared order.

        Raises:
            ConfigurationError: the pipeline declares a column that this job cannot make.
        """
        known = self.derived.get(table.source, {})
        unknown = [column.name for column in table.derived if column.name not in known]
        if unknown:
            raise ConfigurationError(
                f"{table.source}: {type(self).__name__} makes no derived column {', '.join(unknown)}; it "
                f"makes: {', '.join(known) or 'none'}. Take the entry out of the pipeline, or add a "
                "transformation to the job"
            )
        return tuple(known[column.name] for column in table.derived)

    def transform(self, table: TableSpec, rows: DataFrame) -> DataFrame:
        """Add the derived columns after the others, with the declared types.

        Raises:
            ConfigurationError: a transformation did something else to the rows.
        """
        before = rows.schema
        for column, transformation in zip(table.derived, self.transformations(table), strict=True):
            rows = transformation(rows)
            self._check(table, before, rows.schema, column.name)
            kind = StructType.fromJson(
                {"type": "struct", "fields": [_field(column.name, spark_type(column.pg_type))]}
            )[0].dataType
            if rows.schema[column.name].dataType != kind:
                rows = rows.withColumn(column.name, F.col(f"`{column.name}`").cast(kind))
            before = rows.schema
        return rows

    def _check(self, table: TableSpec, before: StructType, after: StructType, name: str) -> None:
        kept = [(field.name, field.dataType) for field in before]
        now = [(field.name, field.dataType) for field in after]
        if now[:-1] != kept or not now or now[-1][0] != name:
            raise ConfigurationError(
                f"{table.source}: the transformation for {name!r} in {type(self).__name__} may add that one "
                f"column and change nothing else; columns were {[n for n, _ in kept]}, now "
                f"{[n for n, _ in now]}"
            )


def _field(name: str, kind: object) -> dict[str, object]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}
