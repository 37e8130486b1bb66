"""Balance the books: of each producer's records, where each one is, and which are nowhere.

    emitted = indexed + dead + dropped{reason} + waiting            and each sequence in exactly one place

A producer numbers its records 1, 2, 3 ... without gaps; records that it refused to take (a full spool) have no number
and are known by its own count. Whoever calls this has looked in the direction in which records flow: spools, then
Kafka, then dead letters, and only then Elasticsearch. So a record that moves on meanwhile is seen twice, never in
neither place, and counts where it had come furthest. What was emitted after the spool was looked at is `moving`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipper.index.ranges import Ranges

EVICTED = "evicted"
"""The one reason of a spool to drop records that had a number already."""

ERASED = "erased"
"""Records of erased persons: deleted, or never stored. They had a number, too."""

_NUMBERED = (EVICTED, ERASED)


@dataclass(frozen=True, slots=True)
class SpoolLook:
    """What a spool folder on this host told when it was looked at.

    Attributes:
        last: the highest sequence that had been stored by then.
        is_alive: its writer lived.
        waiting: sequences of the records in it.
        evicted: sequences that it gave up for newer ones.
        dropped: what its writer gave up, by reason; empty also where the folder does not tell.
    """

    last: int
    is_alive: bool
    waiting: Ranges
    evicted: Ranges
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a producer's own records tell of it, as far as they are stored.

    Attributes:
        service, host: names, "" where no document says them.
        dropped: its own last count of drops, by reason, or what was said in its name at its folder's end.
    """

    service: str = ""
    host: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was found of one producer, each part a set of sequences."""

    stored: Ranges = field(default_factory=Ranges)
    doubled: Sequence[int] = ()
    dead: Ranges = field(default_factory=Ranges)
    in_kafka: Ranges = field(default_factory=Ranges)
    spool: SpoolLook | None = None
    told: Told = field(default_factory=Told)
    erased: Ranges = field(default_factory=Ranges)


@dataclass(frozen=True, slots=True)
class ProducerBooks:
    """The books of one producer. Each sequence from 1 to `last` counts once, where it had come furthest.

    Attributes:
        service, host: as its documents say, else "".
        last: highest sequence that counts.
        stored, dead_lettered, in_kafka, in_spool: distinct sequences there.
        dropped: by reason; `evicted` and `erased` had sequences, the others never got one.
        missing: ranges of sequences that are nowhere, both ends included.
        doubled: sequences that are stored more than once.
        moving: sequences above `last`, emitted while we looked.
        is_spool_seen: its spool folder is on this host and was looked at.
        is_alive: that folder's writer lives.
    """

    producer_id: str
    service: str
    host: str
    last: int
    stored: int
    dead_lettered: int
    in_kafka: int
    in_spool: int
    dropped: Mapping[str, int]
    missing: tuple[tuple[int, int], ...]
    doubled: tuple[int, ...]
    moving: int = 0
    is_spool_seen: bool = False
    is_alive: bool = False

    @property
    def emitted(self) -> int:
        """How many records were made: those with a sequence, and those that were refused without one."""
        return self.last + sum(count for reason, count in self.dropped.items() if reason not in _NUMBERED)

    @property
    def waiting(self) -> int:
        """How many records are in the spool or in Kafka."""
        return self.in_kafka + self.in_spool

    @property
    def missing_count(self) -> int:
        """How many sequences are nowhere."""
        return sum(last - first + 1 for first, last in self.missing)

    @property
    def is_balanced(self) -> bool:
        """Whether each sequence up to the last is in exactly one place."""
        return not self.missing and not self.doubled

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is on its way."""
        return not self.waiting and not self.moving


def book(producer_id: str, seen: Seen) -> ProducerBooks:
    """Return the books from what was found; pure."""
    spool = seen.spool
    everything = seen.stored | seen.dead | seen.erased | seen.in_kafka
    if spool is not None:
        everything = everything | spool.waiting | spool.evicted
    # A living writer may have gone on since: what lies above the look is on its way, and not judged.
    is_open = spool is not None and spool.is_alive
    last = spool.last if spool is not None and is_open else max(everything.last, spool.last if spool else 0)
    stored = seen.stored.up_to(last)
    dead = seen.dead.up_to(last) - stored
    erased = seen.erased.up_to(last) - stored - dead
    in_kafka = seen.in_kafka.up_to(last) - stored - dead - erased
    found = stored | dead | erased | in_kafka
    in_spool, evicted = Ranges(), Ranges()
    if spool is not None:
        in_spool = spool.waiting.up_to(last) - found
        evicted = spool.evicted.up_to(last) - found - in_spool
    missing = Ranges([(1, last)]) - found - in_spool - evicted
    told = _told(seen)
    dropped = {reason: count for reason, count in told.items() if count and reason != EVICTED}
    untold = told.get(EVICTED, 0) - len(evicted)
    if missing and untold >= len(missing):
        # Its folder, and with it the list of what made room, is gone; its own count explains the gap all the same.
        evicted, missing = evicted | missing, Ranges()
    dropped |= {reason: len(some) for reason, some in ((EVICTED, evicted), (ERASED, erased)) if some}
    return ProducerBooks(
        producer_id=producer_id,
        service=seen.told.service,
        host=seen.told.host,
        last=last,
        stored=len(stored),
        dead_lettered=len(dead),
        in_kafka=len(in_kafka),
        in_spool=len(in_spool),
        dropped=dropped,
        missing=missing.parts,
        doubled=tuple(seen.doubled),
        moving=everything.last - last if everything.last > last else 0,
        is_spool_seen=spool is not None,
        is_alive=is_open,
    )


def _told(seen: Seen) -> dict[str, int]:
    """Return the producer's own counts: all only rise, so the higher of two is the newer."""
    told = dict(seen.told.dropped)
    for reason, count in (seen.spool.dropped if seen.spool is not None else {}).items():
        told[reason] = max(count, told.get(reason, 0))
    return told
