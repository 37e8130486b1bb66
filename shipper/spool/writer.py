"""Append records to the spool: thread-safe, never raises for disk trouble, each drop has a reason.

When `append` has returned a sequence, the record survives the death of the process. FORMAT.md says what the
files look like and what exactly is promised.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from crc32c import crc32c

from shipper.clock import Clock
from shipper.spool.directory import PRODUCER_ID_PATTERN, SpoolMeta
from shipper.spool.disk import Disk
from shipper.spool.drops import DropTally
from shipper.spool.frame import HEAD_BYTES, MAGIC, frame_tag, tag_level
from shipper.spool.frame import pack_head as _pack_head
from shipper.spool.frame import pack_order as _pack_order
from shipper.spool.patience import Patience
from shipper.spool.plain import StoreFailed
from shipper.spool.policy import DropReason, SpoolPolicy, rank_of
from shipper.spool.supply import Supply
from shipper.spool.tail import Tail

_TURN_STEP_S: Final = 0.00005
_RANKS: Final = bytes(map(rank_of, range(256)))  # by level: a refusal must stay cheap

_join = b"".join
_tag = lru_cache(maxsize=1024)(frame_tag)


def _nobody(_reason: str, _count: int) -> None:
    """Nobody wants to hear of drops."""


def _nothing(_writer: object) -> None:
    """Nobody wants to know the writer early."""


class SpoolWriter:
    """The appending side of one process's folder; made by `open`."""

    def __init__(
        self,
        root: Path,
        policy: SpoolPolicy,
        meta: SpoolMeta,
        stamp: bytes,
        clock: Clock,
        on_drop: Callable[[str, int], None],
        disk: Disk,
    ) -> None:
        """Use `open`."""
        self._policy = policy
        self._opening = b"%b" + stamp
        self._clock = clock
        self._on_drop = on_drop
        self._tally = DropTally(clock, disk)
        self._supply = Supply(root, policy, meta, clock, disk, self._tally, self._drop)
        self._lock = threading.Lock()
        self._is_locked = self._lock.locked
        self._tail = Tail(1)
        self._is_synced = policy.fsync != "never"
        self._is_closed = False
        self._patience = Patience(policy, clock)

    @classmethod
    def open(  # noqa: PLR0913  # each says one thing of the folder; all but five have defaults
        cls,
        root: Path,
        policy: SpoolPolicy,
        *,
        producer_id: str,
        stamp: bytes,
        clock: Clock,
        service: str = "",
        namespace: str = "default",
        destination: str = "",
        shipped_by: str = "thread",
        on_drop: Callable[[str, int], None] = _nobody,
        disk: Disk | None = None,
        announce: Callable[[SpoolWriter], object] = _nothing,
    ) -> SpoolWriter:
        """Open a new folder `<root>/<producer_id>`; a root that cannot be used is no error here.

        Then `trouble` says why, appends drop with reason `spool_unavailable`, and opening is tried again.

        Args:
            producer_id: 1 to 32 of `A-Za-z0-9_-`; never used before.
            stamp: what goes between prefix and suffix of a record; each of its two `%d` becomes the sequence.
            service, namespace, destination, shipped_by: see `SpoolMeta`.
            on_drop: told (reason, count) of each drop, from the appending thread, perhaps under the spool's
                lock: it must be quick and must not log.
            announce: given the writer before anything is opened: a child that is forked meanwhile can abandon it.

        Raises:
            ValueError: the producer id is not one, or the stamp has not two `%d` and no other `%`.
        """
        if not PRODUCER_ID_PATTERN.fullmatch(producer_id):
            raise ValueError(f"{producer_id!r} is not a producer id")
        if stamp.count(b"%d") != 2 or stamp.count(b"%") != 2:
            raise ValueError(f"{stamp!r} is not a stamp: it needs two %d")
        meta = SpoolMeta(producer_id, service, namespace, destination, shipped_by, started_us=clock.now_us())
        writer = cls(root.absolute(), policy, meta, stamp, clock, on_drop, disk or Disk())
        announce(writer)
        with writer._lock:
            writer._supply.open()
        return writer

    @property
    def directory(self) -> Path | None:
        """The folder, or None while the root is unusable and after `close`."""
        folder = self._supply.folder
        return None if folder is None else folder.directory

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record that was stored; 0 before the first."""
        return self._tail.next_sequence - 1

    @property
    def drops(self) -> Mapping[str, int]:
        """How many records were dropped, by reason."""
        return self._tally.counts

    @property
    def trouble(self) -> str:
        """The last disk trouble as one clause, or "" while there is none."""
        return self._supply.trouble

    @property
    def is_closed(self) -> bool:
        """Whether `close` or `abandon_in_child` was called."""
        return self._is_closed

    def append(
        self, prefix: bytes, suffix: bytes, *, timestamp_us: int, level: int, dataset: str
    ) -> int | None:
        """Store the record prefix + stamp(sequence) + suffix; return its sequence, or None if it was dropped.

        Never raises for disk trouble. Waits only for other appends, and for room as long as the policy lets its level.
        """
        return self.put(timestamp_us, _tag(level, dataset), self._opening, prefix, suffix)

    def put(
        self,
        timestamp_us: int,
        tag: bytes,
        opening: bytes,
        value: object,
        first: bytes,
        second: bytes = b"",
        third: bytes = b"",
        fourth: bytes = b"",
        /,
    ) -> int | None:
        """`append` for callers that keep `frame_tag(level, dataset)`, and have the suffix in pieces.

        The begin of the record is `opening % (value, sequence, sequence)`: one step makes its moment and its stamp.

        This is the whole cost of a record, so only what each record needs is here. All else, from a full disk
        to a closed writer, shows as no room left, and is told apart in `_make_room`.
        """
        deadline_s: float | None = None
        while True:
            if self._is_locked() and not self._wait_for_turn():
                self._drop(DropReason.REENTRY)
                return None
            try:
                with self._lock:
                    sequence = self._tail.next_sequence
                    rest = _join((
                        _pack_order(sequence, timestamp_us), tag, opening % (value, sequence, sequence),
                        first, second, third, fourth,
                    ))  # fmt: skip
                    size = HEAD_BYTES + len(rest)
                    tail = self._tail
                    if tail.at + size <= tail.limit or (refusal := self._make_room(size, tag)) is None:
                        head = _pack_head(MAGIC, len(rest), crc32c(rest))
                        tail = self._tail
                        at, buffer = tail.at, tail.buffer
                        start, end = at + HEAD_BYTES, at + size
                        buffer[start:end] = rest
                        # The head makes it a record. One statement, no call: nothing comes between, see `Tail`.
                        buffer[at:start], tail.at, tail.next_sequence = head, end, sequence + 1
                        if self._is_synced:
                            self._supply.sync_appended()
                        return sequence
            except ValueError as error:
                refusal = self._after_failed_store(error)
                if refusal is None:
                    continue
            deadline_s = self._patience.wait(refusal, _RANKS[tag_level(tag)], deadline_s)
            if deadline_s is None:
                self._drop(refusal)
                return None

    def _after_failed_store(self, error: ValueError) -> DropReason | None:
        """Return why the record is dropped, or None to try it once more. Raises what is not the spool's."""
        if self._is_closed:  # the map is closed: a signal handler forked just now, and this is the child
            return DropReason.CLOSED
        if not isinstance(error, StoreFailed):
            raise error
        with self._lock:
            return self._supply.after_failed_store(error.cause)

    def _wait_for_turn(self) -> bool:
        """Wait until the lock is free; return False if this very thread holds it, further up its stack.

        Not by waiting for the lock: who waits for it gets it before he gets the interpreter's, so that from
        then on each append of each thread costs a switch of threads.
        """
        if _is_inside(sys._getframe(2)):  # noqa: SLF001
            return False
        while self._is_locked():
            time.sleep(_TURN_STEP_S)
        return True

    def _make_room(self, frame_bytes: int, tag: bytes) -> DropReason | None:
        """Let `_tail` take a frame of this size and level, or return why it cannot. With the lock held."""
        if self._is_closed:
            return DropReason.CLOSED
        refusal = None
        # What was claimed is anybody's: neither a rank nor a refusal before concerns it.
        if not self._tail.step(frame_bytes):
            refusal = self._supply.make_room(frame_bytes, _RANKS[tag_level(tag)])
        folder = self._supply.folder
        if folder is not None:
            self._tail = folder.tail
        if self.is_closed:  # by a signal handler, meanwhile
            self._tail.limit = 0
        return refusal

    def _drop(self, reason: DropReason, count: int = 1) -> None:
        self._tally.add(reason, count)
        self._on_drop(reason._value_, count)  # as `value`, without its property

    def sync_if_due(self) -> None:
        """With `fsync = interval`: sync what was appended, if the interval is over. Never raises OSError.

        Also looks whether the folder is still there: if not, the next append makes it anew.
        """
        with self._lock:
            folder = self._supply.folder
            if folder is not None and not self._is_closed:
                folder.look()
                folder.syncs.if_due(folder.tail)

    def close(self) -> None:
        """Sync as the policy says, let go of the folder; later appends drop with reason `closed`.

        An empty folder is removed; one with records stays for whoever ships it. Idempotent, never raises OSError.
        """
        if self._is_locked() and _is_inside(sys._getframe(1)):  # noqa: SLF001
            # From a signal handler that interrupted our own append: its lock cannot be waited for here.
            self._is_closed, self._tail.limit = True, 0
            return
        with self._lock:
            folder, self._supply.folder, self._is_closed = self._supply.folder, None, True
            if folder is not None:
                folder.settle()
                self._tail = Tail(folder.tail.next_sequence)
                folder.close()

    def abandon_in_child(self) -> None:
        """In a forked child: drop what was inherited without touching the parent's files and locks.

        Safe whatever lock was held at the fork; the child makes a writer of its own.
        """
        self._lock = threading.Lock()
        self._is_locked = self._lock.locked
        self._is_closed = True
        self._tail.limit = 0
        self._supply.abandon_in_child()


_HOLDERS: Final[frozenset[CodeType]] = frozenset(
    method.__code__ for method in (SpoolWriter.put, SpoolWriter.sync_if_due, SpoolWriter.close)
)
"""What holds the lock. Asked of the stack, so that no append has to note whose turn it is."""


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _HOLDERS:
            return True
        frame = frame.f_back
    return False
