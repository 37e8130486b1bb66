"""The producer over confluent-kafka; what it promises: `producer.py`."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka import Producer as Client

from shipper.config import KafkaSettings
from shipper.errors import AccessRefused, RecordTooLarge, TopicMissing, TransportError
from shipper.kafka.confluent import Troubles, confluent_options
from shipper.kafka.headers import (
    DATASET,
    EVENT_ID,
    INDEX,
    SCHEMA,
    SCHEMA_VERSION,
    TIMESTAMP,
    index_of,
    no_calendar,
)
from shipper.kafka.message import Acknowledged, Failures, Message, Outcome
from shipper.kafka.wire import DAY_US, BlockLimits
from shipper.record import RecordBatch

_REQUEST_OVERHEAD_BYTES: Final = 16 << 10
_LINGER_MS: Final = 5
_QUEUE_MESSAGES: Final = 1_000_000
_QUEUE_KIB: Final = 256 << 10
"""Only what one call of `send` brings is ever in the queue; this bounds a call, it reserves nothing."""
_SCHEMA: Final = (SCHEMA, SCHEMA_VERSION)
_NO_OUTCOME: Final = TimeoutError("the client gave no outcome in time")
_GRACE_S: Final = 5.0
_STEP_S: Final = 0.1
_METADATA_WAIT_S: Final = 2.0
_RECORD_BYTES: Final = 384
"""Key, headers and lengths of a record, rounded up."""


class ConfluentProducer:
    """A `ProducerClient`."""

    def __init__(self, settings: KafkaSettings, client_id: str, max_message_bytes: int) -> None:
        self._settings = settings
        self._client_id = client_id
        self._max_message_bytes = max_message_bytes
        self._delivery_timeout_s = 2 * settings.request_timeout_s
        self._troubles = Troubles(settings.bootstrap_servers)
        self._client: Any = None
        self._known_topics: set[str] = set()

    def _connect(self) -> Any:
        """Return the client object; it connects by itself. Raises TransportError."""
        if self._client is None:
            settings = self._settings
            options = {
                **confluent_options(settings, self._client_id),
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": settings.compression,
                "linger.ms": _LINGER_MS,
                "batch.num.messages": 10_000,
                "message.max.bytes": max(1 << 20, self._max_message_bytes + _REQUEST_OVERHEAD_BYTES),
                "message.timeout.ms": round(self._delivery_timeout_s * 1000),
                "request.timeout.ms": round(settings.request_timeout_s * 1000),
                "queue.buffering.max.messages": _QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": max(_QUEUE_KIB, self._max_message_bytes >> 9),
                "allow.auto.create.topics": False,
                # As kafka-python and Java do it: a key's records stay in order when the library changes.
                "partitioner": "murmur2_random",
                "error_cb": self._troubles.note,
            }
            try:
                self._client = Client(options)
            except (KafkaException, ValueError) as error:  # certificates that cannot be read
                raise self._troubles.explain(error) from error
            self._known_topics = set()
            self._troubles.forget()
        return self._client

    def _require(self, topics: set[str]) -> dict[str, TransportError]:
        """Return why topics cannot be written to; asked until they can. Raises TransportError."""
        client = self._connect()
        missing: dict[str, TransportError] = {}
        for topic in topics - self._known_topics:
            try:
                wait_s = min(_METADATA_WAIT_S, self._settings.request_timeout_s)
                found = client.list_topics(topic, timeout=wait_s).topics.get(topic)
            except KafkaException as error:
                client.poll(0)  # why: it comes by the callback
                ours = self._troubles.explain(error, topic=topic)
                if isinstance(ours, AccessRefused):
                    self.close(0.0)  # the next attempt reads passwords and certificates anew
                raise ours from error
            if found is None or found.error is not None:
                error_of = None if found is None else found.error
                missing[topic] = (
                    self._troubles.explain(error_of, topic=topic) if error_of else TopicMissing(topic)
                )
            else:
                self._known_topics.add(topic)
        return missing

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `ProducerClient.send`."""
        outcomes: dict[int, Outcome] = {}

        def report(place: int, error: Any, stored: Any) -> None:
            outcomes[place] = (
                Acknowledged(stored.topic(), stored.partition(), stored.offset())
                if error is None
                else self._ours(error, messages[place].topic, messages[place].size_bytes)
            )

        try:
            missing = self._require({message.topic for message in messages})
        except TransportError as error:
            return [error] * len(messages)
        for place, message in enumerate(messages):
            if message.topic in missing:
                outcomes[place] = missing[message.topic]
                continue
            try:
                self._produce(
                    message.topic, message.value, message.key, partial(report, place), list(message.headers)
                )
            except (KafkaException, BufferError) as error:
                outcomes[place] = self._ours(error, message.topic, message.size_bytes)
        self._settle(self._client)
        unknown = self._ours(_NO_OUTCOME, "")
        return [outcomes.get(place, unknown) for place in range(len(messages))]

    def begin_records(
        self, topic: str, batch: RecordBatch, places: Sequence[int], namespace: str, limits: BlockLimits
    ) -> Callable[[], Failures]:
        """See `ProducerClient.begin_records`."""
        try:
            missing = self._require({topic})
        except TransportError as error:
            return partial(Failures, dict.fromkeys(places, error))
        if missing:
            return partial(Failures, dict.fromkeys(places, missing[topic]))
        failures, client = Failures(), self._client
        stored: set[int] = set()

        def report(place: int, error: Any, _stored: Any) -> None:
            if error is None:
                stored.add(place)
            else:
                failures.answered[place] = self._ours(error, topic, len(batch.rows[place][4]))

        key = batch.producer_id.encode()
        headers_of = _Headers(batch.producer_id, namespace)
        for place in places:
            sequence, timestamp_us, _, dataset, payload = batch.rows[place]
            size_bytes = len(payload) + _RECORD_BYTES
            headers = headers_of(sequence, timestamp_us, dataset)
            if headers is None:
                failures.ours[place] = no_calendar(timestamp_us)
            elif size_bytes > limits.max_record_bytes:
                failures.ours[place] = RecordTooLarge(size_bytes, limits.max_record_bytes)
            else:
                try:
                    self._produce(topic, payload, key, partial(report, place), headers)
                except (KafkaException, BufferError) as error:
                    failures.answered[place] = self._ours(error, topic, size_bytes)

        def finish() -> Failures:
            self._settle(client)
            unknown = set(places) - stored - failures.answered.keys() - failures.ours.keys()
            failures.answered |= dict.fromkeys(unknown, self._ours(_NO_OUTCOME, topic))
            return failures

        return finish

    def _produce(
        self, topic: str, value: bytes, key: bytes, report: Callable[[Any, Any], None], headers: Any
    ) -> None:
        """Give a message to the client; wait for room in its queue. Raises KafkaException, BufferError."""
        deadline_s = 0.0
        while True:
            try:
                self._client.produce(topic, value, key, on_delivery=report, headers=headers)
            except BufferError:
                now_s = time.monotonic()
                deadline_s = deadline_s or now_s + self._delivery_timeout_s
                if now_s >= deadline_s:
                    raise
                self._client.poll(_STEP_S)
            else:
                return

    def _settle(self, client: Any) -> None:
        """Wait until each message has its outcome: the client's deadline brings it, ours is a little later."""
        if client.flush(self._delivery_timeout_s + _GRACE_S):
            client.purge()
            client.flush(_GRACE_S)
            if client is self._client:
                self.close(0.0)

    def _ours(self, error: Any, topic: str, size_bytes: int = 0) -> TransportError:
        return self._troubles.explain(
            error, topic=topic, size_bytes=size_bytes, limit_bytes=self._max_message_bytes
        )

    def close(self, timeout_s: float) -> None:
        """See `Producer.close`. Nothing is in its queues: each `send` has settled what it brought."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.purge()
                client.flush(timeout_s)

    def abandon_in_child(self) -> None:
        """See `Producer.abandon_in_child`."""
        client, self._client = self._client, None
        if client is not None:
            # Its destructor would wait for threads that are not here: it must never run.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))


class _Headers:
    """Headers of records of one producer; what they share is made once."""

    def __init__(self, producer_id: str, namespace: str) -> None:
        self._prefix = producer_id.encode() + b"-"
        self._namespace = namespace
        self._dataset = ""
        self._since = self._until = 0
        self._shared: tuple[tuple[str, bytes], tuple[str, bytes]] | None = None

    def __call__(self, sequence: int, timestamp_us: int, dataset: str) -> list[tuple[str, bytes]] | None:
        """Return the headers of a record; None if its event time belongs to no calendar."""
        if not self._since <= timestamp_us < self._until or dataset != self._dataset:
            index = index_of(dataset, self._namespace, timestamp_us)
            if index is None:
                return None
            self._since, self._dataset = timestamp_us // DAY_US * DAY_US, dataset
            self._until = self._since + DAY_US
            self._shared = ((DATASET, dataset.encode()), (INDEX, index.encode()))
        if self._shared is None:
            return None
        return [
            (EVENT_ID, b"%b%d" % (self._prefix, sequence)),
            *self._shared,
            (TIMESTAMP, b"%d" % timestamp_us),
            _SCHEMA,
        ]
