"""Headers of a record on the topic, so that later hops need not parse its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shipper.datasets import index_name
from shipper.errors import RecordRefused, RecordTooLarge, TransportError
from shipper.kafka.message import Message
from shipper.record import Record, RecordBatch

EVENT_ID: Final = "event.id"
DATASET: Final = "event.dataset"
INDEX: Final = "event.index"
TIMESTAMP: Final = "@timestamp"
SCHEMA: Final = "schema"
SCHEMA_VERSION: Final = b"1"


def record_headers(record: Record, index: str) -> list[tuple[str, bytes]]:
    """Return the headers of a record that belongs into `index`; the time is microseconds as decimal text."""
    return [
        (EVENT_ID, record.event_id.encode()),
        (DATASET, record.dataset.encode()),
        (INDEX, index.encode()),
        (TIMESTAMP, str(record.timestamp_us).encode()),
        (SCHEMA, SCHEMA_VERSION),
    ]


def index_of(dataset: str, namespace: str, timestamp_us: int) -> str | None:
    """Return the index that a record belongs into; None if its event time belongs to no calendar."""
    try:
        return index_name(dataset, namespace, timestamp_us)
    except (ValueError, OverflowError, OSError):
        return None


def no_calendar(timestamp_us: int) -> RecordRefused:
    """Return why a record without an index is refused."""
    return RecordRefused(f"its event time of {timestamp_us} µs belongs to no calendar")


def record_messages(
    topic: str,
    batch: RecordBatch,
    places: Sequence[int],
    namespace: str,
    max_bytes: int,
    refused: dict[int, TransportError],
) -> Iterator[tuple[int, Message]]:
    """Give the records at `places` of a batch as messages; those that cannot be sent go to `refused`."""
    key = batch.producer_id.encode()
    for place in places:
        record = batch[place]
        index = index_of(record.dataset, namespace, record.timestamp_us)
        if index is None:
            refused[place] = no_calendar(record.timestamp_us)
            continue
        message = Message(topic, key, record.payload, record_headers(record, index))
        if message.size_bytes > max_bytes:
            refused[place] = RecordTooLarge(message.size_bytes, max_bytes)
            continue
        yield place, message
