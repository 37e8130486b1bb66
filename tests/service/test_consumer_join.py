"""A consumer always gets its partitions, however short its polls are."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest
from kafka.admin import KafkaAdminClient

from shipper.kafka.consumer import Consumer
from shipper.kafka.producer import Message, Producer
from tests.service.running_stack import RunningStack
from tests.service.topics import own_topics

LIMIT_S = 20


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_short_polls_join_the_group(stack: RunningStack, client: str) -> None:
    """A join that ends between two polls is not lost: five groups in a row get the records with polls of 3 ms."""
    with own_topics(stack, client=client) as kafka:
        producer = Producer(kafka)
        producer.send([Message(topic=kafka.topic, key=b"k", value=b"v")])
        producer.close(5)
        for number in range(5):
            with closing(Consumer(kafka, [kafka.topic], f"{kafka.topic}-{number}")) as consumer:
                deadline = time.monotonic() + LIMIT_S
                found = consumer.poll(0.003)
                while not found:
                    assert time.monotonic() < deadline, f"group {number} got nothing within {LIMIT_S} s"
                    found = consumer.poll(0.003)
            assert [record.value for record in found] == [b"v"]


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_partitions_that_are_added_are_read_soon(stack: RunningStack, client: str) -> None:
    """A member notices partitions that its group did not know, within seconds and not within minutes."""
    with (
        own_topics(stack, client=client) as kafka,
        closing(Consumer(kafka, [kafka.topic], kafka.topic)) as consumer,
    ):
        _read_until(consumer, lambda: len(consumer.assignment()) == 1)
        with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
            admin.create_partitions({kafka.topic: 3})
        _read_until(consumer, lambda: len(consumer.assignment()) == 3)


def _read_until(consumer: Consumer, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"it has {sorted(consumer.assignment())}"
        consumer.poll(0.2)
