"""The folder of one writer while it is open: its lock, its newest segment, its room."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Final, Self

from shipper.clock import Clock
from shipper.spool.checkpoint import START, Position, read_checkpoint
from shipper.spool.directory import (
    READER_LOCK,
    WRITER_LOCK,
    SpoolMeta,
    create_folder,
    list_segments,
    remove_folder,
)
from shipper.spool.disk import FULL, Disk
from shipper.spool.drops import DropTally
from shipper.spool.end import encode_end
from shipper.spool.eviction import Evictor
from shipper.spool.filesystem import is_safe_to_map
from shipper.spool.lock import FolderLock, try_lock
from shipper.spool.plain import StoreFailed
from shipper.spool.policy import LOWEST_RANK, DropReason, SpoolPolicy
from shipper.spool.room import Room
from shipper.spool.segment import HEADER_BYTES, SegmentHeader
from shipper.spool.sync import Syncs
from shipper.spool.tail import SegmentTail, Tail

_LOOK_S: Final = 0.2
_STEP_MIN_BYTES: Final = 1 << 18
_STEP_MAX_BYTES: Final = 1 << 22
"""A segment grows by as much as its folder was written so far, within these bounds: few log little."""


class WriterFolder:
    """Rolls segments, keeps the books of bytes, syncs by policy. Not thread-safe: the spool's lock is around it.

    Attributes:
        tail: where the next frame goes.
        syncs: what brings it to the disk itself.
    """

    def __init__(
        self,
        directory: Path,
        lock: FolderLock,
        policy: SpoolPolicy,
        clock: Clock,
        disk: Disk,
        tally: DropTally,
        *,
        number: int = 0,
        next_sequence: int = 1,
    ) -> None:
        """Use `open`."""
        self.directory = directory
        self.tail = Tail(next_sequence)
        self._lock = lock
        self._policy = policy
        self._clock = clock
        self._disk = disk
        self.syncs = Syncs(policy, clock, next_sequence)
        self._is_mapped = policy.writes == "mapped" or (policy.writes == "auto" and is_safe_to_map(directory))
        self._room = Room(directory, policy, clock, disk)
        self._tally = tally
        tally.attach(directory, is_mapped=self._is_mapped)
        self._evictor = Evictor(directory, disk, tally, durable=self.syncs.is_durable)
        self._number = number
        self._sealed_bytes = 0
        self._acknowledged = START.sequence
        self._look_at_s = float("-inf")

    @classmethod
    def open(
        cls, root: Path, policy: SpoolPolicy, meta: SpoolMeta, clock: Clock, disk: Disk, tally: DropTally
    ) -> Self:
        """Make the folder; from here on `tally` counts into it. Raises OSError."""
        directory, lock = _create(root, meta, disk, START, tally)
        return cls(directory, lock, policy, clock, disk, tally)

    def replace(self, meta: SpoolMeta) -> Self:
        """Make the folder once more after somebody took it away; numbers and sequences go on.

        Raises OSError.
        """
        self.release()
        acknowledged = Position(self._number, 0, self._acknowledged)
        directory, lock = _create(self.directory.parent, meta, self._disk, acknowledged, self._tally)
        folder = type(self)(
            directory,
            lock,
            self._policy,
            self._clock,
            self._disk,
            self._tally,
            number=self._number,
            next_sequence=self.tail.next_sequence,
        )
        folder.note_end()
        return folder

    def note_end(self) -> None:
        """Write down how far the sequence is, for a reader that finds less. Never raises OSError."""
        with contextlib.suppress(OSError):
            self._disk.store(self._lock.descriptor, encode_end(self.tail.next_sequence), 0)

    @property
    def is_gone(self) -> bool:
        """Whether somebody deleted the folder or moved it away."""
        return not self._lock.names(self.directory / WRITER_LOCK)

    def settle(self) -> bool:
        """See `SegmentTail.settle`."""
        return isinstance(self.tail, SegmentTail) and self.tail.settle()

    def give_up_segment(self) -> None:
        """Append nothing more to the newest segment: its file fails."""
        if isinstance(self.tail, SegmentTail):
            self.tail.give_up()

    @property
    def is_broken(self) -> bool:
        """Whether the newest segment cannot be used any more; `make_room` begins another."""
        return isinstance(self.tail, SegmentTail) and self.tail.is_broken

    def make_room(self, frame_bytes: int, rank: int) -> DropReason | None:
        """Let `tail` take a frame of this size and rank (`rank_of`), or return why it may not now.

        Raises:
            OSError: nothing has changed for the frames that are there.
            StoreFailed: it has: the record must be given its sequence anew.
        """
        if self.settle():
            raise StoreFailed(None)
        if not self._room.can_hold(rank, HEADER_BYTES + frame_bytes):
            return DropReason.TOO_LARGE
        if self.is_broken and self.is_gone:
            raise FileNotFoundError(errno.ENOENT, "the folder is gone", str(self.directory))
        tail = self.tail
        if not isinstance(tail, SegmentTail) or self._must_roll(tail, frame_bytes):
            refusal = self._roll(frame_bytes, rank)
        elif (need := tail.at + frame_bytes - tail.allocated_bytes) > 0:
            refusal = self._extend(tail, frame_bytes, rank)
        else:
            refusal = DropReason.SPOOL_FULL if need > self._room.left_bytes(rank, need) else None
        if refusal is None:
            tail = self.tail
            assert isinstance(tail, SegmentTail)  # noqa: S101  # _roll made one
            # Whatever the level, no more without asking than the lowest may have.
            tail.claim(frame_bytes, tail.allocated_bytes + self._room.left_bytes(LOWEST_RANK))
        return refusal

    def _must_roll(self, tail: SegmentTail, frame_bytes: int) -> bool:
        if not tail.is_open:
            return True
        return not tail.is_empty and tail.at + frame_bytes > self._policy.segment_bytes

    def _step_bytes(self, at: int) -> int:
        """Return how much to allocate for a segment that is written up to `at`, if there is plenty."""
        written = self._sealed_bytes + at
        step = min(_STEP_MAX_BYTES, max(_STEP_MIN_BYTES, written))
        return min(step, self._policy.segment_bytes - at)

    def _extend(self, tail: SegmentTail, frame_bytes: int, rank: int) -> DropReason | None:
        had = tail.allocated_bytes
        need = tail.at + frame_bytes - had
        granted = self._room.grant(rank, need, tail.at + self._step_bytes(tail.at) - had)
        if isinstance(granted, DropReason):
            return granted
        try:
            tail.extend(had + granted)
        except OSError as error:
            if error.errno not in FULL or granted == need:
                return self._after_refusal(tail, frame_bytes, rank, error)
            try:
                tail.extend(had + need)
            except OSError as again:
                return self._after_refusal(tail, frame_bytes, rank, again)
        self._room.take(tail.allocated_bytes - had)
        return None

    def _after_refusal(
        self, tail: SegmentTail, frame_bytes: int, rank: int, error: OSError
    ) -> DropReason | None:
        """A limit on the size of a file (RLIMIT_FSIZE) leaves room in the next one. Raises the error, else."""
        if error.errno != errno.EFBIG or tail.is_empty:
            raise error
        return self._roll(frame_bytes, rank)

    def _roll(self, frame_bytes: int, rank: int) -> DropReason | None:
        old = self.tail
        need = HEADER_BYTES + frame_bytes
        slack = old.allocated_bytes - old.at if isinstance(old, SegmentTail) and old.is_open else 0
        granted = self._room.grant(rank, need, self._step_bytes(0), slack)
        if isinstance(granted, DropReason):
            return granted
        self._seal()
        try:
            tail = self._begin(granted)
        except OSError as error:
            if error.errno not in FULL or granted == need:
                raise
            tail = self._begin(need)
        self._room.take(tail.allocated_bytes)
        self._evictor.note_segment(tail.number, tail.first_sequence)
        self.tail = tail
        self.note_end()
        if self.syncs.is_durable:
            try:
                self._disk.sync_directory(self.directory)
            except OSError as error:
                self.syncs.error = error
        return None

    def _begin(self, size_bytes: int) -> SegmentTail:
        try:
            return self._create(size_bytes)
        except FileExistsError:  # made by a child that was forked inside this very call; numbers may skip
            return self._create(size_bytes)

    def _create(self, size_bytes: int) -> SegmentTail:
        self._number += 1
        header = SegmentHeader(
            self.directory.name, self._number, self.tail.next_sequence, self._clock.now_us()
        )
        return SegmentTail(self._disk, self.directory, header, size_bytes, is_mapped=self._is_mapped)

    def _seal(self) -> None:
        tail = self.tail
        if not isinstance(tail, SegmentTail):
            return
        if self.syncs.is_durable and tail.is_open:
            self.syncs.now(tail)
        before = tail.allocated_bytes
        tail.seal()
        self._sealed_bytes += tail.at
        self._room.take(tail.allocated_bytes - before)

    def evict_one(self, reason: DropReason | None) -> int | None:
        """Give back the oldest segment that may be; see `Evictor.evict_one`. Raises OSError.

        None also where it could not help: below the floor by more than all our segments hold, others fill
        the disk, and emptying the spool would lose its records for nothing.
        """
        if reason is DropReason.FREE_SPACE_FLOOR and self._room.shortfall_bytes > self._room.used_bytes:
            return None
        dropped = self._evictor.evict_one()
        self._room.recount_now()
        return dropped

    def look(self) -> None:
        """From time to time, see whether the files are still ours, and how far they are acknowledged.

        Never raises OSError: what is found wrong is put right at the next `make_room`.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_S
        found = read_checkpoint(self.directory)
        self._acknowledged = self._acknowledged if found is None else found.sequence
        if isinstance(self.tail, SegmentTail) and self.tail.is_open:
            with contextlib.suppress(OSError):
                self.tail.check()

    def close(self) -> None:
        """Sync by policy, release everything; remove the folder if it tells of nothing. Never raises OSError."""
        self._seal()
        self.note_end()
        with contextlib.suppress(OSError):
            is_empty = self.tail.next_sequence == 1 and not self._tally.counts
            if is_empty and not list_segments(self.directory):
                lease = try_lock(self.directory / READER_LOCK)
                if lease is not None:
                    remove_folder(self.directory)
                    lease.release()
        self.release()

    def release(self) -> None:
        """Close all descriptors, and nothing else: all that a forked child may do."""
        if isinstance(self.tail, SegmentTail):
            self.tail.release()
        self._tally.release()
        self._lock.release()


def _create(
    root: Path, meta: SpoolMeta, disk: Disk, acknowledged: Position, tally: DropTally
) -> tuple[Path, FolderLock]:
    try:
        return create_folder(root, meta, disk, acknowledged, tally.content)
    except FileNotFoundError:  # swept away half made; see `create_folder`
        return create_folder(root, meta, disk, acknowledged, tally.content)
