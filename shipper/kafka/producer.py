"""Send messages and learn the fate of each: `acks=all`, idempotent where the broker can, bounded in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from shipper.config import KafkaSettings
from shipper.errors import RecordTooLarge, TransportError
from shipper.kafka import allow_import
from shipper.kafka.choice import Client, writing_client
from shipper.kafka.message import Acknowledged, Failures, Message, Outcome
from shipper.kafka.wire import BlockLimits
from shipper.loading import LOADING
from shipper.record import RecordBatch

__all__ = ["Acknowledged", "Message", "Outcome", "Producer", "ProducerClient"]

_BLOCK_BYTES = 4 << 20
_BLOCK_RECORDS = 6000


class ProducerClient(Protocol):
    """What each client library does for `Producer`: one attempt, each record's fate. Same words, same errors."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Try all once; return the outcome of each. Never raises."""

    def begin_records(
        self, topic: str, batch: RecordBatch, places: Sequence[int], namespace: str, limits: BlockLimits
    ) -> Callable[[], Failures]:
        """Try the records at `places` once; what is returned waits, and tells which were not stored. Neither raises."""

    def close(self, timeout_s: float) -> None:
        """See `Producer.close`."""

    def abandon_in_child(self) -> None:
        """See `Producer.abandon_in_child`."""


class Producer:
    """A producer for one thread. It connects at the first `send`, and again whenever that is needed.

    Nothing stays in its memory: `send` returns when each message of the call has its outcome.

    Attributes:
        client: name of the library behind it.

    Args:
        max_message_bytes: larger messages are refused without asking the broker; None: `max_record_bytes`.
    """

    def __init__(
        self, settings: KafkaSettings, *, client_id: str = "shipper", max_message_bytes: int | None = None
    ) -> None:
        """Raises ConfigurationError if the client library asked for is not installed."""
        self._max_message_bytes = max_message_bytes or settings.max_record_bytes
        self.client = writing_client(settings)
        self._producer = _make(self.client, settings, client_id, self._max_message_bytes)
        self._limits = BlockLimits(_BLOCK_RECORDS, _BLOCK_BYTES, self._max_message_bytes)

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

        When the broker refuses one message for its size, it refuses the whole batch around it, and the client says
        the same of others that it holds. They are sent again in halves, so that one bad message costs some round
        trips, not good ones their place on the topic.
        """
        outcomes = self._producer.send(messages)
        if len(messages) == 1 or all(isinstance(o, Acknowledged) or o.retriable for o in outcomes):
            return outcomes
        open_ones = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, Acknowledged)]
        for part in _halves(open_ones):
            again = self._send([messages[index] for index in part]) if part else []
            for index, outcome in zip(part, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def send_records(self, topic: str, batch: RecordBatch, namespace: str) -> dict[int, TransportError]:
        """Send records with their headers; return why, for each that was not stored, by its place in the batch.

        Never raises; blocks as `send` does.
        """
        return self.begin_records(topic, batch, namespace)()

    def begin_records(
        self, topic: str, batch: RecordBatch, namespace: str
    ) -> Callable[[], dict[int, TransportError]]:
        """Begin to send records; what is returned waits for them, and answers as `send_records` does.

        Several batches may be under way; ask them in the order in which they were begun.
        """
        places = range(len(batch))
        first = self._producer.begin_records(topic, batch, places, namespace, self._limits)

        def failures() -> dict[int, TransportError]:
            found = self._believed(first(), topic, batch, places, namespace)
            return {**found.answered, **found.ours}

        return failures

    def _believed(
        self, failures: Failures, topic: str, batch: RecordBatch, places: Sequence[int], namespace: str
    ) -> Failures:
        """Believe a refusal only of a record that was sent alone: see `_send`."""
        refused = failures.refused()
        if not refused or len(places) == 1:
            return failures
        for place in refused:
            del failures.answered[place]
        for part in _halves(refused):
            if part:
                sent = self._producer.begin_records(topic, batch, part, namespace, self._limits)
                again = self._believed(sent(), topic, batch, part, namespace)
                failures.answered |= again.answered
                failures.ours |= again.ours
        return failures

    def close(self, timeout_s: float) -> None:
        """Let go of the connection within about `timeout_s` seconds; a later `send` connects again."""
        self._producer.close(timeout_s)

    def abandon_in_child(self) -> None:
        """In a forked child: forget the parent's connection; using or closing it would disturb the parent."""
        self._producer.abandon_in_child()


def _halves(places: list[int]) -> tuple[list[int], list[int]]:
    middle = len(places) // 2
    return places[:middle], places[middle:]


def _make(client: Client, settings: KafkaSettings, client_id: str, max_message_bytes: int) -> ProducerClient:
    """Make the producer of a library; the other library is not even loaded."""
    allow_import()
    if client == "confluent-kafka":
        with LOADING:
            from shipper.kafka.confluent_producer import ConfluentProducer  # noqa: PLC0415

        return ConfluentProducer(settings, client_id, max_message_bytes)
    with LOADING:
        from shipper.kafka.python_producer import PythonProducer  # noqa: PLC0415

    return PythonProducer(settings, client_id, max_message_bytes)
