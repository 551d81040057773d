"""What the ops store keeps, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cdc.model.source_table import BuiltFrom

Offsets = Mapping[str, Mapping[int, int]]
"""`{topic: {partition: offset}}`."""


@dataclass(frozen=True)
class BatchProgress:
    """One batch of one query.

    Attributes:
        latency_ms: the whole batch's duration.
        checkpoint_ms: of that, writing the offset log and the commit log.
        input_rate, processed_rate: rows a second, as Spark reports them.
        error_rate: dead letters / input rows.
        until_offsets: where the next batch begins.
        end_offsets: the topics' ends as this batch saw them.
        tables: inserted, updated, deleted and dead_letters of each table.
    """

    pipeline: str
    stream: str
    sink: str
    query: str
    batch_id: int
    started_at: datetime
    finished_at: datetime
    input_rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    dead_letters: int = 0
    latency_ms: float = 0.0
    checkpoint_ms: float = 0.0
    input_rate: float = 0.0
    processed_rate: float = 0.0
    error_rate: float = 0.0
    until_offsets: Offsets = field(default_factory=dict)
    end_offsets: Offsets = field(default_factory=dict)
    offsets_behind: int = 0
    max_source_ts: datetime | None = None
    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class DeadLetter:
    """An event that could not be written, as it was in the topic.

    Attributes:
        table: the table's name in the sinks.
        timestamp: Kafka's timestamp of the record.
        headers: `[[name, value], …]`, values as text.
        error_class: the error's class name.
        message: what was wrong, for a person.
        generation: the topic's, to which the offset belongs; a replay gives the event the same version again.
        failed_at: when it could not be written, the last time.
        replayed_at: when it was written after all, or given up; None while it is open.
        discarded: why a person gave it up; empty when nobody has.
    """

    pipeline: str
    stream: str
    sink: str
    query: str
    table: str
    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    key: bytes | None
    value: bytes | None
    error_class: str
    message: str
    headers: Sequence[Sequence[str | None]] = ()
    created_at: datetime | None = None
    replayed_at: datetime | None = None
    generation: int = 1
    failed_at: datetime | None = None
    discarded: str = ""


@dataclass(frozen=True)
class Launch:
    """The last submission of a stream, and what is wanted of it.

    Attributes:
        waiting_since: its first submission since something was asked of it or one of its queries was alive.
    """

    pipeline: str
    stream: str
    desired: str
    desired_at: datetime
    application_id: str | None = None
    spec_hash: str | None = None
    launched_at: datetime | None = None
    failure: str | None = None
    failed_at: datetime | None = None
    waiting_since: datetime | None = None


@dataclass(frozen=True)
class TableSchema:
    """A table's schema between the source and its sinks.

    Attributes:
        table: its name in the sinks.
        built: the source's table when the sinks were built or changed the last time.
        declared: fingerprint of what the pipeline file said of the table then.
        definition: what was made of it when the source changed; None when the file says it all.
        generation: of the topic, from which on events belong to the table as it is; earlier ones are of a
            table that was replaced.
        previous: what a rollback brings back; None when there is nothing.
        revision: higher with each change of definition or generation.
    """

    table: str
    built: BuiltFrom
    declared: str
    definition: Mapping[str, Any] | None = None
    generation: int = 0
    previous: Mapping[str, Any] | None = None
    revision: int = 0


@dataclass(frozen=True)
class AppliedTable:
    """A table as `cdc apply` last made it in the sinks."""

    table: str
    columns: Sequence[Mapping[str, Any]]
    applied_at: datetime


@dataclass(frozen=True)
class Repair:
    """A row that is read again from the source.

    Attributes:
        table: the table's name in the sinks.
        key: the bytes of Kafka's key, as Debezium writes them.
        partition: the key's partition of the topic.
    """

    table: str
    sink: str
    key: bytes
    partition: int


@dataclass(frozen=True)
class Draft:
    """Something to tell people, by one way.

    Attributes:
        channel: `mail` or `webhook`.
        target: whom, for a person: addresses, or the connection's name and never its address.
        body: HTML of a mail, JSON of a webhook.
    """

    channel: str
    target: str
    subject: str
    body: str


@dataclass(frozen=True)
class Delivery:
    """A draft on its way.

    Attributes:
        incidents: what it is about, by id.
        tried_at: when it was sent last.
        error: why that failed; empty when it was not tried or got there.
        given_up_at: when it was seen that nobody is there any more to send it to.
    """

    id: int
    pipeline: str
    draft: Draft
    created_at: datetime
    incidents: Sequence[int] = ()
    attempts: int = 0
    tried_at: datetime | None = None
    error: str = ""
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
