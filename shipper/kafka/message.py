"""What a producer is given and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from shipper.errors import TransportError

_MESSAGE_OVERHEAD_BYTES: Final = 128


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


@dataclass(slots=True)
class Failures:
    """Which records of a batch were not stored, by their place in it; all others were.

    Attributes:
        answered: the broker or the client says so. A refusal may be meant for a neighbour of the record.
        ours: refused by ourselves; nobody was asked.
    """

    answered: dict[int, TransportError] = field(default_factory=dict)
    ours: dict[int, TransportError] = field(default_factory=dict)

    def refused(self) -> list[int]:
        """Return the places of records that were refused for good by somebody else than us."""
        return sorted(place for place, error in self.answered.items() if not error.retriable)
