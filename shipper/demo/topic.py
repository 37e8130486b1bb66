"""What a topic holds, read from its first record to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from shipper.config import KafkaSettings
from shipper.demo.processes import DemoFailed
from shipper.kafka.consumer import ConsumedRecord, Consumer

_TIMEOUT_S: Final = 60.0


def ids_in_topic(settings: KafkaSettings) -> list[str]:
    """Return the `event.id` header of every record in the topic of our records; repeats included."""
    return [record.headers["event.id"].decode() for record in _records(settings, settings.topic)]


def dead_letters_in_topic(settings: KafkaSettings) -> int:
    """Return how many records are in the dead-letter topic."""
    return sum(1 for _ in _records(settings, settings.dead_letter_topic))


def _records(settings: KafkaSettings, topic: str) -> Iterator[ConsumedRecord]:
    deadline = time.monotonic() + _TIMEOUT_S
    # A group of its own, which never commits: it sees everything and disturbs nobody.
    with closing(Consumer(settings, [topic], f"{topic}-count", max_records=5000)) as consumer:
        count = 0
        remaining: int | None = None
        while time.monotonic() < deadline:
            batch = consumer.poll(0.2)
            count += len(batch)
            yield from batch
            if not batch and (remaining := consumer.remaining()) == 0:
                return
    raise DemoFailed(
        f"The topic {topic} could not be read to its end within {_TIMEOUT_S:.0f} s: "
        f"{count} records were read, and {'an unknown number' if remaining is None else remaining} remain."
    )
