"""A spool, a sink that does as it is told, and what ships from the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shipper.clock import Clock, ManualClock
from shipper.errors import BrokerUnavailable, RecordTooLarge, ShipperError
from shipper.observe.counters import Counters
from shipper.observe.health import Health
from shipper.observe.report import Reporter
from shipper.record import Record
from shipper.ship.batch import BatchLimits
from shipper.ship.dead_letter import Refusal
from shipper.ship.retry import Backoff
from shipper.ship.shipment import Shipment, Shipping
from shipper.ship.sink import ACCEPTED, Delivery, SinkAtOnce
from shipper.spool.reader import SpoolReader
from tests.unit.spool.bench import Bench

AWAY = BrokerUnavailable("nowhere:9092", "no answer")


class ToldSink(SinkAtOnce):
    """Accepts everything, unless `answer` or `letters_answer` says otherwise for a record."""

    def __init__(self) -> None:
        self.answer: Callable[[Record], ShipperError | None] = lambda _record: None
        self.letters_answer: Callable[[Refusal], ShipperError | None] = lambda _refusal: None
        self.accepted: list[int] = []
        self.attempts: list[list[int]] = []
        self.letters: list[Refusal] = []
        self.is_closed = False
        self.is_abandoned = False

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        self.attempts.append([record.sequence for record in batch])
        deliveries = []
        for record in batch:
            error = self.answer(record)
            if error is None:
                self.accepted.append(record.sequence)
            deliveries.append(ACCEPTED if error is None else Delivery(error))
        return deliveries

    def write(self, refusals: Sequence[Refusal]) -> Sequence[Delivery]:
        deliveries = []
        for refusal in refusals:
            error = self.letters_answer(refusal)
            if error is None:
                self.letters.append(refusal)
            deliveries.append(ACCEPTED if error is None else Delivery(error))
        return deliveries

    def close(self, timeout_s: float) -> None:
        self.is_closed = True

    def abandon_in_child(self) -> None:
        self.is_abandoned = True


def too_large_over(size_bytes: int) -> Callable[[Record], ShipperError | None]:
    """Refuse records of more bytes for good."""
    return lambda record: (
        RecordTooLarge(len(record.payload), size_bytes) if len(record.payload) > size_bytes else None
    )


class Rig:
    """Everything that a shipment needs, with a clock that is moved by hand unless another is given."""

    def __init__(self, root: Path, clock: Clock | None = None, **limits: Any) -> None:
        self.bench = Bench(root)
        self.clock = clock or ManualClock()
        self.sink = ToldSink()
        self.counters = Counters()
        self.told: list[str] = []
        self.health = Health(self.clock)
        self.shipping = Shipping(
            self.sink,
            self.sink,
            BatchLimits(**{"max_records": 10, "max_bytes": 1 << 20, "linger_s": 0.2, **limits}),
            Backoff(0.1, 2.0),
            self.clock,
            lambda: 0.5,
            self.health,
            Reporter(self.clock, write=self.told.append),
        )

    def shipment(self, *, is_own: bool = False) -> Shipment:
        """Ship the only folder under the root."""
        reader = SpoolReader.open(self.bench.folder())
        assert reader is not None
        return Shipment(reader, self.shipping, self.counters, is_own=is_own)

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)
