"""The sinks a pipeline can name. A third kind is one class here and one module in `cdc_spark.writers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cdc.spec.base import ConnectionId, Slug, Spec


class ClickHouseSink(Spec):
    """ClickHouse: physical tables in `raw_database`, the readers' views in `view_database`."""

    name: Slug
    type: Literal["clickhouse"]
    connection: ConnectionId
    raw_database: Slug = "cdc_raw"
    view_database: Slug = "analytics"

    def raw_table(self, name: str) -> tuple[str, str]:
        """(database, table) of the physical table."""
        return self.raw_database, name

    def view(self, name: str) -> tuple[str, str]:
        """(database, view) that readers use."""
        return self.view_database, name


class WarehouseSink(Spec):
    """A PostgreSQL warehouse: physical tables in `raw_schema`, the readers' views in `view_schema`."""

    name: Slug
    type: Literal["postgres"]
    connection: ConnectionId
    raw_schema: Slug = "cdc_raw"
    view_schema: Slug = "public"

    def raw_table(self, name: str) -> tuple[str, str]:
        """(schema, table) of the physical table."""
        return self.raw_schema, name

    def view(self, name: str) -> tuple[str, str]:
        """(schema, view) that readers use."""
        return self.view_schema, name


SinkSpec = Annotated[ClickHouseSink | WarehouseSink, Field(discriminator="type")]
