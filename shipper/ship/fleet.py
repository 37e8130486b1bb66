"""All shipments of one process: its own folder, and folders that it adopts under the spool root."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shipper.errors import SpoolUnreadable
from shipper.observe.counters import Counters
from shipper.ship.shipment import Shipment, Shipping
from shipper.spool.directory import SpoolMeta, read_meta, scan, sweep, writer_is_alive
from shipper.spool.reader import SpoolReader


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which folders of a root are shipped besides the own one.

    Attributes:
        root: the spool root.
        accepts: whether records of such a folder belong where this process sends records.
        is_agent: also ship folders whose writer lives and leaves shipping to an agent.
        max_folders: so many at a time; memory and descriptors are bounded by it.
        interval_s: the root is looked through this often.
    """

    root: Path
    accepts: Callable[[SpoolMeta], bool]
    is_agent: bool = False
    max_folders: int = 4
    interval_s: float = 10.0


class Fleet:
    """Holds the shipments and gives each its turn; for one thread.

    Attributes:
        own: the folder that this process writes.
        adopted: others, by path.
        finished_folders: shipped whole and removed.
        foreign_folders: seen at the last look, and not accepted.

    Args:
        shipping_for: what a folder's records are sent with; asked once per folder.
        counters: of adopted records; the own folder has its own counters.
    """

    def __init__(
        self,
        shipping: Shipping,
        counters: Counters,
        adoption: Adoption | None,
        shipping_for: Callable[[SpoolMeta], Shipping] | None = None,
    ) -> None:
        self._shipping = shipping
        self._shipping_for = shipping_for or (lambda _meta: shipping)
        self._counters = counters
        self._adoption = adoption
        self._next_scan_s = float("-inf")
        self.own: Shipment | None = None
        self.adopted: dict[Path, Shipment] = {}
        self.finished_folders = 0
        self.foreign_folders = 0
        self._cut_off: Shipment | None = None

    def take_own(self, directory: Path, counters: Counters) -> bool:
        """Start shipping the folder that this process writes; False if another reader has it."""
        reader = self._open(directory)
        if reader is not None:
            self.own = Shipment(reader, self._shipping, counters, is_own=True)
        return reader is not None

    def _open(self, directory: Path) -> SpoolReader | None:
        try:
            return SpoolReader.open(directory)
        except SpoolUnreadable as error:
            self._shipping.reporter.report("spool.unreadable", str(error))
            return None

    def adopt(self, *, is_forced: bool = False) -> None:
        """Look through the root, if it is time to, and take what nobody ships."""
        adoption = self._adoption
        now_s = self._shipping.clock.monotonic_s()
        if adoption is None or (now_s < self._next_scan_s and not is_forced):
            return
        self._next_scan_s = now_s + adoption.interval_s
        with contextlib.suppress(OSError):  # an unreadable root holds nothing that we could ship
            sweep(adoption.root)
            self.foreign_folders = 0
            for directory in scan(adoption.root):
                if len(self.adopted) >= adoption.max_folders:
                    return
                self._consider(directory, adoption)

    def _consider(self, directory: Path, adoption: Adoption) -> None:
        is_own = self.own is not None and self.own.reader.directory == directory
        if is_own or directory in self.adopted:
            return
        meta = read_meta(directory)
        if not adoption.accepts(meta):
            self.foreign_folders += 1
            return
        if writer_is_alive(directory) and not (adoption.is_agent and meta.shipped_by == "agent"):
            return
        reader = self._open(directory)
        if reader is not None:
            self.adopted[directory] = Shipment(reader, self._shipping_for(meta), self._counters, is_own=False)

    def turn(
        self, *, is_urgent: bool = False, only_own: bool = False, should_stop: Callable[[], bool] = bool
    ) -> float | None:
        """Give each shipment one turn, the own one first.

        Returns:
            Seconds until a turn can do something; None if nothing is there to do anywhere.
        """
        waits: list[float] = []
        for shipment in self._candidates(only_own=only_own):
            if should_stop():
                break
            wait_s = shipment.turn(is_urgent=is_urgent)
            if wait_s is not None:
                waits.append(wait_s)
            elif shipment.remove_if_finished():
                self._forget(shipment)
            if shipment.is_cut_off:
                # The others need not find out by themselves: each would hold a batch in memory for it.
                self._cut_off = shipment
                break
            self._cut_off = None
        ages = [shipment.oldest for shipment in self._shipments()]
        self._shipping.health.note_oldest(min((age for age in ages if age is not None), default=None))
        return min(waits, default=None)

    def _candidates(self, *, only_own: bool) -> list[Shipment]:
        if only_own:
            return [] if self.own is None else [self.own]
        return self._shipments() if self._cut_off is None else [self._cut_off, *self._shipments()]

    def _shipments(self) -> list[Shipment]:
        return [shipment for shipment in (self.own, *self.adopted.values()) if shipment is not None]

    def _forget(self, shipment: Shipment) -> None:
        self.finished_folders += 1
        if shipment is self.own:
            self.own = None
        if shipment is self._cut_off:
            self._cut_off = None
        self.adopted.pop(shipment.reader.directory, None)

    def close(self) -> None:
        """Let go of all folders; in a forked child this drops inherited descriptors only."""
        for shipment in self._shipments():
            shipment.close()
        self.own = self._cut_off = None
        self.adopted = {}
