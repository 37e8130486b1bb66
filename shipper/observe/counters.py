"""Each record's fate, counted: emitted = delivered + dead-lettered + dropped{reason} + waiting, at any moment."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counters of one moment; they balance by construction.

    Attributes:
        emitted: records that were made.
        delivered: of these, acknowledged by Kafka.
        dead_lettered: refused for good, by reason, and acknowledged on the dead-letter topic.
        dropped: given up by us, by reason.
        waiting: the rest: in the spool, or on its way.
        retries: failed attempts that were or will be repeated; not a fate, so not part of the balance.
        redacted: how often something was taken out of a record, by kind; never what.
    """

    emitted: int = 0
    delivered: int = 0
    dead_lettered: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    retries: int = 0
    redacted: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the counters under their names, ready for JSON."""
        return {
            "emitted": self.emitted,
            "delivered": self.delivered,
            "dead_lettered": dict(self.dead_lettered),
            "dropped": dict(self.dropped),
            "waiting": self.waiting,
            "retries": self.retries,
            "redacted": dict(self.redacted),
        }


class Counters:
    """Thread-safe counts of one pipeline. Count a record as emitted *before* it is appended.

    Otherwise the shipping thread may count its delivery first, and `waiting` is short by one for a moment.

    Args:
        redactions: counted by whoever redacts, by kind; may miss one where two threads count at once.

    Attributes:
        tick: counts one record as emitted, without a lock; for the quick way, where a lock would be felt.
    """

    def __init__(self, redactions: Mapping[str, int] = MappingProxyType({})) -> None:
        self._lock = threading.RLock()
        self._redactions = redactions
        self._zero()

    def _zero(self) -> None:
        self._emitted = 0
        self._ticks = itertools.count()
        self._reads = 0
        self.tick: Callable[[], int] = self._ticks.__next__
        self._delivered = 0
        self._retries = 0
        self._dead_lettered: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._redacted_before = dict(self._redactions)

    def count_emitted(self, count: int = 1) -> None:
        """Records were made (in a process that ships others' spools: were read from one)."""
        with self._lock:
            self._emitted += count

    def withdraw(self) -> None:
        """A record that was counted did not come about: its event is emitted anew, and counted then."""
        with self._lock:
            self._emitted -= 1

    def count_delivered(self, count: int = 1) -> None:
        """Kafka acknowledged records."""
        with self._lock:
            self._delivered += count

    def count_dead_lettered(self, reason: str, count: int = 1) -> None:
        """Records were refused for good and are safe on the dead-letter topic."""
        with self._lock:
            self._dead_lettered[reason] += count

    def count_dropped(self, reason: str, count: int = 1) -> None:
        """We gave records up."""
        with self._lock:
            self._dropped[reason] += count

    def count_retries(self, count: int = 1) -> None:
        """An attempt to send records failed and will be repeated."""
        with self._lock:
            self._retries += count

    def snapshot(self) -> Snapshot:
        """Return all counters as of one moment."""
        with self._lock:
            # Looking at the ticks takes one, which was no record.
            emitted = self._emitted + next(self._ticks) - self._reads
            self._reads += 1
            dead_lettered, dropped = dict(self._dead_lettered), dict(self._dropped)
            fates = self._delivered + sum(dead_lettered.values()) + sum(dropped.values())
            return Snapshot(
                emitted,
                self._delivered,
                dead_lettered,
                dropped,
                emitted - fates,
                self._retries,
                self._redacted(),
            )

    def _redacted(self) -> dict[str, int]:
        before = self._redacted_before
        counts = {kind: count - before.get(kind, 0) for kind, count in dict(self._redactions).items()}
        return {kind: count for kind, count in counts.items() if count > 0}

    def reset_in_child(self) -> None:
        """In a forked child: start from zero with a fresh lock; the parent counts its own records."""
        self._lock = threading.RLock()
        self._zero()
