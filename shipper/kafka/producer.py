"""Send messages and learn the fate of each: `acks=all`, idempotent where the broker can, bounded in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaProducer

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, RecordTooLarge, TopicMissing, TransportError
from shipper.kafka.connection import client_options, open_client
from shipper.kafka.failure import needs_new_client, to_transport_error

_REQUEST_OVERHEAD_BYTES: Final = 16 << 10
_MESSAGE_OVERHEAD_BYTES: Final = 128
_BATCH_BYTES: Final = 256 << 10
_LINGER_MS: Final = 50
_METADATA_WAIT_S: Final = 2.0
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes on the wire before compression, rounded up."""
        headers = sum(len(name) + len(value) + 10 for name, value in self.headers)
        return len(self.key) + len(self.value) + headers + _MESSAGE_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where Kafka stored a message."""

    topic: str
    partition: int
    offset: int


Outcome = Acknowledged | TransportError


class Producer:
    """A producer for one thread. It connects at the first `send`, and again whenever that is needed.

    Nothing stays in its memory: `send` returns when each message of the call has its outcome.

    Args:
        max_message_bytes: larger messages are refused without asking the broker; None: `max_record_bytes`.
    """

    def __init__(
        self, settings: KafkaSettings, *, client_id: str = "shipper", max_message_bytes: int | None = None
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._max_message_bytes = max_message_bytes or settings.max_record_bytes
        self._delivery_timeout_s = 2 * settings.request_timeout_s
        self._client: Any = None

    @property
    def max_message_bytes(self) -> int:
        """The limit of one message: key, value and headers, before compression."""
        return self._max_message_bytes

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send all; return the outcome of each, in order. Never raises.

        Blocks at most about three request timeouts (longer if messages are refused one by one).

        A retriable outcome says nothing about whether the message was stored.
        """
        outcomes: list[Outcome | None] = [self._refusal(message) for message in messages]
        fitting = [index for index, outcome in enumerate(outcomes) if outcome is None]
        if fitting:
            for index, outcome in zip(
                fitting, self._send([messages[index] for index in fitting]), strict=True
            ):
                outcomes[index] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _refusal(self, message: Message) -> RecordTooLarge | None:
        if message.size_bytes > self._max_message_bytes:
            return RecordTooLarge(message.size_bytes, self._max_message_bytes)
        return None

    def _send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send, and believe a refusal only of a message that was sent alone.

        When the broker refuses one message for its size, the client's state is broken, and it says the same of all
        others that it holds. They are sent again in halves, so that one bad message costs some round trips, not
        good ones their place on the topic.
        """
        outcomes = self._send_together(messages)
        if len(messages) == 1 or all(isinstance(o, Acknowledged) or o.retriable for o in outcomes):
            return outcomes
        open_ones = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, Acknowledged)]
        middle = len(open_ones) // 2
        for part in (open_ones[:middle], open_ones[middle:]):
            again = self._send([messages[index] for index in part]) if part else []
            for index, outcome in zip(part, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def _send_together(self, messages: Sequence[Message]) -> list[Outcome]:
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
        """Let go of the connection within about `timeout_s` seconds; a later `send` connects again."""
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
        """In a forked child: forget the parent's connection; using or closing it would disturb the parent."""
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
