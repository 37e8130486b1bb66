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
_HEADER: Final = struct.Struct("=8sQ")
_MAGIC: Final = b"SHIPDRP1"
_VERSION: Final = 1
_WORD_BYTES: Final = 8
_SLOT: Final = struct.Struct("=QQ")
_FIRST: Final = 8
_CHECK_BITS: Final = 16
_PRIME: Final = 65521
"""The largest below 2^16: whatever single bit of a count flips, the rest of the division by it changes."""
_LOOK_EVERY: Final = 256

_REASONS: Final = tuple(DropReason)
_PLACES: Final = {
    reason: (place, _FIRST + 2 * place, 0x5A17 + place) for place, reason in enumerate(_REASONS)
}
"""By reason: its number, its slot's first word, and what its check is salted with: zeros are not a count of 0."""


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
    for _, word, salt in _PLACES.values():
        _SLOT.pack_into(image, word * _WORD_BYTES, salt, 0)
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
    for reason, (_, word, salt) in _PLACES.items():
        sealed, at_us = _SLOT.unpack_from(data, word * _WORD_BYTES)
        count = sealed >> _CHECK_BITS
        if sealed & ((1 << _CHECK_BITS) - 1) != count % _PRIME ^ salt:
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


class _Image:
    """A file's bytes as words of 8. A word is stored by one instruction: a kill finds the old number or the new one.

    `struct.pack_into` will not do: it fills its place with zeros first.
    """

    __slots__ = ("_bytes", "words")

    def __init__(self, content: bytearray | mmap.mmap) -> None:
        self._bytes = content
        self.words = memoryview(content).cast("Q")

    @property
    def content(self) -> bytes:
        """All of it."""
        return self.words.tobytes()

    @property
    def is_cut(self) -> bool:
        """Whether somebody has cut the mapped file: to touch it would kill the process. Raises OSError."""
        return isinstance(self._bytes, mmap.mmap) and self._bytes.size() < FILE_BYTES

    def close(self) -> None:
        """Unmap what is mapped; other bytes stay usable for who still has them in hand."""
        if isinstance(self._bytes, mmap.mmap):
            self.words.release()
            self._bytes.close()


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
        self._image = _Image(bytearray(empty_file()))
        self._words = self._image.words
        self._file: _Descriptor | None = None
        self._turns = threading.RLock()

    @property
    def counts(self) -> dict[str, int]:
        """How many records were given up, by reason."""
        return {reason.value: count for reason, count in zip(_REASONS, self._counts, strict=True) if count}

    @property
    def content(self) -> bytes:
        """What the file of a new folder must say."""
        return self._image.content

    def add(self, reason: DropReason, count: int = 1) -> None:
        """Count. Never raises OSError; once it has returned, the count survives the death of the process."""
        place, word, salt = _PLACES[reason]
        counts, now_us = self._counts, self._clock.now_us()
        counts[place] += count
        # No call within a line: each stores the newest into the newest image, whoever comes before or behind it.
        self._words[word] = (n := counts[place]) << _CHECK_BITS | n % _PRIME ^ salt
        self._words[word + 1] = now_us
        if self._file is not None:
            self._write(word)
        elif not n % _LOOK_EVERY:
            self._look()

    def announce(self, reason: DropReason, count: int) -> None:
        """Say in the file what `add` is about to count: for what must not happen untold. Never raises OSError."""
        place, word, salt = _PLACES[reason]
        counts, now_us = self._counts, self._clock.now_us()
        self._words[word] = (n := counts[place] + count) << _CHECK_BITS | n % _PRIME ^ salt
        self._words[word + 1] = now_us
        if self._file is not None:
            self._write(word)

    def _write(self, word: int) -> None:
        with self._turns:
            while (file := self._file) is not None:
                slot = self._words[word : word + 2].tobytes()
                try:
                    self._disk.store(file.number, slot, word * _WORD_BYTES)
                except (
                    OSError
                ):  # a disk without room for what it has already (copy on write): the next one tells
                    return
                if slot == self._words[word : word + 2].tobytes():  # else a signal handler counted meanwhile
                    return

    def attach(self, directory: Path, *, is_mapped: bool) -> None:
        """Count into a folder from now on; it was made with `content`. Never raises OSError.

        Where its file cannot be opened it is cut, which says that nothing is known: never an old number.
        """
        path = directory / FILE_NAME
        try:
            file = _Descriptor(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            if is_mapped:
                self._take(_Image(mmap.mmap(file.number, FILE_BYTES)), None)
            else:
                self._take(_Image(bytearray(self.content)), file)
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                self._disk.trim(path, 0)

    def _take(self, image: _Image, file: _Descriptor | None) -> None:
        before, words, disk = self._words, image.words, self._disk
        # In a child that a signal handler forked just now the folder is the parent's.
        self._image, self._words, self._file = (
            (self._image, before, None) if disk.veto else (image, words, file)
        )
        for place, word, salt in _PLACES.values():
            # Once more: another thread may have counted since `content` was asked for.
            self._words[word] = (n := self._counts[place]) << _CHECK_BITS | n % _PRIME ^ salt
            self._words[word + 1] = before[word + 1]
            if n and file is not None:
                self._write(word)

    def _look(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._image.is_cut:
                self.release()

    def release(self) -> None:
        """Count in memory alone: the folder is closed."""
        image, memory = self._image, _Image(_image_of(self._counts, self._clock.now_us()))
        self._image, self._words, self._file = memory, memory.words, None
        image.close()

    def abandon_in_child(self) -> None:
        """In a forked child: touch the parent's file no more, wait for no lock of its threads."""
        self._turns = threading.RLock()
        self.release()


def _image_of(counts: list[int], now_us: int) -> bytearray:
    # Not copied from the file, which may be cut: only times are lost.
    image = bytearray(empty_file())
    for place, word, salt in _PLACES.values():
        n = counts[place]
        sealed = n << _CHECK_BITS | n % _PRIME ^ salt
        _SLOT.pack_into(image, word * _WORD_BYTES, sealed, now_us if n else 0)
    return image
