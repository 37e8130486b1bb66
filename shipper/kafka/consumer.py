"""Read records as a member of a consumer group; offsets are committed by the caller, never by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shipper.config import KafkaSettings
from shipper.kafka import allow_import
from shipper.kafka.choice import Client, reading_client
from shipper.kafka.consumed import Batch, ConsumedRecord

__all__ = ["Batch", "ConsumedRecord", "Consumer", "ConsumerClient"]


class ConsumerClient(Protocol):
    """What each client library does for `Consumer`; the same words, the same errors."""

    def poll(self, timeout_s: float, max_records: int | None = None) -> list[ConsumedRecord]:
        """See `Consumer.poll`."""

    def take(self, timeout_s: float, max_records: int | None = None) -> Batch:
        """See `Consumer.take`."""

    def keep_alive(self) -> None:
        """See `Consumer.keep_alive`."""

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """See `Consumer.commit`."""

    def remaining(self) -> int | None:
        """See `Consumer.remaining`."""

    def assignment(self) -> set[tuple[str, int]]:
        """See `Consumer.assignment`."""

    def close(self, timeout_s: float) -> None:
        """See `Consumer.close`."""


def _maker(client: Client) -> Callable[..., ConsumerClient]:
    """Return what makes a consumer; the other library is not even loaded."""
    allow_import()
    if client == "confluent-kafka":
        from shipper.kafka.confluent_consumer import ConfluentConsumer  # noqa: PLC0415

        return ConfluentConsumer
    from shipper.kafka.python_consumer import PythonConsumer  # noqa: PLC0415

    return PythonConsumer


class Consumer:
    """A member of a group, for one thread. It joins at the first `poll`.

    Attributes:
        client: name of the library behind it.

    Args:
        max_records: the most that one `poll` returns.
        session_timeout_s: the group gives the partitions of a dead member to others after this time.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        group: str,
        *,
        max_records: int = 500,
        client_id: str = "shipper",
        session_timeout_s: float = 15.0,
    ) -> None:
        """Connect. Raises TransportError (retriable) if no broker answers within `request_timeout_s`."""
        self.client = reading_client(settings)
        self._consumer = _maker(self.client)(
            settings,
            topics,
            group,
            max_records=max_records,
            client_id=client_id,
            session_timeout_s=session_timeout_s,
        )

    def poll(self, timeout_s: float, max_records: int | None = None) -> list[ConsumedRecord]:
        """Return the next records as soon as there are some, at the latest after `timeout_s` seconds; perhaps none.

        Raises:
            TransportError: AccessRefused, TopicMissing, GroupRebalanced. An outage is none: it brings no records.
        """
        return self._consumer.poll(timeout_s, max_records)

    def take(self, timeout_s: float, max_records: int | None = None) -> Batch:
        """Like `poll`, for who wants little more than the values. Raises as `poll` does."""
        return self._consumer.take(timeout_s, max_records)

    def keep_alive(self) -> None:
        """Stay a member without taking records, while those in hand take long. Raises TransportError."""
        self._consumer.keep_alive()

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Store the offset of the next record wanted, per (topic, partition).

        Raises:
            GroupRebalanced: partitions have changed hands; poll, then commit again. What was handled and not
                committed is handed to somebody again.
            TransportError: another reason.
        """
        self._consumer.commit(offsets)

    def remaining(self) -> int | None:
        """Return how many records are stored and not handed out yet; None while no partition is assigned.

        Raises TransportError.
        """
        return self._consumer.remaining()

    def assignment(self) -> set[tuple[str, int]]:
        """Return the (topic, partition) pairs that are ours now."""
        return self._consumer.assignment()

    def close(self, timeout_s: float = 5.0) -> None:
        """Leave the group, so that others take over at once; never raises."""
        self._consumer.close(timeout_s)
