"""What the indexer needs of Kafka, as protocols: `shipper/kafka` fulfils them, tests do so in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shipper.errors import ShipperError
from shipper.index.document import Refusal


class KafkaRecord(Protocol):
    """One record as the consumer hands it out."""

    @property
    def topic(self) -> str:
        """Its topic."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def value(self) -> bytes | None:
        """The document; None for a tombstone."""

    @property
    def headers(self) -> Mapping[str, bytes]:
        """Its headers by name."""


class RecordBatch(Protocol):
    """Records as the consumer hands them out together."""

    @property
    def values(self) -> Sequence[bytes | None]:
        """The value of each; None for a tombstone."""

    def __len__(self) -> int:
        """How many these are."""

    def record(self, position: int) -> KafkaRecord:
        """Return one of them whole."""

    def ends(self) -> Mapping[tuple[str, int], int]:
        """Return the offset behind the last record of each (topic, partition)."""


class RecordSource(Protocol):
    """What is needed of a Kafka consumer here."""

    def take(self, timeout_s: float) -> RecordBatch:
        """Wait for records, at most `timeout_s`."""

    def keep_alive(self) -> None:
        """Stay a member of the group without taking records."""

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Store the offset after the last finished record of each partition."""

    def remaining(self) -> int | None:
        """Records that are stored but not yet handed out; None while no partition is assigned."""


class DeadLetterSink(Protocol):
    """Where records go that are refused for good."""

    def write(self, refused: Sequence[tuple[KafkaRecord, Refusal]]) -> Sequence[ShipperError | None]:
        """Store the whole records with their reasons; None for each that is acknowledged."""
