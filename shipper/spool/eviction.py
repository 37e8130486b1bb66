"""`drop_oldest`: the oldest whole segment that no reader holds makes room, and leaves a tombstone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from shipper.spool.checkpoint import START, read_checkpoint
from shipper.spool.directory import list_segments, segment_path
from shipper.spool.disk import Disk
from shipper.spool.drops import DropTally
from shipper.spool.lock import is_same_file
from shipper.spool.policy import DropReason
from shipper.spool.tombstones import Tombstone, forget, merge, write_tombstones


class Evictor:
    """Gives back segments of one folder. Not thread-safe: the spool's lock is around it.

    It knows the first sequence of each segment because its writer made them all.
    """

    def __init__(self, directory: Path, disk: Disk, tally: DropTally, *, durable: bool) -> None:
        self._directory = directory
        self._disk = disk
        self._tally = tally
        self._durable = durable
        self._first_sequences: dict[int, int] = {}
        self._tombstones: tuple[Tombstone, ...] = ()
        self._is_untold = False

    def note_segment(self, number: int, first_sequence: int) -> None:
        """Remember a segment that the writer has just begun."""
        self._first_sequences[number] = first_sequence

    def evict_one(self) -> int | None:
        """Delete the oldest whole segment that no reader holds.

        Returns how many records were dropped by that (0 if all of them had been acknowledged), or None if
        there is no such segment. Raises OSError.
        """
        present = list_segments(self._directory)
        oldest = present[0] if present else 0
        self._first_sequences = {n: first for n, first in self._first_sequences.items() if n >= oldest}
        for number in present:
            following = min((n for n in self._first_sequences if n > number), default=None)
            if number not in self._first_sequences or following is None:
                continue
            dropped = self._evict(number, self._first_sequences[following] - 1)
            if dropped is not None:
                # A disk too full for the explanation has its room only now that the file is closed.
                self._tell()
                return dropped
        return None

    def _evict(self, number: int, last_sequence: int) -> int | None:
        path = segment_path(self._directory, number)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not is_same_file(descriptor, path):
                return None
            return self._delete(path, self._first_sequences[number], last_sequence)
        except BlockingIOError:
            return None
        finally:
            os.close(descriptor)

    def _delete(self, path: Path, first_sequence: int, last_sequence: int) -> int:
        acknowledged = (read_checkpoint(self._directory) or START).sequence
        first = max(first_sequence, acknowledged + 1)
        if first > last_sequence:
            self._disk.unlink(path)
            return 0
        tombstone = Tombstone(first, last_sequence, DropReason.EVICTED)
        self._tombstones = merge(forget(self._tombstones, acknowledged), tombstone)
        self._is_untold = True
        # The explanation first, so that no reader meets an unexplained gap.
        self._tell()
        self._tally.announce(DropReason.EVICTED, last_sequence - first + 1)
        self._disk.unlink(path)
        return last_sequence - first + 1

    def _tell(self) -> None:
        if self._is_untold:
            with contextlib.suppress(OSError):
                write_tombstones(self._disk, self._directory, self._tombstones, durable=self._durable)
                self._is_untold = False
