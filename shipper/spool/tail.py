"""The end of a folder's newest segment, in memory: where the next frame goes. Layout: FORMAT.md.

The file is preallocated and mapped: a frame is stored by two copies and no system call. A store into a page that the
disk has no room for, or that is not part of the file any more, would kill the process (SIGBUS). So every byte is
allocated for real before it is used, by a call that fails with an error instead, and the file is looked at again
for each stretch of it. Where that is not enough the file is written instead (`PlainFile`); all else is the same.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from shipper.spool.directory import segment_path
from shipper.spool.disk import Disk
from shipper.spool.plain import PlainFile
from shipper.spool.segment import SegmentHeader

STRETCH_BYTES: Final = 1 << 17
"""After so much the file is looked at again."""
_STEP_BYTES: Final = 1 << 16
"""So much is written with zeros at once, in multiples of it: the file system then keeps it in one piece, and a store
into one of its pages costs next to nothing. More at once would be a pause that shows. Only so much stays mapped, too: it
counts as our memory. See `docs/decisions/0006-mapped-segments.md`."""

_NOWHERE: Final = mmap.mmap(-1, mmap.PAGESIZE)
_NOWHERE.close()  # a store into a closed map raises ValueError


class Buffer(Protocol):
    """What frames are stored into: a map, or a `PlainFile`. Closed, it raises ValueError."""

    def __setitem__(self, place: slice, data: bytes, /) -> None:
        """Store `data` from byte `place.start` of the file on."""

    def close(self) -> None:
        """Take no more."""


class Tail:
    """Where the next frame goes. Not thread-safe: the spool's lock is around it.

    The attributes are those that each append reads; they change together, by one statement behind the copy of the
    frame's head. No call stands between these stores, so a signal handler that raises cannot part them.

    Attributes:
        buffer: the file; an index is an offset in it.
        at: end of the last whole frame.
        limit: up to here may be written without asking; 0: nothing may.
        next_sequence: of the record that is appended next.
    """

    __slots__ = ("at", "buffer", "limit", "next_sequence")

    def __init__(self, next_sequence: int) -> None:
        """Make one that takes nothing: for a folder that has no segment, or none any more."""
        self.buffer: Buffer = _NOWHERE
        self.at = 0
        self.limit = 0
        self.next_sequence = next_sequence

    def step(self, size_bytes: int) -> bool:
        """Let the next `size_bytes` be written if they were claimed already; whether they may."""
        del size_bytes
        return False


class SegmentTail(Tail):
    """The tail of a segment's file.

    Attributes:
        number, first_sequence: as in its header.
        allocated_bytes: size of the file; what is behind `at` is zeros.
        is_broken: the file is not what it was (cut or deleted by somebody, a bad disk): nothing may be appended.
    """

    __slots__ = (
        "_claimed_to",
        "_descriptor",
        "_disk",
        "_granted_to",
        "_inode",
        "_is_mapped",
        "_is_sealed",
        "_mapped_from",
        "_path",
        "_zeroed_to",
        "allocated_bytes",
        "first_sequence",
        "is_broken",
        "number",
    )

    def __init__(
        self, disk: Disk, directory: Path, header: SegmentHeader, size_bytes: int, *, is_mapped: bool
    ) -> None:
        """Create the file with room for `size_bytes` in all; see FORMAT.md for where it may be mapped.

        Raises:
            OSError: the disk refuses. No file is left, unless it cannot even be deleted; then it holds no frame.
        """
        super().__init__(header.first_sequence)
        self._disk = disk
        self.number = header.number
        self.first_sequence = header.first_sequence
        self.allocated_bytes = 0
        self.is_broken = False
        self._is_mapped = is_mapped
        self._is_sealed = False
        self._mapped_from = 0
        self._claimed_to = 0
        self._granted_to = 0
        self._zeroed_to = 0
        self._path = segment_path(directory, header.number)
        self._descriptor = disk.create(self._path)
        try:
            self._inode = os.fstat(self._descriptor).st_ino
            # Says that it is in use, should somebody remove the lock file: cut now, a map of it would kill us.
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._begin(header.encode(), size_bytes)
        except BaseException:
            self.release()
            with contextlib.suppress(OSError):
                disk.unlink(self._path)
            raise

    def _begin(self, header: bytes, size_bytes: int) -> None:
        # The header first: a file of zeros without one would look like damage after a crash.
        if self._disk.write(self._descriptor, header) != len(header):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.at = self.allocated_bytes = len(header)
        self.extend(size_bytes)

    @property
    def is_open(self) -> bool:
        """Whether frames may be appended."""
        return not (self._is_sealed or self.is_broken)

    @property
    def is_empty(self) -> bool:
        """Whether no frame is in it."""
        return self.next_sequence == self.first_sequence

    def extend(self, size_bytes: int) -> None:
        """Let the file have `size_bytes`. Raises OSError; then it has as many as before."""
        before = self.allocated_bytes
        try:
            self._disk.allocate(self._descriptor, before, size_bytes)
            buffer = _map(self._descriptor, size_bytes) if self._is_mapped else self._written()
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.truncate(self._descriptor, before)
            raise
        # Not `resize`: this also works where a map cannot grow, and only the pages of one stretch are mapped.
        self.limit = self._granted_to = 0
        self._mapped_from = self.at // mmap.PAGESIZE * mmap.PAGESIZE
        self.buffer, self.allocated_bytes = buffer, size_bytes

    def _written(self) -> PlainFile:
        known = self.buffer  # one for the life of the file: it knows what was cut short
        return known if isinstance(known, PlainFile) else PlainFile(self._disk, self._descriptor)

    def settle(self) -> bool:
        """Take a frame into the books whose append an exception cut short behind its write; whether there was one.

        Otherwise the next record would get its sequence, and its place. Only with plain writes can it happen.
        """
        buffer = self.buffer
        if not isinstance(buffer, PlainFile) or self.is_broken:
            return False
        try:
            end = buffer.settle(self.at)
        except OSError:
            # Whether it is there cannot be told: its number is given up, and a reader will miss it or find it.
            self.give_up()
            self.next_sequence += 1
            return True
        if end is None:
            return False
        # No call between these stores, as in `Tail`.
        self.at, self.next_sequence = end, self.next_sequence + 1
        return True

    def claim(self, size_bytes: int, up_to: int) -> None:
        """Let the next `size_bytes` be written, and more where it is not behind `up_to`: at `limit` ask `step`.

        All must be allocated. It ends with the stretch: then the file is looked at again.

        Raises:
            OSError: the file is not what it was. `is_broken` is set.
        """
        if self.at + size_bytes > self._claimed_to:
            self.check()
            self._claimed_to = min(self.allocated_bytes, self.at + max(size_bytes, STRETCH_BYTES))
        is_first, end = not self._granted_to, self.at + size_bytes
        self._granted_to = max(end, min(up_to, self._claimed_to))
        if not self._is_mapped:
            self.limit = self._granted_to
        elif is_first:  # of a map, or after the disk refused
            self._prepare(size_bytes)
        else:  # this record has waited enough: the next one asks for a step
            self.limit = max(end, min(self._granted_to, self._zeroed_to))

    def step(self, size_bytes: int) -> bool:
        """See `Tail.step`."""
        if self.at + size_bytes > self._granted_to or not (self._is_mapped and self.is_open):
            return False
        try:
            self._prepare(size_bytes)
        except OSError as error:
            if error.errno is None:
                raise  # not the disk's: a signal handler of the application raised, a TimeoutError for example
            self._granted_to = 0  # `claim` will find the same, and say so
            return False
        return True

    def _prepare(self, size_bytes: int) -> None:
        """Make pages for the next `size_bytes` and some more; half-way through those, let go of what is written."""
        end = self.at + size_bytes
        if end > self._zeroed_to:
            zeroed_to = min(self.allocated_bytes, -(-end // _STEP_BYTES) * _STEP_BYTES)
            self._disk.zero(self._descriptor, max(self.at, self._zeroed_to), zeroed_to)
            self._zeroed_to = zeroed_to
            self.limit = max(end, min(self._granted_to, zeroed_to - _STEP_BYTES // 2))
            return
        self._let_go()
        self.limit = min(self._granted_to, self._zeroed_to)

    def _let_go(self) -> None:
        """Take the pages that are written out of our view. They stay in the file."""
        start = self.at // mmap.PAGESIZE * mmap.PAGESIZE
        buffer = self.buffer
        if sys.platform == "linux" and isinstance(buffer, mmap.mmap) and start > self._mapped_from:
            try:
                buffer.madvise(mmap.MADV_DONTNEED, self._mapped_from, start - self._mapped_from)
            except ValueError as error:  # closed, by a fork in a signal handler
                raise OSError(errno.EBADF, str(error)) from error
        self._mapped_from = start

    def check(self) -> None:
        """Look whether the file is still what it should be.

        Raises:
            OSError: it was cut, deleted or moved away by somebody; `is_broken` is set.
        """
        try:
            found = os.stat(self._path)  # noqa: PTH116 - `Path.stat` takes longer than the call itself
            if found.st_ino == self._inode and found.st_size >= self.allocated_bytes:
                return
        except OSError:
            self.give_up()
            raise
        self.give_up()
        raise FileNotFoundError(errno.ENOENT, "a segment was cut or deleted", str(self._path))

    def give_up(self) -> None:
        """Take no more frames: the file cannot be trusted. `is_broken` is set."""
        self.limit = self._granted_to = 0
        self.is_broken = True

    def sync(self) -> None:
        """Wait until all frames are on the disk itself. Raises OSError."""
        self._disk.sync(self._descriptor)

    def seal(self) -> None:
        """Take no more frames, give back what is allocated behind the last one, close; twice is harmless."""
        # Said first: whoever interrupts this must not find a tail that looks open. Sealing again ends it.
        self.limit, self._granted_to, self._is_sealed = 0, 0, True
        if self._descriptor >= 0:
            self.settle()
        self.buffer.close()
        if self._descriptor >= 0 and not self.is_broken and self.at < self.allocated_bytes:
            with contextlib.suppress(OSError):
                self._disk.truncate(self._descriptor, self.at)
                self.allocated_bytes = self.at
        self.release()

    def release(self) -> None:
        """Close the file and the map and change nothing of it: all that a forked child may do."""
        self.limit = self._granted_to = 0
        # Closed, not just dropped: an append that a fork interrupted must not go on into the parent's file.
        self.buffer.close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _map(descriptor: int, size_bytes: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, size_bytes)
    except ValueError as error:  # shorter than it was made: somebody cut it
        raise OSError(errno.EIO, str(error)) from error
