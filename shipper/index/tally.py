"""What became of the records that the indexer took from Kafka."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from shipper.index.settle import BatchFates


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """Counts since the indexer was made; each consumed record ends in exactly one of the next five.

    Attributes:
        consumed: records taken from Kafka. A record that Kafka hands out twice counts twice.
        indexed: stored now.
        duplicates: had been stored before.
        dead_lettered: by reason; acknowledged by the dead-letter topic.
        erased: of erased persons; not stored.
        in_hand: being worked on, or given back unfinished at a stop (Kafka hands them out again).
        retries: repeats of single documents, for whatever reason.
    """

    consumed: int = 0
    indexed: int = 0
    duplicates: int = 0
    dead_lettered: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    erased: int = 0
    in_hand: int = 0
    retries: int = 0


class Tally:
    """Counts in the making; may be read from another thread at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._consumed = self._indexed = self._duplicates = self._erased = self._retries = 0
        self._dead_lettered: Counter[str] = Counter()

    def consumed(self, count: int) -> None:
        """Records have been taken from Kafka."""
        with self._lock:
            self._consumed += count

    def settled(self, fates: BatchFates) -> None:
        """A batch is done."""
        with self._lock:
            self._indexed += fates.indexed
            self._duplicates += fates.duplicates
            self._dead_lettered.update(fates.dead_lettered)
            self._erased += fates.erased

    def retried(self, count: int) -> None:
        """Documents are about to be sent once more."""
        with self._lock:
            self._retries += count

    def snapshot(self) -> IndexCounts:
        """Return all counts as of one moment."""
        with self._lock:
            dead = dict(self._dead_lettered)
            done = self._indexed + self._duplicates + self._erased + sum(dead.values())
            return IndexCounts(
                consumed=self._consumed,
                indexed=self._indexed,
                duplicates=self._duplicates,
                dead_lettered=MappingProxyType(dead),
                erased=self._erased,
                in_hand=self._consumed - done,
                retries=self._retries,
            )
