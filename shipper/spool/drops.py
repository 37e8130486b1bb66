"""How many records a folder's writer gave up, and why: in a small file that outlives it. Byte layout: FORMAT.md.

A refused record uses up no sequence, so nothing else in the folder tells of it. The file's room is taken when the
folder is made: a full disk is what most refusals are about.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.spool.disk import Disk
from shipper.spool.policy import DropReason

FILE_NAME: Final = "drops"
FILE_BYTES: Final = 4096
_HEADER: Final = struct.Struct("<8sQ")
_MAGIC: Final = b"SHIPDRP1"
_VERSION: Final = 1
_SLOT: Final = struct.Struct("<QQ")
_SLOTS_AT: Final = 64
_CHECK_BITS: Final = 16
_PRIME: Final = 65521
"""The largest below 2^16: whatever single bit of a count flips, the rest of the division by it changes."""
_LOOK_EVERY: Final = 256

_REASONS: Final = tuple(DropReason)
_PLACES: Final = {
    reason: (place, _SLOTS_AT + place * _SLOT.size, 0x5A17 + place) for place, reason in enumerate(_REASONS)
}
"""By reason: its number, where its slot is, and what its check is salted with: so that zeros are not a count of 0."""

_pack_into = _SLOT.pack_into


@dataclass(frozen=True, slots=True)
class FolderDrops:
    """What a folder tells of the records that its writer gave up, up to now or up to its death.

    Attributes:
        counts: by the names of `DropReason`; those that never happened are left out.
        changed_us: when the last of them was counted, microseconds since the epoch; 0 if none was.
    """

    counts: Mapping[str, int]
    changed_us: int


def empty_file() -> bytes:
    """Return the content of the file of a writer that has given up nothing."""
    image = bytearray(FILE_BYTES)
    _HEADER.pack_into(image, 0, _MAGIC, _VERSION)
    for _, at, salt in _PLACES.values():
        _pack_into(image, at, salt, 0)
    return bytes(image)


def read_drops(directory: Path) -> FolderDrops | None:
    """Return what a folder tells, or None where that is unknown: the file is missing, cut or damaged anywhere."""
    try:
        with (directory / FILE_NAME).open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError:
        return None
    if len(data) != FILE_BYTES or _HEADER.unpack_from(data) != (_MAGIC, _VERSION):
        return None
    counts: dict[str, int] = {}
    changed_us = 0
    for reason, (_, at, salt) in _PLACES.items():
        word, at_us = _SLOT.unpack_from(data, at)
        count = word >> _CHECK_BITS
        if word & ((1 << _CHECK_BITS) - 1) != count % _PRIME ^ salt:
            return None
        if count and reason is not DropReason.CLOSED:  # those are taken to the next spool by who logged them
            counts[reason.value] = count
            changed_us = max(changed_us, at_us)
    return FolderDrops(counts, changed_us)


class _Descriptor:
    """An open file that is closed when nobody uses it any more: who counts may be interrupted by who closes."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.number)


class DropTally:
    """Counts what one writer gives up, in memory and, while it has a folder, in that folder's file.

    For all threads and without a lock around the counting: a refusal must stay cheap and may come from a signal
    handler. A count, and its store into the map, are single statements into which the interpreter lets nobody. With
    plain writes a system call stands between, so those take turns.
    """

    def __init__(self, clock: Clock, disk: Disk) -> None:
        self._clock = clock
        self._disk = disk
        self._counts = [0] * len(_REASONS)
        self._image: bytearray | mmap.mmap = bytearray(empty_file())
        self._file: _Descriptor | None = None
        self._turns = threading.RLock()

    @property
    def counts(self) -> dict[str, int]:
        """How many records were given up, by reason."""
        return {reason.value: count for reason, count in zip(_REASONS, self._counts, strict=True) if count}

    @property
    def content(self) -> bytes:
        """What the file of a new folder must say."""
        return bytes(self._image[:])

    def add(self, reason: DropReason, count: int = 1) -> None:
        """Count. Never raises OSError; once it has returned, the count survives the death of the process."""
        place, at, salt = _PLACES[reason]
        counts, now_us = self._counts, self._clock.now_us()
        counts[place] += count
        # One statement, one line: it stores the newest count into the newest image, whoever comes before or behind it.
        _pack_into(self._image, at, (n := counts[place]) << _CHECK_BITS | n % _PRIME ^ salt, now_us)
        if self._file is not None:
            self._write(at)
        elif not n % _LOOK_EVERY:
            self._look()

    def announce(self, reason: DropReason, count: int) -> None:
        """Say in the file what `add` is about to count: for what must not happen untold. Never raises OSError."""
        place, at, salt = _PLACES[reason]
        counts, now_us = self._counts, self._clock.now_us()
        _pack_into(self._image, at, (n := counts[place] + count) << _CHECK_BITS | n % _PRIME ^ salt, now_us)
        if self._file is not None:
            self._write(at)

    def _write(self, at: int) -> None:
        end = at + _SLOT.size
        with self._turns:
            while (file := self._file) is not None:
                slot = bytes(self._image[at:end])
                try:
                    self._disk.store(file.number, slot, at)
                except (
                    OSError
                ):  # a disk without room for what it has already (copy on write): the next one tells
                    return
                if slot == self._image[at:end]:  # else a signal handler counted meanwhile
                    return

    def attach(self, directory: Path, *, is_mapped: bool) -> None:
        """Count into a folder from now on; it was made with `content`. Never raises OSError.

        Where its file cannot be opened it is cut, which says that nothing is known: never an old number.
        """
        path = directory / FILE_NAME
        try:
            file = _Descriptor(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            if is_mapped:
                self._take(mmap.mmap(file.number, FILE_BYTES), None)
            else:
                self._take(bytearray(self.content), file)
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                self._disk.trim(path, 0)

    def _take(self, image: bytearray | mmap.mmap, file: _Descriptor | None) -> None:
        before, disk = self._image, self._disk
        # In a child that a signal handler forked just now, the folder is the parent's.
        self._image, self._file = (before, None) if disk.veto else (image, file)
        for place, at, salt in _PLACES.values():
            at_us = _SLOT.unpack_from(before, at)[1]
            # Once more: another thread may have counted since `content` was asked for.
            _pack_into(self._image, at, (n := self._counts[place]) << _CHECK_BITS | n % _PRIME ^ salt, at_us)
            if n and file is not None:
                self._write(at)

    def _look(self) -> None:
        """Touch no map any more whose file somebody has cut: a store would kill the process."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._image, mmap.mmap) and self._image.size() < FILE_BYTES:
                self.release()

    def release(self) -> None:
        """Count in memory alone: the folder is closed."""
        image = self._image
        if isinstance(image, mmap.mmap):
            # Not read where it may have been cut: only the times are lost.
            self._image = _image_of(self._counts, self._clock.now_us())
            image.close()
        self._file = None

    def abandon_in_child(self) -> None:
        """In a forked child: touch the parent's file no more, wait for no lock of its threads."""
        self._turns = threading.RLock()
        self.release()


def _image_of(counts: list[int], now_us: int) -> bytearray:
    image = bytearray(empty_file())
    for place, at, salt in _PLACES.values():
        n = counts[place]
        _pack_into(image, at, n << _CHECK_BITS | n % _PRIME ^ salt, now_us if n else 0)
    return image
