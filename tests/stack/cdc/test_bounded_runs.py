"""What is asked for, against a real ops store, before anything is begun."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.model.bounded_run import BoundedRun, Method, Scope
from cdc.ops import OpsStore
from cdc.services.bounded_runs import ask_backfill, ask_replay
from cdc.spec import Pipeline
from local_stack.components.kafka import Kafka
from tests.stack.cdc.conftest import running


@pytest.mark.parametrize(
    ("ask", "todo"),
    [("request_pause", "`cdc stream resume orders`"), ("request_stop", "`cdc stream start orders`")],
)
def test_a_snapshot_that_no_stream_would_write_is_refused_at_once(
    pipeline: Pipeline, ops: OpsStore, ask: str, todo: str
) -> None:
    getattr(ops, ask)("ecommerce", "orders")
    table = pipeline.table("order_items")
    with pytest.raises(ConfigurationError) as refused:
        ask_backfill(pipeline, Connections([]), ops, table, Scope(), method=Method.SNAPSHOT)
    assert "stream orders is" in str(refused.value)
    assert todo in str(refused.value)
    assert "method direct" in str(refused.value)
    assert ops.bounded_runs("ecommerce") == []


def test_a_replay_that_was_broken_off_goes_on_unless_it_is_to_begin_anew(
    pipeline: Pipeline, ops: OpsStore
) -> None:
    table = pipeline.table("customers")
    with running(Kafka()) as stack:
        bootstrap = stack.connections.get("cdc_kafka").bootstrap_servers()
        KafkaClient(bootstrap).create_topic(pipeline.topic(table), 1, 3_600_000)
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        producer.produce(pipeline.topic(table), b"{}", b"k", 0)
        assert producer.flush(30) == 0

        def asked(*, anew: bool = False) -> BoundedRun:
            return ask_replay(pipeline, stack.connections, ops, table, "earliest", anew=anew)

        first = asked()
        ops.advance_run(first.id, 1, {"since": {0: 1}, "until": {0: 1}})
        ops.end_run(first.id, "broken off", failed=True)
        again = asked()
        assert (again.id, again.done, again.position["since"]) == (first.id, 1, {"0": 1})
        anew = asked(anew=True)
        assert anew.id != first.id
        assert (anew.done, anew.position["since"]) == (0, {"0": 0})
