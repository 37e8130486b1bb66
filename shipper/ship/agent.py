"""Ship all spools of a host from one process: `shipper agent`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shipper.clock import Clock
from shipper.observe.counters import Counters, Snapshot
from shipper.observe.health import HealthReport
from shipper.ship.fleet import Adoption, Fleet
from shipper.ship.shipment import Shipping
from shipper.spool.directory import SpoolMeta

MAX_FOLDERS: Final = 1024
_IDLE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What the agent has done since it started, and what it has before it.

    Attributes:
        folders: spool folders in hand now.
        finished_folders: folders of dead processes, shipped whole and removed.
        foreign_folders: folders whose records belong elsewhere; not touched.
        counts: of records; `emitted` are those read from spools.
    """

    folders: int
    finished_folders: int
    foreign_folders: int
    counts: Snapshot
    health: HealthReport

    def as_dict(self) -> dict[str, object]:
        """Return everything under its name, ready for JSON."""
        return {
            "folders": self.folders,
            "finished_folders": self.finished_folders,
            "foreign_folders": self.foreign_folders,
            "records": self.counts.as_dict(),
            "oldest_unsent_s": self.health.oldest_unsent_s,
            "last_delivery_age_s": self.health.last_delivery_age_s,
            "trouble": self.health.trouble,
        }


class Agent:
    """Ships every folder under a root that nobody else ships; runs in the calling thread.

    Args:
        shipping: what records are sent with; `shipping_for` refines it per folder.
        status_interval_s: `on_status` is called this often.
    """

    def __init__(
        self,
        shipping: Shipping,
        adoption: Adoption,
        *,
        shipping_for: Callable[[SpoolMeta], Shipping] | None = None,
        on_status: Callable[[AgentStatus], None] = lambda _status: None,
        status_interval_s: float = 30.0,
    ) -> None:
        self._shipping = shipping
        self._clock: Clock = shipping.clock
        self._counters = Counters()
        self._fleet = Fleet(shipping, self._counters, adoption, shipping_for)
        self._on_status = on_status
        self._status_interval_s = status_interval_s

    def status(self) -> AgentStatus:
        """Return the state now."""
        return AgentStatus(
            len(self._fleet.adopted),
            self._fleet.finished_folders,
            self._fleet.foreign_folders,
            self._counters.snapshot(),
            self._shipping.health.report(),
        )

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set; what is not sent then stays in the spools."""
        self._loop(stop, lambda: False)

    def run_once(self, stop: threading.Event, timeout_s: float) -> bool:
        """Ship what is there now, then return whether all of it was sent within `timeout_s` seconds."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        return self._loop(stop, lambda: self._clock.monotonic_s() >= deadline_s, is_once=True)

    def _loop(self, stop: threading.Event, is_late: Callable[[], bool], *, is_once: bool = False) -> bool:
        """Return whether nothing was left to send, with `is_once`."""
        next_status_s = self._clock.monotonic_s() + self._status_interval_s
        is_idle = False
        try:
            while not stop.is_set() and not is_late():
                # With `is_once` the root is looked through again when all is sent: it ends if that brings nothing.
                self._fleet.adopt(is_forced=is_idle)
                wait_s = self._fleet.turn(is_urgent=is_once, should_stop=lambda: stop.is_set() or is_late())
                if self._clock.monotonic_s() >= next_status_s:
                    next_status_s = self._clock.monotonic_s() + self._status_interval_s
                    self._on_status(self.status())
                if is_once and wait_s is None and not stop.is_set():
                    if is_idle:
                        return True
                    is_idle = True
                    continue
                is_idle = False
                self._clock.wait(stop, _IDLE_S if wait_s is None else min(wait_s, _IDLE_S))
            return False
        finally:
            self._fleet.close()
            self._shipping.sink.close(1.0)
