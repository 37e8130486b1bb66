"""One stored record: header, checksum, dataset, payload. Byte layout: FORMAT.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from shipper.errors import CorruptFrame, TornFrame

MAGIC: Final = b"\xff\xfeSF"
HEADER: Final = struct.Struct("<4sIIBBBBQq")
_CHECKED: Final = struct.Struct("<IBBBBQq")
_CHECKED_FROM: Final = 8
PAYLOAD_MAX_BYTES: Final = 1 << 28
"""A longer payload is never written, so a header that claims one is damage."""
DATASET_MAX_BYTES: Final = 255


class FrameKind(IntEnum):
    """What a frame stands for."""

    RECORD = 0
    TOMBSTONE = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as found in a segment.

    Attributes:
        kind: a `FrameKind`, or a number that a later version has given a meaning.
        sequence: of the record; for a tombstone the last of its range.
        timestamp_us: event time, microseconds since the epoch, UTC.
        level: 0 to 255.
        end: offset of the byte behind the frame.
    """

    kind: int
    sequence: int
    timestamp_us: int
    level: int
    dataset: str
    payload: bytes
    end: int


def encode_frame(
    payload: bytes,
    *,
    sequence: int,
    timestamp_us: int,
    level: int,
    dataset: str,
    kind: FrameKind = FrameKind.RECORD,
) -> bytes:
    """Return the bytes of one frame; a dataset's name is cut at 255 bytes, a level bounded to 0..255."""
    name = dataset.encode("utf-8", "replace")[:DATASET_MAX_BYTES]
    bounded = 0 if level < 0 else min(level, 255)
    checked = _CHECKED.pack(len(payload), kind, bounded, len(name), 0, sequence, timestamp_us)
    checksum = zlib.crc32(payload, zlib.crc32(name, zlib.crc32(checked)))
    return b"".join((MAGIC, checksum.to_bytes(4, "little"), checked, name, payload))


def tombstone_payload(first: int, reason: str) -> bytes:
    """Return the payload of a tombstone whose range starts at sequence `first`."""
    return first.to_bytes(8, "little") + reason.encode()


def tombstone_first(frame: Frame) -> int:
    """Return the first sequence of a tombstone's range (its last is the frame's own)."""
    return min(int.from_bytes(frame.payload[:8], "little"), frame.sequence)


def frame_length(data: bytes, offset: int) -> int | None:
    """Return the whole length that the header at `offset` claims; None if the header is cut or absurd."""
    if offset + HEADER.size > len(data):
        return None
    magic, _, length, _, _, name_length, reserved, _, _ = HEADER.unpack_from(data, offset)
    if magic != MAGIC or length > PAYLOAD_MAX_BYTES or reserved:
        return None
    return HEADER.size + int(name_length) + int(length)


def parse_frame(data: bytes, offset: int, segment: str, base: int = 0) -> Frame | None:
    """Return the frame at byte `offset` of `data`, or None at its clean end.

    `base` is where `data` starts in the file: it is added to the frame's `end` and to offsets in errors, which
    name `segment`.

    Raises:
        TornFrame: `data` ends inside the frame.
        CorruptFrame: no magic there, an absurd header, or a wrong checksum.
    """
    if offset == len(data):
        return None
    if offset + HEADER.size > len(data):
        if not data.startswith(MAGIC[: len(data) - offset], offset):
            raise CorruptFrame(segment, base + offset)
        raise TornFrame(segment, base + offset)
    _, checksum, length, kind, level, name_length, _, sequence, timestamp_us = HEADER.unpack_from(
        data, offset
    )
    whole = frame_length(data, offset)
    if whole is None:
        raise CorruptFrame(segment, base + offset)
    end = offset + whole
    if end > len(data):
        raise TornFrame(segment, base + offset)
    view = memoryview(data)
    if zlib.crc32(view[offset + _CHECKED_FROM : end]) != checksum:
        raise CorruptFrame(segment, base + offset)
    name_end = offset + HEADER.size + name_length
    return Frame(
        kind,
        sequence,
        timestamp_us,
        level,
        str(view[offset + HEADER.size : name_end], "utf-8", "replace"),
        bytes(view[name_end : name_end + length]),
        base + end,
    )
