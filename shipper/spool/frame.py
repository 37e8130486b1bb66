"""One stored record: header, checksum, dataset, payload. Byte layout: FORMAT.md."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from crc32c import crc32c

from shipper.errors import CorruptFrame, TornFrame

MAGIC: Final = b"\xff\xfeSF"
NOT_YET: Final = bytes(len(MAGIC))
"""Stands where the next frame of a preallocated segment will start."""
HEADER_BYTES: Final = 32
HEAD_BYTES: Final = 12
"""Magic, length and checksum, stored last; the checksum covers all that follows them."""
PAYLOAD_MAX_BYTES: Final = 1 << 28
"""A longer payload is never written, so a header that claims one is damage."""
DATASET_MAX_BYTES: Final = 255

_HEAD: Final = struct.Struct("<4sII")
_ORDER: Final = struct.Struct("<Qq")
_TAG: Final = struct.Struct("<BBBB")
_TAG_BYTES: Final = HEADER_BYTES - HEAD_BYTES - _ORDER.size
_LENGTH_MAX: Final = HEADER_BYTES - HEAD_BYTES + DATASET_MAX_BYTES + PAYLOAD_MAX_BYTES
_VERSION_1: Final = struct.Struct("<4sIIBBBBQq")
_VERSION_1_CHECKED_FROM: Final = 8

_FIRST_WITH_CRC32C: Final = 3

pack_head: Final = _HEAD.pack
pack_order: Final = _ORDER.pack


def checksum_of(version: int) -> Callable[[bytes | memoryview], int]:
    """Return the checksum of frames in segments of this version: CRC-32C, before version 3 CRC-32."""
    return crc32c if version >= _FIRST_WITH_CRC32C else zlib.crc32


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


def frame_tag(level: int, dataset: str, kind: FrameKind = FrameKind.RECORD) -> bytes:
    """Return the part of a frame that all records of a level and a dataset share.

    A dataset's name is cut at 255 bytes, a level bounded to 0..255.
    """
    name = dataset.encode("utf-8", "replace")[:DATASET_MAX_BYTES]
    bounded = 0 if level < 0 else min(level, 255)
    return _TAG.pack(kind, bounded, len(name), 0) + name


def tag_level(tag: bytes) -> int:
    """Return the level in a `frame_tag`."""
    return tag[1]


def encode_frame(
    payload: bytes,
    *,
    sequence: int,
    timestamp_us: int,
    level: int,
    dataset: str,
    kind: FrameKind = FrameKind.RECORD,
) -> bytes:
    """Return the bytes of one frame of the present version. `SpoolWriter.put` makes the same ones, piece by piece."""
    rest = b"".join((pack_order(sequence, timestamp_us), frame_tag(level, dataset, kind), payload))
    return pack_head(MAGIC, len(rest), crc32c(rest)) + rest


def tombstone_payload(first: int, reason: str) -> bytes:
    """Return the payload of a tombstone whose range starts at sequence `first`."""
    return first.to_bytes(8, "little") + reason.encode()


def tombstone_first(frame: Frame) -> int:
    """Return the first sequence of a tombstone's range (its last is the frame's own)."""
    return min(int.from_bytes(frame.payload[:8], "little"), frame.sequence)


def frame_length(data: bytes, offset: int, version: int) -> int | None:
    """Return the whole length that the header at `offset` claims; None if the header is cut or absurd."""
    if offset + HEADER_BYTES > len(data) or not data.startswith(MAGIC, offset):
        return None
    if version == 1:
        _, _, length, _, _, name_length, reserved, _, _ = _VERSION_1.unpack_from(data, offset)
        is_sane = length <= PAYLOAD_MAX_BYTES and not reserved
        return HEADER_BYTES + int(name_length) + int(length) if is_sane else None
    _, length, _ = _HEAD.unpack_from(data, offset)
    _, _, name_length, reserved = _TAG.unpack_from(data, offset + HEADER_BYTES - _TAG_BYTES)
    least = HEADER_BYTES - HEAD_BYTES + name_length
    return HEAD_BYTES + int(length) if least <= length <= _LENGTH_MAX and not reserved else None


def is_end(data: bytes, offset: int) -> bool:
    """Return whether nothing was stored at `offset` yet: `data` ends there, or there are zeros."""
    return data.startswith(NOT_YET[: len(data) - offset], offset)


def parse_frame(data: bytes, offset: int, segment: str, base: int = 0, *, version: int) -> Frame | None:
    """Return the frame at byte `offset` of `data`, or None at its clean end.

    `base` is where `data` starts in the file: it is added to the frame's `end` and to offsets in errors, which
    name `segment`. `version` is that of the segment.

    Raises:
        TornFrame: `data` ends inside the frame.
        CorruptFrame: no magic there, an absurd header, or a wrong checksum.
    """
    if offset == len(data) or (version > 1 and is_end(data, offset)):
        return None
    if offset + HEADER_BYTES > len(data):
        if not data.startswith(MAGIC[: len(data) - offset], offset):
            raise CorruptFrame(segment, base + offset)
        raise TornFrame(segment, base + offset)
    whole = frame_length(data, offset, version)
    if whole is None:
        raise CorruptFrame(segment, base + offset)
    end = offset + whole
    if end > len(data):
        raise TornFrame(segment, base + offset)
    view = memoryview(data)
    if version == 1:
        checked_from = _VERSION_1_CHECKED_FROM
        _, checksum, _, kind, level, name_length, _, sequence, timestamp_us = _VERSION_1.unpack_from(
            data, offset
        )
    else:
        checked_from = HEAD_BYTES
        _, _, checksum = _HEAD.unpack_from(data, offset)
        sequence, timestamp_us = _ORDER.unpack_from(data, offset + HEAD_BYTES)
        kind, level, name_length, _ = _TAG.unpack_from(data, offset + HEADER_BYTES - _TAG_BYTES)
    if checksum_of(version)(view[offset + checked_from : end]) != checksum:
        raise CorruptFrame(segment, base + offset)
    name_end = offset + HEADER_BYTES + name_length
    return Frame(
        kind,
        sequence,
        timestamp_us,
        level,
        str(view[offset + HEADER_BYTES : name_end], "utf-8", "replace"),
        bytes(view[name_end:end]),
        base + end,
    )
