"""Records refused for good: kept whole, with the reason and the place they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shipper.errors import RecordTooLarge, ShipperError
from shipper.record import Record
from shipper.ship.sink import Delivery


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record, why it was refused, and where it lies in the spool.

    Attributes:
        position: `<producer>/<segment>@<offset>`, for people.
    """

    record: Record
    error: ShipperError
    position: str

    @property
    def reason(self) -> str:
        """One word, the name under which it is counted."""
        return "too_large" if isinstance(self.error, RecordTooLarge) else "refused"


class DeadLetters(Protocol):
    """Where refusals go. Same duties as a `Sink`."""

    def write(self, refusals: Sequence[Refusal]) -> Sequence[Delivery]:
        """Try to keep all of them; return one delivery per refusal, in the same order."""
