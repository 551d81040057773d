"""Asks Kafka and the ops store what `cdc.model.retention` judges: what topics keep, and what is unread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import TransientError
from cdc.model.retention import Reader, RetentionSample, lost_events, unread
from cdc.ops import OpsStore
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline, TableSpec

Offsets = Mapping[int, int]


def sample_retention(pipeline: Pipeline, connections: Connections) -> list[RetentionSample]:
    """A sample of each topic that exists; when Kafka or the ops store is away, of each a word about that."""
    topics = {pipeline.topic(table): table for table in pipeline.tables}
    try:
        kafka = kafka_of(pipeline, connections)
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            settings = kafka.topic_settings(topics)
            return [
                _sample(topic, settings[topic], kafka, _places(pipeline, table, topic, ops))
                for topic, table in topics.items()
                if topic in settings
            ]
    except TransientError as error:
        now = datetime.now(UTC)
        return [RetentionSample(topic, now, unreachable=str(error)) for topic in topics]


def _places(pipeline: Pipeline, table: TableSpec, topic: str, ops: OpsStore) -> dict[str, Offsets]:
    """By reader, up to where it has read the topic. A query without a batch has read nothing, and will.

    A table that is parked is read again from where that began, whatever its query has passed since.
    """
    stream = pipeline.stream(table.stream)
    known = {p.query: p.until_offsets for p in ops.latest_progress(pipeline.name, stream.name)}
    places: dict[str, Offsets] = {}
    for query in (stream.query_name(sink.name) for sink in pipeline.sinks):
        name = query if query in known else f"{query}, which has no batch yet,"
        places[name] = known.get(query, {}).get(topic, {})
    for parked in ops.parked(pipeline.name):
        if parked.table == table.name:
            places[f"{table.name}, parked in {parked.sink},"] = parked.offsets
    return places


def _sample(
    topic: str, settings: Mapping[str, str], kafka: KafkaClient, places: Mapping[str, Offsets]
) -> RetentionSample:
    ends, earliest = kafka.end_offsets([topic])[topic], kafka.earliest_offsets([topic])[topic]
    open_places = {name: unread(until, ends) for name, until in places.items()}
    trimmed = {p: offset for p, offset in earliest.items() if 0 < offset < ends.get(p, 0)}
    # What is lost has no time any more: the first event that is left has one.
    wanted = {
        (topic, p, max(offset, earliest.get(p, 0)))
        for own in (*open_places.values(), trimmed)
        for p, offset in own.items()
    }
    times = kafka.record_times(sorted(wanted))

    def oldest(own: Offsets) -> datetime | None:
        found = (times.get((topic, p, max(offset, earliest.get(p, 0)))) for p, offset in own.items())
        return min((moment for moment in found if moment is not None), default=None)

    limit_ms, limit_bytes = int(settings["retention.ms"]), int(settings["retention.bytes"])
    return RetentionSample(
        topic,
        datetime.now(UTC),
        limit_s=limit_ms / 1000 if limit_ms >= 0 else None,
        limit_bytes=limit_bytes if limit_bytes >= 0 else None,
        begins=oldest(trimmed),
        readers=tuple(
            Reader(name, oldest(own), lost_events(own, earliest)) for name, own in open_places.items()
        ),
    )
