"""Read a stretch of a topic as a bystander: no consumer group, nothing committed, nobody's partitions moved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, TransportError
from shipper.kafka.connection import client_options, open_client
from shipper.kafka.consumed import ConsumedRecord, headers_by_name
from shipper.kafka.failure import to_transport_error

_POLL_MS: Final = 500
_RECORDS: Final = 2000
_FETCH_BYTES: Final = 8 << 20
_STUCK_S: Final = 30.0


def read_range(
    settings: KafkaSettings, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[ConsumedRecord]:
    """Yield the records of each partition from its start (included) to its end (excluded), oldest first.

    Partitions take turns. A start that retention has passed counts from the oldest record there is.

    Raises:
        TransportError: Kafka does not answer, or stops answering in the middle.
    """
    left = {part: end for part, end in ends.items() if end > starts.get(part, 0)}
    if not left:
        return
    client = _open(settings, topic, {part: starts.get(part, 0) for part in left})
    try:
        progressed_s = time.monotonic()
        while left:
            found = _poll(client, settings, topic, left)
            for partition, records in found.items():
                for record in records:
                    if record.offset < ends[partition.partition]:
                        yield _record(topic, record)
            done = {
                part for part, position in _positions(client, topic, left).items() if position >= left[part]
            }
            left = {part: end for part, end in left.items() if part not in done}
            if found or done:
                progressed_s = time.monotonic()
            elif time.monotonic() - progressed_s > _STUCK_S:
                raise BrokerUnavailable(settings.bootstrap_servers, f"reading {topic} got stuck")
    finally:
        client.close(autocommit=False)


def _open(settings: KafkaSettings, topic: str, starts: Mapping[int, int]) -> Any:
    client = open_client(
        KafkaConsumer,
        settings,
        {
            **client_options(settings, "shipper-read"),
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "max_poll_records": _RECORDS,
            "max_partition_fetch_bytes": _FETCH_BYTES,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        },
    )
    client.assign([TopicPartition(topic, part) for part in starts])
    for part, start in starts.items():
        client.seek(TopicPartition(topic, part), start)
    return client


def _poll(client: Any, settings: KafkaSettings, topic: str, left: Mapping[int, int]) -> Mapping[Any, Any]:
    try:
        client.pause(*(one for one in client.assignment() if one.partition not in left))
        found: Mapping[Any, Any] = client.poll(timeout_ms=_POLL_MS)
    except TransportError:
        raise
    except Exception as error:
        raise to_transport_error(error, bootstrap_servers=settings.bootstrap_servers, topic=topic) from error
    return found


def _positions(client: Any, topic: str, left: Mapping[int, int]) -> dict[int, int]:
    return {part: client.position(TopicPartition(topic, part)) or 0 for part in left}


def _record(topic: str, record: Any) -> ConsumedRecord:
    return ConsumedRecord(
        topic, record.partition, record.offset, record.key, record.value, headers_by_name(record.headers)
    )
