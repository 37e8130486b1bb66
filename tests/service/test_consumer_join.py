"""A consumer always gets its partitions, however short its polls are."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

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
