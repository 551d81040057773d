"""The whole pipeline, and its streams."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from cdc.errors import ConfigurationError
from cdc.spec.base import Slug, Spec
from cdc.spec.names import matching, topic_identity
from cdc.spec.sections import AlertsSpec, KafkaSpec, PoliciesSpec, ServiceSpec, SourceSpec, StreamingSpec
from cdc.spec.sinks import SinkSpec
from cdc.spec.tables import TableSpec


class StreamSpec(Spec):
    """One Spark application: its tables, and a query for each sink."""

    pipeline: str
    name: str
    tables: tuple[TableSpec, ...]

    @property
    def app_name(self) -> str:
        """The application's name and tag on YARN."""
        return f"cdc-{self.pipeline}-{self.name}"

    def query_name(self, sink: str) -> str:
        """The query that carries this stream into `sink`."""
        return f"{self.pipeline}.{self.name}.{sink}"

    def checkpoint(self, root: str, sink: str) -> str:
        """The folder of that query's checkpoint below `root`."""
        return f"{root.rstrip('/')}/{self.pipeline}/{self.name}/{sink}"


class Pipeline(Spec):
    """One pipeline file with its environment's overlay applied.

    Attributes:
        exclude: tables of the source (`schema.table` with `*` and `?`) that discovery does not offer.
    """

    name: Slug
    description: str = ""
    environment: str = "dev"
    source: SourceSpec
    kafka: KafkaSpec
    connect: ServiceSpec
    ops: ServiceSpec
    sinks: Annotated[tuple[SinkSpec, ...], Field(min_length=1)]
    streaming: StreamingSpec = StreamingSpec()
    policies: PoliciesSpec = PoliciesSpec()
    alerts: AlertsSpec
    exclude: tuple[Annotated[str, Field(pattern=r"^.+\..+$")], ...] = ()
    tables: Annotated[tuple[TableSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _not_excluded(self) -> Pipeline:
        for table in self.tables:
            if pattern := matching(table.schema_name, table.table_name, self.exclude):
                raise ValueError(
                    f"{table.source} is under tables, and left out by {pattern!r} under exclude: remove one"
                )
        return self

    @model_validator(mode="after")
    def _unique(self) -> Pipeline:
        for what, values in (
            ("source", [table.source for table in self.tables]),
            ("name (sinks compare names without case)", [table.name.lower() for table in self.tables]),
            ("sinks.name", [sink.name for sink in self.sinks]),
        ):
            twice = sorted(value for value, count in Counter(values).items() if count > 1)
            if twice:
                raise ValueError(f"{what} is used twice: {', '.join(twice)}; give one of them another name")
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> Pipeline:
        taken = self._platform_tables()
        for table in self.tables:
            if why := self.topic_taken(table, taken):
                raise ValueError(f"{table.source} {why}")
            taken[topic_identity(self.topic(table))] = table.source
        return self

    def topics_taken(self) -> dict[str, str]:
        """The tables, those of the platform too, by the `topic_identity` of their topics."""
        return self._platform_tables() | {topic_identity(self.topic(t)): t.source for t in self.tables}

    def topic_taken(self, table: TableSpec, taken: Mapping[str, str]) -> str:
        """Why a table cannot have its topic beside those that are taken; empty when it can."""
        topic = self.topic(table)
        other = taken.get(topic_identity(topic))
        if other is None:
            return ""
        theirs = self.source.topic(other)
        same = "which is that of" if theirs == topic else f"which Kafka does not tell from {theirs} of"
        return (
            f"has the topic {topic}, {same} {other}: rename one of the two tables at the source, or leave "
            "one out, or put it into a pipeline with another topic_prefix"
        )

    def _platform_tables(self) -> dict[str, str]:
        own = (self.source.heartbeat_table, self.source.signal_table)
        return {topic_identity(self.source.topic(name)): name for name in own}

    def topic(self, table: TableSpec) -> str:
        """The table's topic."""
        return table.topic(self.source.topic_prefix)

    @cached_property
    def heartbeat_topic(self) -> str:
        """Debezium's heartbeat topic for this connector."""
        return f"__debezium-heartbeat.{self.source.topic_prefix}"

    @cached_property
    def driver_connection_ids(self) -> tuple[str, ...]:
        """What a Spark driver needs: Kafka, the ops store, the sinks, and the source's role that only reads.

        YARN's is not among them: on a cluster without authentication it is the right to kill any application.
        """
        ids = [self.kafka.connection, self.ops.connection, self.source.connection]
        return tuple(dict.fromkeys([*ids, *(sink.connection for sink in self.sinks)]))

    @cached_property
    def streams(self) -> tuple[StreamSpec, ...]:
        """The Spark applications, in the order in which tables name them."""
        order = dict.fromkeys(table.stream for table in self.tables)
        return tuple(
            StreamSpec(
                pipeline=self.name, name=name, tables=tuple(t for t in self.tables if t.stream == name)
            )
            for name in order
        )

    def stream(self, name: str) -> StreamSpec:
        """The stream of that name.

        Raises:
            ConfigurationError: there is none; the message lists those that are.
        """
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = ", ".join(stream.name for stream in self.streams)
        raise ConfigurationError(f"pipeline {self.name!r} has no stream {name!r}; it has: {known}")

    def table(self, source: str) -> TableSpec:
        """The table by its source name `schema.table`, or by its name in the sinks.

        Raises:
            ConfigurationError: there is none.
        """
        for table in self.tables:
            if source in (table.source, table.name):
                return table
        raise ConfigurationError(
            f"pipeline {self.name!r} has no table {source!r}: add it with `cdc discover`"
        )

    def sink(self, name: str) -> SinkSpec:
        """The sink of that name.

        Raises:
            ConfigurationError: there is none.
        """
        for sink in self.sinks:
            if sink.name == name:
                return sink
        known = ", ".join(sink.name for sink in self.sinks)
        raise ConfigurationError(f"pipeline {self.name!r} has no sink {name!r}; it has: {known}")

    def spec_hash(self, stream: StreamSpec) -> str:
        """A hash of all that a driver of this stream depends on; another hash means a restart is due."""
        parts = self.model_dump(
            mode="json", include={"source", "kafka", "sinks", "streaming", "ops", "environment"}
        )
        parts["stream"] = stream.model_dump(mode="json")
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
