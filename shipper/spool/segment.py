"""One append-only file of frames: the side that writes it and the side that reads it. Layout: FORMAT.md."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.errors import CorruptFrame, TornFrame
from shipper.spool.directory import segment_path
from shipper.spool.disk import Disk
from shipper.spool.frame import HEADER as FRAME_HEADER
from shipper.spool.frame import MAGIC as FRAME_MAGIC
from shipper.spool.frame import Frame, frame_length, parse_frame
from shipper.spool.lock import is_same_file

_MAGIC: Final = b"\x89SHIPSEG"
VERSION: Final = 1
_LAYOUT: Final = struct.Struct("<8sHH32sQQQI")
HEADER_BYTES: Final = _LAYOUT.size
_READ_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself."""

    producer_id: str
    number: int
    first_sequence: int
    created_us: int
    version: int = VERSION

    def encode(self) -> bytes:
        """Return the 72 bytes."""
        producer = self.producer_id.encode("ascii")
        body = _LAYOUT.pack(
            _MAGIC, self.version, 0, producer, self.number, self.first_sequence, self.created_us, 0
        )[:-4]
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def decode(cls, data: bytes) -> SegmentHeader | None:
        """Return the header at the start of `data`, or None if it is cut or damaged."""
        if len(data) < HEADER_BYTES:
            return None
        magic, version, _, producer, number, first, created, checksum = _LAYOUT.unpack_from(data)
        if magic != _MAGIC or zlib.crc32(data[: HEADER_BYTES - 4]) != checksum:
            return None
        return cls(producer.rstrip(b"\0").decode("ascii", "replace"), number, first, created, version)


class SegmentWriter:
    """The newest segment of a folder, open for appending. Not thread-safe: the spool's lock is around it.

    Attributes:
        number, first_sequence: as in its header.
        next_sequence: of the record that is appended next.
        size_bytes: up to the end of the last whole frame.
        is_broken: a frame was cut and could not be cut off; nothing may be appended any more.
    """

    def __init__(self, disk: Disk, directory: Path, header: SegmentHeader) -> None:
        """Create the file and write its header. Raises OSError; then the number is not to be used again."""
        self._disk = disk
        self.number = header.number
        self.first_sequence = header.first_sequence
        self.next_sequence = header.first_sequence
        self.size_bytes = 0
        self.is_broken = False
        self._in_flight: tuple[int, int] | None = None
        path = segment_path(directory, header.number)
        self._descriptor = disk.create(path)
        try:
            self._write(header.encode(), 0)
        except OSError:
            self.close()
            with contextlib.suppress(OSError):
                disk.unlink(path)
            raise

    def append(self, frame: bytes) -> None:
        """Write one record's frame whole at the end; it uses up `next_sequence`.

        Raises:
            OSError: the disk refuses; what had been written of it is cut off again, or `is_broken` is set.
        """
        self._write(frame, 1)

    def _write(self, data: bytes, records: int) -> None:
        self._in_flight = (len(data), records)
        try:
            written = self._disk.write(self._descriptor, data)
            if written != len(data):
                # A regular file takes part of a write only when the disk or a limit is full; ask why.
                written += self._disk.write(self._descriptor, data[written:])
        except OSError:
            self._cut()
            raise
        if written != len(data):
            self._cut()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # No call stands between these stores, so a signal handler that raises cannot part them.
        self.size_bytes += written
        self.next_sequence += records
        self._in_flight = None

    def _cut(self) -> None:
        try:
            self._disk.truncate(self._descriptor, self.size_bytes)
        except OSError:
            self.is_broken = True
        self._in_flight = None

    def settle(self) -> None:
        """Bring the books up to date if an asynchronous exception (Ctrl-C) cut an append short.

        Raises OSError.
        """
        if self._in_flight is None:
            return
        size, records = self._in_flight
        if os.fstat(self._descriptor).st_size == self.size_bytes + size:
            self.size_bytes += size
            self.next_sequence += records
            self._in_flight = None
        else:
            self._cut()

    def sync(self) -> None:
        """Wait until all frames are on the disk itself. Raises OSError."""
        self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Close the file; twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


class SegmentReader:
    """A segment open for reading and held against eviction by a shared lock, until `close`.

    Attributes:
        header: None while the file is too short for one, or if it is damaged.
        is_sealed: set by the owner once nothing can be appended any more.
    """

    def __init__(self, descriptor: int, number: int) -> None:
        self._descriptor = descriptor
        self.number = number
        self.is_sealed = False
        self._data = b""
        self._start = 0
        self._searched: tuple[int, int] = (-1, -1)
        self.header = SegmentHeader.decode(os.pread(descriptor, HEADER_BYTES, 0))

    @classmethod
    def open(cls, directory: Path, number: int) -> SegmentReader | None:
        """Open and hold a segment; None if it is gone or being evicted. Raises OSError."""
        path = segment_path(directory, number)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if is_same_file(descriptor, path):
                return cls(descriptor, number)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @property
    def size_bytes(self) -> int:
        """Size of the file now."""
        return os.fstat(self._descriptor).st_size

    def frame_at(self, offset: int) -> Frame | None:
        """Return the frame at `offset` (its `end` is an offset in the file), or None at the clean end.

        Raises:
            TornFrame, CorruptFrame: see `parse_frame`.
            OSError: the disk cannot be read.
        """
        try:
            frame = self._parse(offset)
        except (TornFrame, CorruptFrame):
            frame = None  # the buffer may be older than the file
        if frame is None:
            self._load(offset)
            frame = self._parse(offset)
        return frame

    def _parse(self, offset: int) -> Frame | None:
        relative = offset - self._start
        if not 0 <= relative <= len(self._data):
            return None
        return parse_frame(self._data, relative, str(self.number), self._start)

    def _load(self, offset: int) -> None:
        self._start = offset
        self._data = os.pread(self._descriptor, _READ_BYTES, offset)
        whole = frame_length(self._data, 0)
        if whole is not None and whole > len(self._data) == _READ_BYTES:
            self._data = os.pread(self._descriptor, whole, offset)

    def frame_after(self, offset: int) -> int | None:
        """Return the offset of the next whole frame behind a damaged place at `offset`, or None.

        A search that found nothing is not repeated until the file has grown. Raises OSError.
        """
        size = self.size_bytes
        if self._searched == (offset, size):
            return None
        at = offset + 1
        while at < size:
            window = os.pread(self._descriptor, _READ_BYTES, at)
            relative = window.find(FRAME_MAGIC)
            while relative >= 0:
                if self._verifies(at + relative, size):
                    return at + relative
                relative = window.find(FRAME_MAGIC, relative + 1)
            # Windows overlap, so that a magic across their border is found.
            at += max(1, len(window) - len(FRAME_MAGIC) + 1)
        self._searched = (offset, size)
        return None

    def _verifies(self, offset: int, size: int) -> bool:
        """Return whether a whole frame with a right checksum stands at `offset`."""
        whole = frame_length(os.pread(self._descriptor, FRAME_HEADER.size, offset), 0)
        if whole is None or offset + whole > size:
            return False
        try:
            return parse_frame(os.pread(self._descriptor, whole, offset), 0, str(self.number)) is not None
        except (TornFrame, CorruptFrame):
            return False

    def release_buffer(self) -> None:
        """Free the read buffer; the segment stays held."""
        self._data, self._start = b"", 0

    def close(self) -> None:
        """Let go of the segment; twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)
