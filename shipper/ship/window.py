"""What a shipment has in hand: records read and not settled yet, and settled ones behind which others are open."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shipper.errors import ShipperError
from shipper.record import Record, RecordBatch
from shipper.ship.sink import ACCEPTED, Delivery
from shipper.spool.checkpoint import Position
from shipper.spool.run import SpooledRun


@dataclass(slots=True)
class Item:
    """A run of records that share one fate so far; it is taken apart into single ones when their fates part.

    Attributes:
        run: where they lie; None once they are settled (their bytes are not needed any more).
        position: behind the last of them.
        refused: why the only record of the run is not wanted.
        is_sent: its answer is awaited.
    """

    position: Position
    read_at_s: float
    run: SpooledRun | None
    refused: ShipperError | None = None
    is_sent: bool = False

    def apart(self) -> list[Item]:
        """Return one item for each record."""
        run = self.run
        if run is None or len(run.rows) == 1:
            return [self]
        return [
            Item(Position(run.segment, end, row[0]), self.read_at_s, one_row(run.segment, row, end))
            for row, end in zip(run.rows, run.ends, strict=True)
        ]


def one_row(segment: int, row: tuple[int, int, int, str, bytes], end: int) -> SpooledRun:
    """Return a run of one record."""
    return SpooledRun(segment, [row], [end], len(row[4]))


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt brought.

    Attributes:
        accepted, failed: how many records the destination has; how many may be accepted later.
        trouble: the first retriable error, or None.
    """

    accepted: int
    failed: int
    trouble: ShipperError | None


class Load(NamedTuple):
    """Records that are sent together, and the items that they come from."""

    items: Sequence[Item]
    records: RecordBatch


class Window:
    """Items in the order of the spool.

    Attributes:
        open_records, open_bytes: of those that are not settled, refused ones and those under way included.
        sent_records, sent_bytes: of those under way.
    """

    def __init__(self, producer_id: str) -> None:
        self._producer_id = producer_id
        self._items: deque[Item] = deque()
        self.open_records = self.open_bytes = 0
        self.sent_records = self.sent_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def waiting_records(self) -> int:
        """How many are open and not under way."""
        return self.open_records - self.sent_records

    @property
    def waiting_bytes(self) -> int:
        """Their bytes."""
        return self.open_bytes - self.sent_bytes

    def add(self, run: SpooledRun, now_s: float) -> None:
        """Take what was read."""
        self._items.append(Item(run.position, now_s, run))
        self.open_records += len(run.rows)
        self.open_bytes += run.size_bytes

    def fresh(self) -> Load:
        """Return the records that are to be sent: open, not refused, not under way. `settle` takes their answers."""
        items = [
            item for item in self._items if item.run is not None and item.refused is None and not item.is_sent
        ]
        runs = [item.run for item in items if item.run is not None]
        for item in items:
            item.is_sent = True
        rows = runs[0].rows if len(runs) == 1 else [row for run in runs for row in run.rows]
        self.sent_records += len(rows)
        self.sent_bytes += sum(run.size_bytes for run in runs)
        return Load(items, RecordBatch(self._producer_id, rows))

    def settle(self, load: Load, deliveries: Sequence[Delivery]) -> Settled:
        """Take the answers for the records of a load, in the same order.

        Raises:
            ValueError: a sink has not answered for each record; none of them counts as accepted.
        """
        self.take_back(load)
        asked = len(load.records)
        if len(deliveries) != asked:
            raise ValueError(f"a sink gave {len(deliveries)} deliveries for {asked} records")
        if deliveries.count(ACCEPTED) == asked:
            for item in load.items:
                self._close(item)
            return Settled(asked, 0, None)
        return self._settle_apart(load, deliveries)

    def take_back(self, load: Load) -> None:
        """Nobody answers for a load any more: its records are to be sent. Twice is harmless."""
        for item in load.items:
            if item.is_sent and item.run is not None:
                item.is_sent = False
                self.sent_records -= len(item.run.rows)
                self.sent_bytes -= item.run.size_bytes

    def _settle_apart(self, load: Load, deliveries: Sequence[Delivery]) -> Settled:
        answers = iter(deliveries)
        accepted, failed = 0, 0
        trouble: ShipperError | None = None
        apart = {id(item): item.apart() for item in load.items}
        for item in load.items:
            for one in apart[id(item)]:
                error = next(answers).error
                if error is None:
                    accepted += 1
                    self._close(one)
                elif error.retriable:
                    failed += 1
                    trouble = trouble or error
                else:
                    one.refused = error
        self._items = deque(one for item in self._items for one in apart.get(id(item), (item,)))
        return Settled(accepted, failed, trouble)

    def refused(self) -> list[tuple[Item, Record, ShipperError]]:
        """Return the records that the destination does not want and nobody has taken yet."""
        return [
            (item, RecordBatch(self._producer_id, item.run.rows)[0], item.refused)
            for item in self._items
            if item.run is not None and item.refused is not None
        ]

    def bury(self, item: Item) -> None:
        """A refused record is kept elsewhere now."""
        self._close(item)

    def _close(self, item: Item) -> None:
        if item.run is not None:
            self.open_records -= len(item.run.rows)
            self.open_bytes -= item.run.size_bytes
            item.run = None

    def take_settled(self) -> Position | None:
        """Return the place up to which everything is settled, and forget what lies before; None if nothing new is."""
        found: Position | None = None
        while self._items and self._items[0].run is None:
            found = self._items.popleft().position
        return found

    @property
    def oldest(self) -> tuple[float, int] | None:
        """When the oldest open record was read (monotonic clock, seconds) and its event time (µs); None if none."""
        for item in self._items:
            if item.run is not None:
                return item.read_at_s, item.run.rows[0][1]
        return None
