"""Read the dead-letter topic from its beginning to its present end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, TopicMissing
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.dead_letters import DeadLetter, decode, is_truncated

_SILENT_POLLS_MAX = 60
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter where it lies.

    Attributes:
        place: `<partition>@<offset>` on the dead-letter topic.
        letter: None where the stored value is not a dead letter of ours.
        is_cut: its payload is not whole.
    """

    place: str
    letter: DeadLetter | None
    is_cut: bool


def read_dead_letters(settings: KafkaSettings) -> Iterator[StoredLetter]:
    """Yield what lies on the dead-letter topic now, per partition oldest first. Nothing is committed.

    Raises:
        TransportError: the topic does not exist, or Kafka stopped answering in the middle.
    """
    for record in _read_topic(settings, settings.dead_letter_topic):
        value = record.value or b""
        yield StoredLetter(f"{record.partition}@{record.offset}", decode(value), is_truncated(value))


def _read_topic(settings: KafkaSettings, topic: str) -> Iterator[ConsumedRecord]:
    with Admin(settings) as admin:
        starts, ends = admin.start_offsets(topic), admin.end_offsets(topic)
    open_ends = {part: end for part, end in ends.items() if end > starts.get(part, 0)}
    if not open_ends:
        return
    consumer = Consumer(settings, [topic], f"shipper-read-{secrets.token_hex(8)}", client_id="shipper-read")
    silent = 0
    try:
        while open_ends:
            records = consumer.poll(_POLL_S)
            silent = 0 if records else silent + 1
            if silent > _SILENT_POLLS_MAX:
                raise BrokerUnavailable(settings.bootstrap_servers, f"reading {topic} got stuck")
            for record in records:
                end = open_ends.get(record.partition)
                if end is None or record.offset >= end:
                    continue
                yield record
                if record.offset + 1 >= end:
                    del open_ends[record.partition]
    finally:
        consumer.close()


def read_if_topic_exists(settings: KafkaSettings) -> Iterator[StoredLetter]:
    """Like `read_dead_letters`, but a topic that does not exist holds nothing."""
    try:
        yield from read_dead_letters(settings)
    except TopicMissing:
        return
