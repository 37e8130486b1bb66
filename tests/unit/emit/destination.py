"""A destination in memory: fakes stand only where our process ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from shipper.record import Record
from shipper.ship.dead_letter import Refusal
from shipper.ship.sink import ACCEPTED, Delivery, SinkAtOnce


class MemoryDestination(SinkAtOnce):
    """Accepts all; with `is_hanging`, the first `send` blocks until `release` is set."""

    def __init__(self, *, is_hanging: bool = False) -> None:
        self.records: list[Record] = []
        self.refusals: list[Refusal] = []
        self.release = threading.Event()
        if not is_hanging:
            self.release.set()

    def send(self, batch: Sequence[Record]) -> list[Delivery]:
        """Take a batch."""
        self.release.wait(60)
        self.records.extend(batch)
        return [ACCEPTED] * len(batch)

    def write(self, refusals: Sequence[Refusal]) -> list[Delivery]:
        """Take refusals."""
        self.refusals.extend(refusals)
        return [ACCEPTED] * len(refusals)

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""

    def abandon_in_child(self) -> None:
        """Forget what the parent delivered."""
        self.records = []
