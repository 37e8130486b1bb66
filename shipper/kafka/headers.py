"""Headers of a record on the topic, so that later hops need not parse its value."""

from __future__ import annotations

from typing import Final

from shipper.record import Record

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
