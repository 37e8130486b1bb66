"""The consumer over confluent-kafka; what it promises: `consumer.py`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from shipper.config import KafkaSettings
from shipper.errors import TransportError
from shipper.kafka.confluent import Troubles, confluent_options
from shipper.kafka.consumed import METADATA_MAX_AGE_MS, ConsumedRecord, headers_by_name

_FETCH_BYTES: Final = 8 << 20
_QUEUE_KIB: Final = 32 << 10
"""What librdkafka fetches ahead, per consumer."""


class ConfluentConsumer:
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
        self._timeout_s = settings.request_timeout_s
        self._group = group
        self._topic = topics[0]
        self._max_records = max_records
        self._pending: list[Any] = []
        self._paused: list[Any] = []
        self._error: KafkaError | None = None
        self._troubles = Troubles(settings.bootstrap_servers)
        with self._mapped():
            self._client: Any = Client(
                {
                    **confluent_options(settings, client_id),
                    **_group_options(group, session_timeout_s),
                    "error_cb": self._troubles.note,
                }
            )
        try:
            with self._mapped():
                self._ask_for(settings.request_timeout_s)
                self._client.subscribe(list(topics), on_revoke=self._drop_pending, on_lost=self._drop_pending)
        except TransportError:
            self.close(1.0)
            raise

    def _ask_for(self, timeout_s: float) -> None:
        """Wait until a broker answers. Raises what the client raises."""
        try:
            self._client.list_topics(self._topic, timeout=timeout_s)
        except Exception:
            with suppress(Exception):
                self._client.poll(0)  # why: it comes by the callback
            raise

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except TransportError:
            raise
        except Exception as error:
            raise self._troubles.explain(error, topic=self._topic, group=self._group) from error

    def _drop_pending(self, _client: Any, partitions: Sequence[Any]) -> None:
        """Forget what was taken of partitions that go to another member: it is handed out there."""
        lost = {(partition.topic, partition.partition) for partition in partitions}
        self._pending = [kept for kept in self._pending if (kept.topic(), kept.partition()) not in lost]

    def poll(self, timeout_s: float, max_records: int | None = None) -> list[ConsumedRecord]:
        """See `Consumer.poll`."""
        batch = self.take(timeout_s, max_records)
        return [batch.record(position) for position in range(len(batch))]

    def take(self, timeout_s: float, max_records: int | None = None) -> _MessageBatch:
        """See `Consumer.take`."""
        limit = max_records or self._max_records
        if self._pending:
            taken, self._pending = self._pending[:limit], self._pending[limit:]
            return _MessageBatch(taken)
        self._raise_trouble()
        with self._mapped():
            self._resume()
            # One is waited for, and what has come with it is taken: waiting for all would hold up the first.
            found = self._client.consume(1, timeout_s)
            if found and limit > 1:
                # Were the first one dropped when this fails, a later commit would skip it.
                with suppress(KafkaException):
                    found += self._client.consume(limit - 1, 0)
        messages = self._sound(found)
        if not messages:
            self._raise_trouble()
        return _MessageBatch(messages)

    def _raise_trouble(self) -> None:
        """Raise what the client said of the topic, of the group, or of our right to be here. Raises TransportError."""
        error, self._error = self._error, None
        if error is not None and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            raise self._troubles.explain(error, topic=self._topic, group=self._group)
        refused = self._troubles.take_access()
        if refused is not None:
            raise refused

    def _sound(self, found: Sequence[Any]) -> list[Any]:
        """Return the records among what `consume` returned; an error among it is raised when nothing else is left."""
        messages = [message for message in found if message.error() is None]
        if len(messages) < len(found):
            for message in found:
                error = message.error()
                if error is not None and not error.retriable():
                    self._error = error
        return messages

    def _resume(self) -> None:
        if self._paused:
            with suppress(Exception):  # partitions that have gone to another member
                self._client.resume(self._paused)
            self._paused = []

    def keep_alive(self) -> None:
        """See `Consumer.keep_alive`. What comes is kept; when that is enough for one `poll`, partitions pause."""
        with self._mapped():
            if len(self._pending) >= self._max_records:
                # Asked each time: a rebalance may have brought partitions that are not paused.
                self._paused = self._client.assignment()
                self._client.pause(self._paused)
            self._pending += self._sound(self._client.consume(1, 0))

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """See `Consumer.commit`."""
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        with self._mapped():
            for answer in self._client.commit(offsets=wanted, asynchronous=False):
                if answer.error is not None:
                    raise self._troubles.explain(answer.error, topic=answer.topic, group=self._group)

    def remaining(self) -> int | None:
        """See `Consumer.remaining`."""
        with self._mapped():
            assigned = self._client.assignment()
            if not assigned:
                return None
            unread = sum(self._unread(place) for place in self._client.position(assigned))
        return unread + len(self._pending)

    def _unread(self, place: Any) -> int:
        start, end = self._client.get_watermark_offsets(place, timeout=self._timeout_s, cached=False)
        if place.offset >= 0:
            return max(0, int(end) - max(int(place.offset), int(start)))
        (stored,) = self._client.committed([place], timeout=self._timeout_s)
        return max(0, int(end) - max(int(stored.offset), int(start)))

    def assignment(self) -> set[tuple[str, int]]:
        """See `Consumer.assignment`."""
        with self._mapped():
            return {(place.topic, place.partition) for place in self._client.assignment()}

    def close(self, timeout_s: float) -> None:
        """See `Consumer.close`. Leaving may take longer than that; it then ends by itself."""

        def leave() -> None:
            with suppress(Exception):
                self._client.close()

        leaving = threading.Thread(target=leave, name="shipper-leave-group", daemon=True)
        leaving.start()
        leaving.join(timeout_s)


def _group_options(group: str, session_timeout_s: float) -> dict[str, Any]:
    session_ms = round(session_timeout_s * 1000)
    return {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": METADATA_MAX_AGE_MS,
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": round(session_ms / 5),
        "max.poll.interval.ms": max(300_000, session_ms),
        "max.partition.fetch.bytes": _FETCH_BYTES,
        "queued.max.messages.kbytes": _QUEUE_KIB,
    }


class _MessageBatch:
    """A `Batch` of this client's own messages."""

    def __init__(self, messages: Sequence[Any]) -> None:
        self._messages = messages
        self.values: list[bytes | None] = [message.value() for message in messages]

    def __len__(self) -> int:
        return len(self._messages)

    def record(self, position: int) -> ConsumedRecord:
        """See `Batch.record`."""
        found = self._messages[position]
        return ConsumedRecord(
            found.topic(),
            found.partition(),
            found.offset(),
            found.key(),
            found.value(),
            _headers(found),
        )

    def ends(self) -> dict[tuple[str, int], int]:
        """See `Batch.ends`. The last message of each partition is found without asking all for their offset."""
        partitions = [message.partition() for message in self._messages]
        last = dict(zip(partitions, self._messages, strict=True))
        return {(message.topic(), message.partition()): message.offset() + 1 for message in last.values()}


def _headers(message: Any) -> dict[str, bytes]:
    """Return the headers of a message; none where the client cannot read them.

    A name that is no UTF-8 makes the client raise. The message is out of its queue by then: to raise here would lose it.
    """
    try:
        return headers_by_name(message.headers())
    except Exception:  # noqa: BLE001  # SystemError, as it happens; the record goes on by what its value says
        return {}
