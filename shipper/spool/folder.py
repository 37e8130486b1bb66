"""The folder of one writer while it is open: its lock, its newest segment, its room."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from shipper.clock import Clock
from shipper.spool.directory import (
    READER_LOCK,
    SpoolMeta,
    create_folder,
    list_segments,
    remove_folder,
)
from shipper.spool.disk import Disk
from shipper.spool.eviction import Evictor
from shipper.spool.lock import FolderLock, try_lock
from shipper.spool.policy import DropReason, SpoolPolicy
from shipper.spool.room import Room
from shipper.spool.segment import HEADER_BYTES, SegmentHeader, SegmentWriter


class WriterFolder:
    """Rolls segments, keeps the books of bytes, syncs by policy. Not thread-safe: the spool's lock is around it.

    Attributes:
        sync_error: the last failure to sync, until one succeeds. It is kept apart because the record itself is
            stored and will be shipped: it must not be counted as dropped.
    """

    def __init__(
        self, directory: Path, lock: FolderLock, policy: SpoolPolicy, clock: Clock, disk: Disk
    ) -> None:
        self.directory = directory
        self._lock = lock
        self._policy = policy
        self._clock = clock
        self._disk = disk
        self._is_durable = policy.fsync != "never"
        self._room = Room(directory, policy, clock, disk)
        self._evictor = Evictor(directory, disk, durable=self._is_durable)
        self._segment: SegmentWriter | None = None
        self._number = 0
        self._next_sequence = 1
        self._synced_at_s = clock.monotonic_s()
        self._is_unsynced = False
        self.sync_error: OSError | None = None

    @classmethod
    def open(cls, root: Path, policy: SpoolPolicy, meta: SpoolMeta, clock: Clock, disk: Disk) -> Self:
        """Make the folder. Raises OSError."""
        try:
            directory, lock = create_folder(root, meta, disk)
        except FileNotFoundError:  # swept away half made; see `create_folder`
            directory, lock = create_folder(root, meta, disk)
        return cls(directory, lock, policy, clock, disk)

    @property
    def next_sequence(self) -> int:
        """Sequence of the record that is appended next."""
        segment = self._segment  # read once: other threads ask without the lock
        return self._next_sequence if segment is None else segment.next_sequence

    @property
    def frame_max_bytes(self) -> int:
        """Largest frame that fits: alone in a segment, below the cap."""
        return self._policy.max_bytes - HEADER_BYTES

    def refusal(self, frame_bytes: int) -> DropReason | None:
        """Return why a frame of this size may not be written now, or None."""
        header_bytes = HEADER_BYTES if self._must_roll(frame_bytes) else 0
        return self._room.refusal(frame_bytes + header_bytes)

    def append(self, frame: bytes) -> None:
        """Append the frame of the record `next_sequence`. Raises OSError; then nothing was appended."""
        if self._must_roll(len(frame)):
            self._roll()
        segment = self._segment
        assert segment is not None  # noqa: S101  # _roll made one
        segment.append(frame)
        self._room.take(len(frame))
        self._is_unsynced = True
        if self._policy.fsync == "always":
            self._sync()
        elif self._policy.fsync == "interval":
            self.sync_if_due()

    def _must_roll(self, frame_bytes: int) -> bool:
        segment = self._segment
        if segment is None or segment.is_broken:
            return True
        is_empty = segment.next_sequence == segment.first_sequence
        return not is_empty and segment.size_bytes + frame_bytes > self._policy.segment_bytes

    def _roll(self) -> None:
        self._close_segment()
        self._number += 1
        header = SegmentHeader(self.directory.name, self._number, self._next_sequence, self._clock.now_us())
        self._segment = SegmentWriter(self._disk, self.directory, header)
        self._evictor.note_segment(self._number, self._next_sequence)
        self._room.take(HEADER_BYTES)
        if self._is_durable:
            try:
                self._disk.sync_directory(self.directory)
            except OSError as error:
                self.sync_error = error

    def _close_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        if self._is_durable and self._is_unsynced:
            self._sync()
        self._next_sequence = segment.next_sequence
        self._segment = None
        segment.close()

    def settle(self) -> None:
        """Bring the books up to date after an append that an asynchronous exception cut short. Raises OSError."""
        if self._segment is not None:
            self._segment.settle()

    def evict_one(self, reason: DropReason) -> int | None:
        """Give back the oldest segment that may be; see `Evictor.evict_one`. Raises OSError.

        None also where it could not help: below the floor by more than all our segments hold, others fill
        the disk, and emptying the spool would lose its records for nothing.
        """
        if reason is DropReason.FREE_SPACE_FLOOR and self._room.shortfall_bytes > self._room.used_bytes:
            return None
        dropped = self._evictor.evict_one()
        self._room.recount_now()
        return dropped

    def sync_if_due(self) -> None:
        """With `interval`: sync if the interval is over. A failure is kept in `sync_error`."""
        if self._policy.fsync == "interval" and self._is_unsynced:
            now_s = self._clock.monotonic_s()
            if now_s - self._synced_at_s >= self._policy.fsync_interval_s:
                self._sync()
                self._synced_at_s = now_s

    def _sync(self) -> None:
        if self._segment is None:
            return
        try:
            self._segment.sync()
        except OSError as error:
            self.sync_error = error
        else:
            self.sync_error = None
            self._is_unsynced = False

    def close(self) -> None:
        """Sync by policy, release everything; remove the folder if nothing was ever stored. Never raises OSError."""
        self._close_segment()
        with contextlib.suppress(OSError):
            if self.next_sequence == 1 and not list_segments(self.directory):
                lease = try_lock(self.directory / READER_LOCK)
                if lease is not None:
                    remove_folder(self.directory)
                    lease.release()
        self.release()

    def release(self) -> None:
        """Close all descriptors, and nothing else: all that a forked child may do."""
        if self._segment is not None:
            self._segment.close()
        self._lock.release()
