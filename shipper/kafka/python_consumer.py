"""The consumer over kafka-python; what it promises: `consumer.py`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from shipper.config import KafkaSettings
from shipper.errors import TransportError
from shipper.kafka import lean_records
from shipper.kafka.connection import client_options, open_client
from shipper.kafka.consumed import METADATA_MAX_AGE_MS, ConsumedRecord, headers_by_name
from shipper.kafka.failure import to_transport_error

_COMMIT_TIMEOUTS: Final = 1.0
_FETCH_BYTES: Final = 8 << 20


class PythonConsumer:
    """A `ConsumerClient`."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        group: str,
        *,
        max_records: int,
        client_id: str,
        session_timeout_s: float,
    ) -> None:
        """Connect. Raises TransportError (retriable) if no broker answers within `request_timeout_s`."""
        self._settings = settings
        self._group = group
        self._topic = topics[0]
        self._max_records = max_records
        self._pending: deque[Any] = deque()
        self._client: Any = open_client(
            lambda **options: KafkaConsumer(*topics, **options),
            settings,
            {
                **client_options(settings, client_id),
                # A request must be able to outlive a rebalance.
                "request_timeout_ms": round(max(settings.request_timeout_s, session_timeout_s + 5) * 1000),
                "group_id": group,
                "enable_auto_commit": False,
                "auto_offset_reset": "earliest",
                "max_poll_records": max_records,
                "metadata_max_age_ms": METADATA_MAX_AGE_MS,
                "max_partition_fetch_bytes": _FETCH_BYTES,
                "session_timeout_ms": round(session_timeout_s * 1000),
                "heartbeat_interval_ms": round(session_timeout_s * 1000 / 5),
                "allow_auto_create_topics": False,
                "metrics_enabled": False,
            },
        )
        lean_records.use(self._client)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except TransportError:
            raise
        except Exception as error:
            raise to_transport_error(
                error,
                bootstrap_servers=self._settings.bootstrap_servers,
                topic=self._topic,
                group=self._group,
            ) from error

    def poll(self, timeout_s: float, max_records: int | None = None) -> list[ConsumedRecord]:
        """See `Consumer.poll`."""
        batch = self.take(timeout_s, max_records)
        return [batch.record(position) for position in range(len(batch))]

    def take(self, timeout_s: float, max_records: int | None = None) -> _PythonBatch:
        """See `Consumer.take`."""
        limit = max_records or self._max_records
        if self._pending:
            return _PythonBatch([self._pending.popleft() for _ in range(min(limit, len(self._pending)))])
        with self._mapped():
            self._take_up_a_lost_join()
            found = self._client.poll(timeout_ms=round(timeout_s * 1000), max_records=limit)
        return _PythonBatch(_flat(found))

    def _take_up_a_lost_join(self) -> None:
        """Ask to join again where the client has joined and does not know it.

        A poll that ends while the group still assembles leaves the join to finish in the background. The
        client (3.0) then sees no reason to look at the result: it stays without partitions for ever, while
        the broker counts it a member.
        """
        coordinator: Any = getattr(self._client, "_coordinator", None)
        task = getattr(coordinator, "_join_task", None)
        if task is not None and task.is_done and coordinator.rejoining and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def keep_alive(self) -> None:
        """Stay a member without taking records, while those in hand take long. Raises TransportError."""
        with self._mapped():
            self._take_up_a_lost_join()
            assigned = self._client.assignment()
            self._client.pause(*assigned)
            try:
                # A rebalance may bring partitions that are not paused: what comes from them is kept.
                self._pending.extend(_flat(self._client.poll(timeout_ms=0, max_records=self._max_records)))
            finally:
                with suppress(Exception):
                    self._client.resume(*(assigned & self._client.assignment()))

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Store the offset of the next record wanted, per (topic, partition).

        Raises:
            GroupRebalanced: partitions have changed hands; poll, then commit again. What was handled and not
                committed is handed to somebody again.
            TransportError: another reason.
        """
        stored = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)
            for (topic, partition), offset in offsets.items()
        }
        timeout_ms = round(self._settings.request_timeout_s * _COMMIT_TIMEOUTS * 1000)
        with self._mapped():
            self._client.commit(stored, timeout_ms=timeout_ms)

    def remaining(self) -> int | None:
        """Return how many records are stored and not handed out yet; None while no partition is assigned.

        Raises TransportError.
        """
        with self._mapped():
            assigned = self._client.assignment()
            if not assigned:
                return None
            ends = self._client.end_offsets(list(assigned))
            timeout_ms = round(self._settings.request_timeout_s * 1000)
            unread: int = sum(
                max(0, end - (self._client.position(partition, timeout_ms=timeout_ms) or 0))
                for partition, end in ends.items()
            )
        return unread + len(self._pending)

    def assignment(self) -> set[tuple[str, int]]:
        """Return the (topic, partition) pairs that are ours now."""
        with self._mapped():
            return {(partition.topic, partition.partition) for partition in self._client.assignment()}

    def close(self, timeout_s: float = 5.0) -> None:
        """Leave the group, so that others take over at once; never raises."""
        with suppress(Exception):
            self._client.close(autocommit=False, timeout_ms=round(timeout_s * 1000))


def _flat(found: Mapping[Any, Sequence[Any]]) -> list[Any]:
    return [record for records in found.values() for record in records]


class _PythonBatch:
    """A `Batch` of this client's own records."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = records
        self.values: list[bytes | None] = [record.value for record in records]

    def __len__(self) -> int:
        return len(self._records)

    def record(self, position: int) -> ConsumedRecord:
        """See `Batch.record`."""
        found = self._records[position]
        headers = headers_by_name(found.headers)
        return ConsumedRecord(found.topic, found.partition, found.offset, found.key, found.value, headers)

    def ends(self) -> dict[tuple[str, int], int]:
        """See `Batch.ends`."""
        return {(found.topic, found.partition): found.offset + 1 for found in self._records}
