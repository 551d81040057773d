"""A task reads exactly the committed records between two offsets, or says that it cannot."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from confluent_kafka import Producer
from tenacity import Retrying, stop_after_delay, wait_fixed

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import GenerationError, UnavailableError
from cdc_spark.readers import offset_ranges
from cdc_spark.readers.checkpoint import BatchRanges
from cdc_spark.readers.offset_ranges import OffsetRange, RangeReader


class Topic:
    """A topic of three partitions, written by transactions."""

    def __init__(self, bootstrap: str) -> None:
        self.name = f"ranges-{uuid.uuid4().hex[:8]}"
        self.kafka = KafkaClient(bootstrap)
        self.kafka.create_topic(self.name, 3, 3_600_000)
        self.reader = RangeReader(bootstrap, self.name)
        self._producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": self.name})
        self._producer.init_transactions(30)

    def write(self, partition: int, *values: str | None, commit: bool = True, headers=()) -> None:
        end = self.ends[partition] + len(values) + 1
        self._producer.begin_transaction()
        for value in values:
            sent = None if value is None else value.encode()
            self._producer.produce(self.name, sent, b"k", partition=partition, headers=list(headers))
        self._producer.flush(30)
        (self._producer.commit_transaction if commit else self._producer.abort_transaction)(30)
        # The transaction's marker comes a moment after its end is decided.
        for attempt in Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.02)):
            with attempt:
                assert self.ends[partition] == end

    @property
    def ends(self) -> dict[int, int]:
        return self.kafka.end_offsets([self.name])[self.name]

    def read(self, *ranges: OffsetRange) -> list[tuple[int, int, str | None]]:
        return [
            (partition, offset, None if value is None else value.decode())
            for stretch in self.reader.read(ranges)
            for partition, offset, value in zip(
                stretch.partitions, stretch.offsets, stretch.values, strict=True
            )
        ]


@pytest.fixture
def bootstrap(servers) -> str:
    return Connections.from_file(servers.ctx.connections_file).get("cdc_kafka").bootstrap_servers()


@pytest.fixture
def topic(bootstrap: str) -> Topic:
    return Topic(bootstrap)


def test_a_range_may_begin_and_end_with_what_is_no_record(topic):
    topic.write(0, "a", "b")  # 0, 1 and a marker
    topic.write(0, "never", commit=False)  # 3 and a marker
    topic.write(0, "c", None)  # 5, 6 and a marker
    assert topic.ends[0] == 8
    whole = [(0, 0, "a"), (0, 1, "b"), (0, 5, "c"), (0, 6, None)]
    assert topic.read(OffsetRange(0, 0, 8)) == whole
    for start in range(8):
        for end in range(start + 1, 9):
            expected = [record for record in whole if start <= record[1] < end]
            assert topic.read(OffsetRange(0, start, end)) == expected, (start, end)


def test_partitions_are_read_together_each_in_its_order_and_none_beyond_its_end(topic):
    for number in range(40):
        topic.write(number % 2, *(f"{number}.{row}" for row in range(50)))
    before = topic.ends
    topic.write(0, "later")
    topic.write(2, "later")
    found = topic.read(*(OffsetRange(p, 0, end) for p, end in before.items() if end))
    assert len(found) == 2000
    for partition in (0, 1):
        mine = [(offset, value) for p, offset, value in found if p == partition]
        assert mine == sorted(mine)
        assert [value for _, value in mine] == [
            f"{number}.{row}" for number in range(partition, 40, 2) for row in range(50)
        ]


def test_large_records_are_not_all_in_memory_at_once(topic):
    large = "x" * 900_000
    for partition in range(3):
        for _ in range(5):
            topic.write(partition, *[large] * 4)
    [*stretches] = topic.reader.read([OffsetRange(p, 0, end) for p, end in topic.ends.items()])
    assert sum(map(len, stretches)) == 60
    sizes = [sum(map(len, stretch.values)) for stretch in stretches]
    assert max(sizes) < 2 * offset_ranges.STRETCH_BYTES + offset_ranges.STRETCH_BYTES // 2
    assert len(sizes) > 1
    for stretch in stretches:
        places = [*zip(stretch.partitions, stretch.offsets, strict=True)]
        assert places == sorted(places)
    for partition in range(3):
        mine = [o for s in stretches for p, o in zip(s.partitions, s.offsets, strict=True) if p == partition]
        assert mine == sorted(mine)


def test_what_retention_has_removed_is_an_error_and_the_next_read_is_none(topic):
    topic.write(0, "a")
    topic.kafka.delete_records([topic.name])
    topic.write(0, "b")
    with pytest.raises(GenerationError, match="no longer has records"):
        topic.read(OffsetRange(0, 0, topic.ends[0]))
    assert topic.read(OffsetRange(0, 2, topic.ends[0])) == [(0, 2, "b")]


def test_an_offset_beyond_the_topics_end_is_an_error(topic):
    topic.write(0, "a")
    with pytest.raises(GenerationError, match="no longer has records"):
        topic.read(OffsetRange(0, 50, 60))


def test_records_that_do_not_come_are_an_error(topic, monkeypatch):
    monkeypatch.setattr(offset_ranges, "PATIENCE_S", 1.0)
    topic.write(0, "a")
    with pytest.raises(UnavailableError, match="no record of partition"):
        topic.read(OffsetRange(0, 0, 9))


def test_the_header_of_a_moved_row_is_there_when_it_is_asked_for(topic):
    old = json.dumps({"id": 1}).encode()
    topic.write(0, "a", headers=[("other", b"x"), ("__debezium.oldkey", old)])
    topic.write(0, "b")
    [*stretches] = topic.reader.read([OffsetRange(0, 0, topic.ends[0])])
    keys = [stretch.old_key(at) for stretch in stretches for at in range(len(stretch))]
    assert keys == [old, None]


def test_what_was_read_ahead_is_no_record_of_the_next_range(topic):
    """The consumer is used again, and has more than it handed out."""
    other = Topic(topic.reader.bootstrap)
    topic.write(0, *map(str, range(50_000)))
    other.write(0, "first", "second")
    for start in (0, 100):
        found = topic.read(OffsetRange(0, start, start + 100))
        assert found == [(0, offset, str(offset)) for offset in range(start, start + 100)]
    assert other.read(OffsetRange(0, 0, 2)) == [(0, 0, "first"), (0, 1, "second")]
    assert [offset for _, offset, _ in topic.read(OffsetRange(0, 7, 50_000))] == list(range(7, 50_000))


def test_a_first_batch_that_comes_again_misses_what_retention_has_removed(lab, rows, capsys):
    """A sink refused everything for longer than Kafka keeps events."""
    lab.send("public.customers", "c", {**rows.customer, "id": 3})
    lab.send("public.customers", "c", {**rows.customer, "id": 6})
    assert lab.producer.flush(30) == 0
    lab.alter_warehouse("ALTER TABLE RAW.customers RENAME TO elsewhere")
    assert lab.run("customers", sinks=("warehouse",)) != 0
    lab.alter_warehouse("ALTER TABLE RAW.elsewhere RENAME TO customers")
    lab.delete_records("public.customers", 0, 1)
    assert lab.run("customers", sinks=("warehouse",)) != 0
    assert "Kafka no longer has records" in capsys.readouterr().out
    assert lab.warehouse("SELECT id FROM VIEW.customers") == []


def test_a_topic_that_was_made_anew_has_no_ranges():
    ranges = BatchRanges({"t": {0: 10, 1: 3}}, {"t": {0: 2, 1: 3}})
    with pytest.raises(GenerationError, match=r"t\[0\] was read up to 10, and ends at 2"):
        ranges.of("t")
    with pytest.raises(GenerationError, match=r"t\[1\] was read up to 3, and is gone"):
        BatchRanges({"t": {1: 3}}, {"t": {0: 2}}).of("t")
    assert BatchRanges({"t": {0: 1}}, {"t": {0: 1, 1: 4, 2: 0}}).of("t") == [OffsetRange(1, 0, 4)]


def test_a_topic_that_a_consumer_meets_for_the_first_time_is_not_waited_for(bootstrap):
    """librdkafka looks for a topic that it does not know once a second."""
    topics = [Topic(bootstrap) for _ in range(8)]
    for topic in topics:
        topic.write(0, "a")
    topics[0].read(OffsetRange(0, 0, 1))  # the consumer connects
    begun = time.monotonic()
    assert [topic.read(OffsetRange(0, 0, 1)) for topic in topics] == [[(0, 0, "a")]] * len(topics)
    assert time.monotonic() - begun < len(topics) / 2
