"""What Kafka still holds of erased persons: it can delete no single record, only let its time run out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shipper.config import KafkaSettings
from shipper.errors import TopicMissing
from shipper.index.erasures import Erased
from shipper.kafka.admin import Admin
from shipper.kafka.reading import read_range

LOGSTASH_GROUP: Final = "shipper-logstash"
"""Under this name Logstash reads the topic, if nothing else was set for it."""


@dataclass(frozen=True, slots=True)
class Held:
    """Records of erased persons on a topic.

    Attributes:
        count: how many of them the topic holds; None where it was not read.
        looked_at: how many records it holds in all.
        retention_ms: how long it keeps a record, by its time of arrival; -1: for ever.
        is_by_logstash: Logstash has read from it, which does not know the list of erasures.
    """

    topic: str
    count: int | None
    looked_at: int
    retention_ms: int
    is_by_logstash: bool


def held_on_topic(
    kafka: KafkaSettings,
    erased: Erased,
    *,
    is_read: bool = True,
    on_records: Callable[[int], None] = lambda _count: None,
) -> Held | None:
    """Return what the topic of records holds; None where there is no such topic.

    Args:
        is_read: read the topic from its beginning to its present end; else `count` stays unknown.
        on_records: told now and then how many records were looked at.

    Raises:
        TransportError: Kafka does not answer.
    """
    try:
        with Admin(kafka) as admin:
            starts, ends = admin.start_offsets(kafka.topic), admin.end_offsets(kafka.topic)
            config = admin.describe(kafka.topic).config
            is_by_logstash = bool(admin.committed(LOGSTASH_GROUP, kafka.topic))
    except TopicMissing:
        return None
    present = sum(end - starts.get(part, 0) for part, end in ends.items())
    count = 0
    if is_read:
        for number, record in enumerate(read_range(kafka, kafka.topic, starts, ends), 1):
            count += erased.covers(record.value or b"")
            if number % 10_000 == 0:
                on_records(number)
    retention_ms = int(config.get("retention.ms", "-1"))
    return Held(kafka.topic, count if is_read else None, present, retention_ms, is_by_logstash)
