"""Heartbeats: now and then a record of a process's own counters, through the same spool as all its records.

Those of an agent, an indexer and a detection job have the same shape and their `shipper.role`: what they count are the
records of others. They say that a process lives though it has nothing to log, and carry what no other record can tell: how many records
were dropped, and why. All counts are totals of one producer up to that moment, so a heartbeat that is lost or doubled
does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from shipper.clock import Clock
from shipper.observe.counters import Snapshot
from shipper.observe.health import HealthReport

DATASET: Final = "ml.health"
ACTION: Final = "heartbeat"
LOGGER: Final = "shipper.health"

ASKED_FOR: Final = frozenset({"sampled", "folded", "rate_limited"})
"""Reasons for drops that the settings ask for: they are told with the others, and are no news."""

NEWS_S: Final = 5.0
"""Drops are told after this time at the latest, whatever the interval: as a warning, for which a full spool keeps room."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat tells.

    Attributes:
        is_news: there are drops that no heartbeat has told of.
        next_s: the next one comes after so many seconds; 0: this is the last one.
    """

    fields: Mapping[str, object]
    message: str
    is_news: bool
    next_s: float


class Vital(Protocol):
    """Where the numbers come from."""

    def counts(self) -> Snapshot:
        """What became of each record."""

    def health(self) -> HealthReport:
        """How far behind shipping is."""

    def spool_bytes(self) -> int | None:
        """Size of the spool folder; None where there is none: then there is no heartbeat either."""


class Heart:
    """Beats for one pipeline: `beat` is called often and from any thread, and is cheap when nothing is due.

    Args:
        interval_s: seconds between heartbeats; 0: none, except at the end and for drops none either.
        send: makes a record; called outside of all locks of ours.
        about: what else is told each time, by field.
    """

    def __init__(
        self,
        interval_s: float,
        clock: Clock,
        vital: Vital,
        send: Callable[[Pulse], None],
        about: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._about = about
        self._interval_s = interval_s
        self._clock = clock
        self._vital = vital
        self._send = send
        self.reset_in_child()

    def reset_in_child(self) -> None:
        """In a forked child: no producer yet, a fresh lock."""
        self._lock = threading.Lock()
        self._before: Snapshot | None = None
        self._beats = 0
        self._told = 0
        self._last_s = 0.0

    def begin(self) -> None:
        """A producer begins: from here on its records are counted."""
        self._before = self._vital.counts()
        self._beats = self._told = 0
        self._last_s = self._clock.monotonic_s()

    def beat(self) -> None:
        """Send a heartbeat if one is due."""
        self._beat(is_last=False)

    def end(self) -> None:
        """Send the last one, if there were others or there are drops to tell of; the producer ends."""
        self._beat(is_last=True)
        self._before = None

    def _beat(self, *, is_last: bool) -> None:
        before = self._before
        if before is None or self._interval_s <= 0 or not self._lock.acquire(blocking=False):
            return
        try:
            pulse = self._pulse(before, is_last=is_last)
        finally:
            self._lock.release()
        if pulse is not None:
            self._send(pulse)

    def _pulse(self, before: Snapshot, *, is_last: bool) -> Pulse | None:
        now = self._vital.counts()
        dropped = _since(now.dropped, before.dropped)
        total = sum(count for reason, count in dropped.items() if reason not in ASKED_FOR)
        waited_s = self._clock.monotonic_s() - self._last_s
        is_news = total > self._told and (waited_s >= NEWS_S or is_last)
        is_due = waited_s >= self._interval_s or (is_last and self._beats > 0)
        size = self._vital.spool_bytes() if is_news or is_due else None
        if size is None:
            return None
        self._beats += 1
        self._told = total
        self._last_s = self._clock.monotonic_s()
        next_s = 0.0 if is_last else self._interval_s
        health = self._vital.health()
        fields = _fields(now, before, dropped, health, size, next_s) | dict(self._about())
        return Pulse(fields, _message(fields, total), is_news, next_s)


def _fields(
    now: Snapshot,
    before: Snapshot,
    dropped: Mapping[str, int],
    health: HealthReport,
    size: int,
    next_s: float,
) -> dict[str, object]:
    fields: dict[str, object] = {
        "event.dataset": DATASET,
        "event.kind": "metric",
        "event.action": ACTION,
        "shipper.heartbeat_s": next_s,
        "shipper.records.emitted": now.emitted - before.emitted,
        "shipper.records.delivered": now.delivered - before.delivered,
        "shipper.records.waiting": now.waiting - before.waiting,
        "shipper.records.retries": now.retries - before.retries,
        "shipper.spool.bytes": size,
        "shipper.oldest_unsent_s": health.oldest_unsent_s,
        "shipper.last_delivery_age_s": health.last_delivery_age_s,
        "shipper.trouble": health.trouble or None,
    }
    for name, counts in (
        ("dropped", dropped),
        ("dead_lettered", _since(now.dead_lettered, before.dead_lettered)),
        ("redacted", _since(now.redacted, before.redacted)),
    ):
        fields |= {f"shipper.{name}.{reason.replace('.', '_')}": count for reason, count in counts.items()}
    return fields


def _message(fields: Mapping[str, object], dropped: int) -> str:
    told = f"{fields['shipper.records.emitted']} records emitted"
    told += f", {dropped} dropped" if dropped else ""
    waiting = fields["shipper.records.waiting"]
    return f"{told}, {waiting} waiting" if waiting else told


def _since(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    counts = {name: count - before.get(name, 0) for name, count in now.items()}
    return {name: count for name, count in counts.items() if count > 0}
