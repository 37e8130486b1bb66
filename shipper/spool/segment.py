"""One file of frames: its header, and the side that reads it. Layout: FORMAT.md."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.errors import CorruptFrame, TornFrame
from shipper.record import Row
from shipper.spool.directory import segment_path
from shipper.spool.frame import HEADER_BYTES as FRAME_HEADER_BYTES
from shipper.spool.frame import MAGIC as FRAME_MAGIC
from shipper.spool.frame import Frame, frame_length, is_end, parse_frame
from shipper.spool.lock import is_same_file
from shipper.spool.run import scan
from shipper.spool.sectors import Sectors

_MAGIC: Final = b"\x89SHIPSEG"
VERSION: Final = 3
READABLE: Final = (3, 2, 1)
"""Versions that are still read."""
_PREALLOCATED: Final = 1
_LAYOUT: Final = struct.Struct("<8sHH32sQQQI")
HEADER_BYTES: Final = _LAYOUT.size
_READ_BYTES: Final = 1 << 18
_READ_MAX_BYTES: Final = 1 << 20


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
            _MAGIC,
            self.version,
            _PREALLOCATED,
            producer,
            self.number,
            self.first_sequence,
            self.created_us,
            0,
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


class SegmentReader:
    """A segment open for reading and held against eviction by a shared lock, until `close`.

    Attributes:
        header: None while the file is too short for one, or if it is damaged.
        version: of its layout; behind a damaged header that of the frames found there.
        is_sealed: set by the owner once nothing can be appended any more.
    """

    def __init__(self, descriptor: int, number: int, sectors: Sectors) -> None:
        self._descriptor = descriptor
        self._sectors = sectors
        self.number = number
        self.is_sealed = False
        self._data = b""
        self._start = 0
        self._read_bytes = _READ_BYTES
        self._searched: tuple[int, int] = (-1, -1)
        self.header = SegmentHeader.decode(self._read(HEADER_BYTES, 0))
        self.version = self._guess_version() if self.header is None else self.header.version

    @classmethod
    def open(cls, directory: Path, number: int, sectors: Sectors | None = None) -> SegmentReader | None:
        """Open and hold a segment; None if it is gone or being evicted. Raises OSError.

        Args:
            sectors: what the reader of this folder knows of the disk; None: nothing.
        """
        path = segment_path(directory, number)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if is_same_file(descriptor, path):
                return cls(descriptor, number, sectors or Sectors())
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _read(self, size_bytes: int, at: int) -> bytes:
        return self._sectors.read(self.number, self._descriptor, size_bytes, at)

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

    def run_at(
        self, offset: int, sequence: int, max_records: int, max_bytes: int
    ) -> tuple[list[Row], list[int], int]:
        """Return the ordinary frames from `offset` on, as far as they have been read from the disk; see `scan`.

        Raises OSError.
        """
        if self.version == 1 or not 0 <= offset - self._start < len(self._data):
            return [], [], 0
        found = self._scan(offset, sequence, max_records, max_bytes)
        if not found[0] and offset > self._start and len(self._data) == self._read_bytes:
            # The next frame is cut by the end of the buffer. Who comes so far has more to read: the next one is larger.
            self._read_bytes = min(2 * self._read_bytes, _READ_MAX_BYTES)
            self._load(offset)
            found = self._scan(offset, sequence, max_records, max_bytes)
        return found

    def _scan(
        self, offset: int, sequence: int, max_records: int, max_bytes: int
    ) -> tuple[list[Row], list[int], int]:
        start, version = self._start, self.version
        return scan(self._data, offset - start, start, sequence, max_records, max_bytes, version=version)

    def _parse(self, offset: int) -> Frame | None:
        relative = offset - self._start
        if not 0 <= relative <= len(self._data):
            return None
        return parse_frame(self._data, relative, str(self.number), self._start, version=self.version)

    def _load(self, offset: int) -> None:
        self._start = offset
        # A look first: behind the newest frame of a preallocated segment there are only zeros to be read.
        self._data = self._read(FRAME_HEADER_BYTES, offset)
        if self.version > 1 and is_end(self._data, 0):
            return
        self._data = self._read(self._read_bytes, offset)
        whole = frame_length(self._data, 0, self.version)
        if whole is not None and whole > len(self._data) == self._read_bytes:
            self._data = self._read(whole, offset)

    def frame_after(self, offset: int) -> int | None:
        """Return the offset of the next whole frame behind a damaged place at `offset`, or None.

        In a sealed segment a search that found nothing is not repeated. Raises OSError.
        """
        size = self.size_bytes
        if self._searched == (offset, size):
            return None
        at = offset + 1
        while at < size:
            window = self._read(_READ_BYTES, at)
            relative = window.find(FRAME_MAGIC)
            while relative >= 0:
                if self.is_whole(at + relative, self.version):
                    return at + relative
                relative = window.find(FRAME_MAGIC, relative + 1)
            # Windows overlap, so that a magic across their border is found.
            at += max(1, len(window) - len(FRAME_MAGIC) + 1)
        if self.is_sealed or self.version == 1:
            self._searched = (offset, size)
        return None

    def is_whole(self, offset: int, version: int) -> bool:
        """Return whether a whole frame with a right checksum stands at `offset`. Raises OSError."""
        whole = frame_length(self._read(FRAME_HEADER_BYTES, offset), 0, version)
        if whole is None or offset + whole > self.size_bytes:
            return False
        data = self._read(whole, offset)
        try:
            return parse_frame(data, 0, str(self.number), version=version) is not None
        except (TornFrame, CorruptFrame):
            return False

    def written_bytes(self, offset: int) -> int:
        """Return how many bytes from `offset` on are something else than preallocated zeros. Raises OSError."""
        size = self.size_bytes
        end = size if self.version == 1 else offset
        for at in range(offset, size if end < size else offset, _READ_BYTES):
            kept = self._read(_READ_BYTES, at).rstrip(b"\0")
            end = at + len(kept) if kept else end
        return max(0, end - offset)

    def _guess_version(self) -> int:
        """Return the version under which the first whole frame behind a damaged header is one."""
        data = self._read(_READ_BYTES, 0)
        at = data.find(FRAME_MAGIC)
        while at >= 0:
            for version in READABLE:
                if self.is_whole(at, version):
                    return version
            at = data.find(FRAME_MAGIC, at + 1)
        return VERSION

    @property
    def is_in_use(self) -> bool:
        """Whether somebody else has the file open: its writer, who holds a shared lock on it as we do. Raises OSError."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
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
