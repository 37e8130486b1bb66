"""The producer over kafka-python; what it promises: `producer.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer, TopicPartition

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, TopicMissing, TransportError
from shipper.kafka.block_size import BlockSize
from shipper.kafka.connection import client_options, open_client
from shipper.kafka.failure import needs_new_client, to_transport_error
from shipper.kafka.headers import record_messages
from shipper.kafka.message import Acknowledged, Failures, Message, Outcome
from shipper.kafka.raw_batch import RawRecords, enqueue, fits
from shipper.kafka.wire import BlockLimits, blocks
from shipper.record import RecordBatch

_REQUEST_OVERHEAD_BYTES: Final = 16 << 10
_BATCH_BYTES: Final = 256 << 10
_LINGER_MS: Final = 50
_METADATA_WAIT_S: Final = 2.0
_METADATA_PAUSE_MS: Final = 20
"""Between two questions for metadata. The client's first, at its start, names no topic; the one that does follows at once,
and would wait for the client's own 100 ms: longer than all else that a connection takes."""
_GRACE_S: Final = 5.0


class _Sent(NamedTuple):
    """A block on its way: what it holds, and who knows what became of it."""

    places: Sequence[int]
    payload_bytes: int
    records: RawRecords
    future: Any


class PythonProducer:
    """A `ProducerClient`."""

    def __init__(self, settings: KafkaSettings, client_id: str, max_message_bytes: int) -> None:
        self._settings = settings
        self._client_id = client_id
        self._max_message_bytes = max_message_bytes
        self._delivery_timeout_s = 2 * settings.request_timeout_s
        self._client: Any = None
        self._block_size = BlockSize(is_compressed=settings.compression != "none")

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `ProducerClient.send`."""
        try:
            client = self._connect()
            missing = self._missing_topics(client, {message.topic for message in messages})
        except TransportError as error:
            return [error] * len(messages)
        results: list[Any] = []
        broken: Exception | None = None
        for message in messages:
            if message.topic in missing:
                results.append(TopicMissing(message.topic))
            elif broken is not None:
                results.append(broken)  # each further call would wait for the same thing
            else:
                try:
                    results.append(
                        client.send(
                            message.topic, key=message.key, value=message.value, headers=list(message.headers)
                        )
                    )
                except Exception as error:  # noqa: BLE001  # whatever the client raises is an outcome
                    broken = None if not needs_new_client(error) and not _is_transient(error) else error
                    results.append(error)
        return self._outcomes(client, messages, results)

    def begin_records(
        self, topic: str, batch: RecordBatch, places: Sequence[int], namespace: str, limits: BlockLimits
    ) -> Callable[[], Failures]:
        """See `ProducerClient.begin_records`. While one block is made the client compresses and sends another."""
        try:
            client = self._connect()
            if self._missing_topics(client, {topic}):
                return partial(_all, places, TopicMissing(topic))
        except TransportError as error:
            return partial(_all, places, error)
        if not fits(client):
            return partial(self._send_as_messages, topic, batch, places, namespace)
        failures = Failures()
        sent: list[_Sent] = []
        try:
            key = batch.producer_id.encode()
            partition = TopicPartition(topic, client._partition(topic, None, key, None, key, None))  # noqa: SLF001
            now_ms = time.time_ns() // 1_000_000
            fitting = self._block_size.within(limits)
            for block in blocks(batch, places, namespace, fitting, failures.ours):
                records = RawRecords(block.body, len(block.places), now_ms, self._settings.compression)
                future = enqueue(client, partition, records)
                sent.append(_Sent(block.places, block.payload_bytes, records, future))
        except Exception as error:  # noqa: BLE001  # whatever the client raises is an outcome
            done = {place for one in sent for place in one.places} | failures.ours.keys()
            ours = self._ours(error, topic)
            failures.answered |= {place: ours for place in places if place not in done}
            self._drop_client_after(error)
        return partial(self._await_blocks, topic, batch, sent, failures)

    def _await_blocks(
        self, topic: str, batch: RecordBatch, sent: Sequence[_Sent], failures: Failures
    ) -> Failures:
        """Note what became of each block. The client's deadlines bound each; ours is a little later."""
        deadline_s = time.monotonic() + self._delivery_timeout_s + _GRACE_S
        worst: Exception | None = None
        for one in sent:
            one.future.wait(max(0.0, deadline_s - time.monotonic()))
            error = _error_of_block(one.future)
            if error is None:
                self._block_size.stored(one.payload_bytes, one.records.size_in_bytes())
                continue
            self._block_size.refused()
            worst = error if worst is None or needs_new_client(error) else worst
            for place in one.places:
                size_bytes = len(batch.rows[place][4])
                failures.answered[place] = self._ours(error, topic, size_bytes)
        if worst is not None:
            self._drop_client_after(worst)
        return failures

    def _send_as_messages(
        self, topic: str, batch: RecordBatch, places: Sequence[int], namespace: str
    ) -> Failures:
        """The client's own way, slower: for a version of it whose inside is not the one we know."""
        failures = Failures()
        found = list(record_messages(topic, batch, places, namespace, self._max_message_bytes, failures.ours))
        for (place, _), outcome in zip(found, self.send([message for _, message in found]), strict=True):
            if isinstance(outcome, TransportError):
                failures.answered[place] = outcome
        return failures

    def _connect(self) -> Any:
        if self._client is None:
            settings = self._settings
            client = open_client(
                KafkaProducer,
                settings,
                {
                    **client_options(settings, self._client_id),
                    "acks": "all",
                    "compression_type": None if settings.compression == "none" else settings.compression,
                    "batch_size": _BATCH_BYTES,
                    # Each `send` ends in a flush; until then the client's thread had better leave us the processor.
                    "linger_ms": _LINGER_MS,
                    "max_request_size": max(1 << 20, self._max_message_bytes + _REQUEST_OVERHEAD_BYTES),
                    "max_block_ms": round(min(_METADATA_WAIT_S, settings.request_timeout_s) * 1000),
                    "delivery_timeout_ms": round(self._delivery_timeout_s * 1000),
                    "allow_auto_create_topics": False,
                    "metrics_enabled": False,
                },
            )
            # Its exit hook would wait a second of its own at the process's end; our owner closes us (U03).
            with suppress(AttributeError):
                client._unregister_cleanup()  # noqa: SLF001
            with suppress(AttributeError, TypeError):
                client._metadata.config["retry_backoff_ms"] = _METADATA_PAUSE_MS  # noqa: SLF001
            self._client = client
        return self._client

    def _missing_topics(self, client: Any, topics: set[str]) -> set[str]:
        """Return the topics that the brokers say do not exist. Raises TransportError if no broker says anything."""
        missing: set[str] = set()
        for topic in topics:
            asked_ms = time.monotonic() * 1000
            try:
                client.partitions_for(topic)
            except Exception as error:  # whatever the client raises
                if isinstance(self._ours(error, topic), TopicMissing) or _was_answered(client, asked_ms):
                    missing.add(topic)
                    continue
                self._drop_client_after(error)
                raise self._ours(error, topic) from error
        return missing

    def _outcomes(self, client: Any, messages: Sequence[Message], results: Sequence[Any]) -> list[Outcome]:
        deadline_s = time.monotonic() + self._delivery_timeout_s + _GRACE_S
        with suppress(Exception):  # each message tells by itself what became of it
            client.flush(timeout=deadline_s - time.monotonic())
        for result in results:
            if not isinstance(result, Exception) and not result.is_done:
                # A batch that was too large as a whole was split: flush knows only the first attempt.
                with suppress(Exception):
                    result.get(timeout=max(0.0, deadline_s - time.monotonic()))
        outcomes: list[Outcome] = []
        worst: Exception | None = None
        for message, result in zip(messages, results, strict=True):
            if isinstance(result, TransportError):
                outcomes.append(result)
                continue
            error = result if isinstance(result, Exception) else _error_of(result)
            if error is None:
                stored = result.value
                outcomes.append(Acknowledged(stored.topic, stored.partition, stored.offset))
            else:
                worst = error if worst is None or needs_new_client(error) else worst
                outcomes.append(self._ours(error, message.topic, message.size_bytes))
        if worst is not None:
            self._drop_client_after(worst)
        return outcomes

    def _ours(self, error: Exception, topic: str, size_bytes: int = 0) -> TransportError:
        return to_transport_error(
            error,
            bootstrap_servers=self._settings.bootstrap_servers,
            topic=topic,
            size_bytes=size_bytes,
        )

    def _drop_client_after(self, error: Exception) -> None:
        if needs_new_client(error):
            self.close(0.0)

    def close(self, timeout_s: float) -> None:
        """See `Producer.close`."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.close(timeout=timeout_s)
        except Exception:  # noqa: BLE001  # messages without an outcome: they were reported as such
            with suppress(Exception):
                client._sender.force_close()  # noqa: SLF001
                client._sender.join(timeout_s)  # noqa: SLF001
                client._closed = True  # noqa: SLF001

    def abandon_in_child(self) -> None:
        """See `Producer.abandon_in_child`."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(AttributeError):
                client._closed = True  # noqa: SLF001  # or its destructor would wait for a thread that is not here


class _NoOutcomeError(Exception):
    """The client has not said what became of a message, long after it should have."""

    retriable = False

    def __init__(self) -> None:
        super().__init__("the client gave no outcome in time")


def _error_of(future: Any) -> Exception | None:
    if not future.is_done:
        return _NoOutcomeError()
    failure = future.exception
    if failure is None or isinstance(failure, Exception):
        return failure
    return BrokerUnavailable("", str(failure))


def _is_transient(error: Exception) -> bool:
    """Return whether the next message would run into the same: no metadata, no broker."""
    return bool(getattr(error, "retriable", False))


def _was_answered(client: Any, asked_ms: float) -> bool:
    """Return whether brokers answered since `asked_ms`: then the topic is missing, not the broker."""
    try:
        return bool(client._metadata._last_successful_refresh_ms >= asked_ms)  # noqa: SLF001
    except AttributeError:
        return False


def _error_of_block(future: Any) -> Exception | None:
    if not future.is_done:
        return _NoOutcomeError()
    if future.failed():
        return _error_of(future)
    _offset, _timestamp_ms, error_of_record = future.value
    if error_of_record is None:
        return None
    error = error_of_record(0)
    return error if isinstance(error, Exception) else BrokerUnavailable("", str(error))


def _all(places: Sequence[int], error: TransportError) -> Failures:
    return Failures(answered=dict.fromkeys(places, error))
