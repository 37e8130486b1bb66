"""Topics of a test's own on the real Kafka, and what is on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shipper.config import KafkaSettings
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.dead_letters import topic_config
from tests.service.running_stack import RunningStack


@contextmanager
def own_topics(
    stack: RunningStack,
    *,
    partitions: int = 1,
    config: Mapping[str, str] | None = None,
    dead_letter_config: Mapping[str, str] | None = None,
    is_made: bool = True,
    **settings: Any,
) -> Iterator[KafkaSettings]:
    """Yield settings with a topic and a dead-letter topic that nobody else uses; delete both at the end."""
    unique = uuid.uuid4().hex[:12]
    values = {"request_timeout_s": 5.0, **settings}
    kafka = KafkaSettings(
        bootstrap_servers=stack.kafka_bootstrap,
        topic=f"t-{unique}",
        dead_letter_topic=f"d-{unique}",
        **values,
    )
    if is_made:
        make_topics(kafka, partitions, config, dead_letter_config)
    try:
        yield kafka
    finally:
        with Admin(kafka) as admin:
            admin.delete_topic(kafka.topic)
            admin.delete_topic(kafka.dead_letter_topic)


def make_topics(
    kafka: KafkaSettings,
    partitions: int = 1,
    config: Mapping[str, str] | None = None,
    dead_letter_config: Mapping[str, str] | None = None,
) -> None:
    """Make both topics."""
    with Admin(kafka) as admin:
        admin.ensure_topic(kafka.topic, partitions=partitions, config=config)
        letters = topic_config(kafka) if dead_letter_config is None else dead_letter_config
        admin.ensure_topic(kafka.dead_letter_topic, config=letters)


def read_topic(kafka: KafkaSettings, topic: str | None = None) -> list[ConsumedRecord]:
    """Return everything that is on a topic now, in the order of partitions and offsets."""
    topic = topic or kafka.topic
    with Admin(kafka) as admin:
        starts, ends = admin.start_offsets(topic), admin.end_offsets(topic)
    expected = sum(ends.values()) - sum(starts.values())
    consumer = Consumer(kafka, [topic], f"read-{uuid.uuid4().hex}")
    found: list[ConsumedRecord] = []
    try:
        while len(found) < expected:
            found += consumer.poll(1.0, 5000)
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def ids_on(kafka: KafkaSettings) -> list[str]:
    """Return the event ids on the topic, doubles included."""
    return [record.headers["event.id"].decode() for record in read_topic(kafka)]
