"""A segment's file written by `write`, in place of its map: where a map is not safe, or not wanted.

It takes the two stores of an append (first what is behind the head, then the head) as a map does, and makes one write
of them. So the writer is the same for both, and a mapped one pays nothing for this.
"""

from __future__ import annotations

import os
from typing import Final

from shipper.spool.disk import Disk
from shipper.spool.frame import HEAD_BYTES

_NONE: Final = (-1, b"")


class StoreFailed(ValueError):
    """A frame could not be written, or the one before it may be in the file without its writer knowing.

    A `ValueError`, as what a closed map raises: an append has one place for all that a store may raise.

    Attributes:
        cause: what the disk said; None: the append before was cut short by an exception (a signal handler's) behind
            its write. `SegmentTail.settle` finds out.
    """

    def __init__(self, cause: OSError | None) -> None:
        super().__init__("a frame was not written")
        self.cause = cause


class PlainFile:
    """Takes frames by slice assignment, as a map does. Not thread-safe: the spool's lock is around it."""

    __slots__ = ("_body", "_descriptor", "_disk", "_intended")

    def __init__(self, disk: Disk, descriptor: int) -> None:
        """`descriptor` stays its owner's, who closes it."""
        self._disk = disk
        self._descriptor = descriptor
        self._body = _NONE
        self._intended = _NONE

    def __setitem__(self, place: slice, data: bytes) -> None:
        """Keep what is behind a head; write both when the head comes.

        Raises:
            StoreFailed: nothing counts as stored.
            ValueError: closed.
        """
        if self._descriptor < 0:
            raise ValueError("the file is closed")
        body_at, body = self._body
        if place.stop == body_at:
            self._write(place.start, data + body)
            return
        if place.start - HEAD_BYTES == self._intended[0]:
            raise StoreFailed(None)
        self._body = (place.start, data)

    def _write(self, at: int, frame: bytes) -> None:
        # Said before: an exception may come between the write and the append's books, see `settle`.
        self._intended = (at, frame)
        try:
            self._disk.store(self._descriptor, frame, at)
        except OSError as error:
            if error.errno is None:
                raise  # not the disk's: a signal handler of the application raised, a TimeoutError for example
            raise StoreFailed(error) from error

    def settle(self, at: int) -> int | None:
        """Return where a frame at `at` ends that is whole in the file and not in the books, or None.

        Raises:
            OSError: the file cannot be read back.
        """
        intended_at, frame = self._intended
        if intended_at != at:
            return None
        if os.pread(self._descriptor, len(frame), at) == frame:
            return at + len(frame)
        self._intended = _NONE
        return None

    def close(self) -> None:
        """Take no more; twice is harmless."""
        self._descriptor = -1
        self._body = self._intended = _NONE
