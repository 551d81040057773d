"""Airflow's connections in the shape that the library takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from cdc.connections import YARN, Connection, Connections
from cdc.errors import ConfigurationError
from cdc.spec import Pipeline

__all__ = ["YARN", "CdcHook", "connection_ids"]


def connection_ids(pipeline: Pipeline) -> tuple[str, ...]:
    """Every connection that a pipeline names, and YARN's."""
    more = [pipeline.source.admin_connection, pipeline.connect.connection, YARN]
    return tuple(dict.fromkeys([*pipeline.driver_connection_ids, *more]))


class CdcHook(BaseHook):
    """Builds `cdc.connections.Connections` from Airflow's own connections, whatever backend holds them."""

    def connections(self, ids: Iterable[str]) -> Connections:
        """Look each id up.

        Raises:
            ConfigurationError: Airflow knows no connection of that id.
        """
        return Connections(self._fetch(connection_id) for connection_id in ids)

    async def aconnections(self, ids: Iterable[str]) -> Connections:
        """The same from a trigger; look-ups block (a file, a secrets service), so they run in a thread."""
        return await asyncio.to_thread(self.connections, tuple(ids))

    def _fetch(self, connection_id: str) -> Connection:
        try:
            found: Any = self.get_connection(connection_id)
        except AirflowNotFoundException:
            raise ConfigurationError(
                f"Airflow has no connection {connection_id!r}: add it under Admin → Connections, "
                "or to the secrets backend's connections.json"
            ) from None
        return Connection(
            id=connection_id,
            conn_type=found.conn_type or "",
            host=found.host or "",
            port=found.port,
            login=found.login or "",
            password=found.password or "",
            schema_=found.schema or "",
            extra=found.extra_dejson,
        )
