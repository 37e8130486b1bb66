"""Reads from a disk that may have bad sectors: asked again for a while, then stepped over.

An `EIO` may pass (a cable, a server that is away), so a reader is told of it and comes again, with pauses. But a sector
that is gone must not keep the records behind it for ever: in the end its page reads as zeros, which is damage as any other.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import Final

GIVE_UP_AFTER: Final = 20
"""Failures in one segment; with the pauses of a shipment that is some minutes."""

_PAGE_BYTES: Final = 4096


class Sectors:
    """What a reader knows of the bad places of its folder. For one thread."""

    def __init__(self) -> None:
        self._failures: Counter[int] = Counter()

    def read(self, segment: int, descriptor: int, size_bytes: int, at: int) -> bytes:
        """Return at most so many bytes from `at` on. Raises OSError, `EIO` only so many times for one segment."""
        try:
            return os.pread(descriptor, size_bytes, at)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._failures[segment] += 1
            if self._failures[segment] < GIVE_UP_AFTER:
                raise
        end = min(at + size_bytes, os.fstat(descriptor).st_size)
        found = bytearray()
        while at < end:
            # Up to the end of a page: so the bad one costs no more than itself.
            part = min(end, (at // _PAGE_BYTES + 1) * _PAGE_BYTES) - at
            found += self._page(descriptor, part, at)
            at += part
        return bytes(found)

    @staticmethod
    def _page(descriptor: int, size_bytes: int, at: int) -> bytes:
        try:
            return os.pread(descriptor, size_bytes, at).ljust(size_bytes, b"\0")
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return bytes(size_bytes)
