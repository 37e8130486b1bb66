"""What a reader returns: one record, or many frames in one go: the ordinary ones that follow each other without a gap, of one segment.

Whatever is not ordinary (damage, a tombstone, a jump in the sequence, the end) ends a run; `SpoolReader.read` is
asked for what comes there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from shipper.record import Row
from shipper.spool.checkpoint import Position
from shipper.spool.frame import HEAD_BYTES, HEADER_BYTES, MAGIC, checksum_of

_HEADER: Final = struct.Struct("<4sIIQq")
_TAG_AT: Final = _HEADER.size
_TAG_BYTES: Final = HEADER_BYTES - _TAG_AT


@dataclass(frozen=True, slots=True)
class SpooledRecord:
    """One record as read, and where.

    Attributes:
        position: to be acknowledged once this record and all before it are settled.
        missing_before: sequences lost directly before this one that nothing explains.
    """

    sequence: int
    timestamp_us: int
    level: int
    dataset: str
    payload: bytes
    position: Position
    missing_before: int = 0


@dataclass(frozen=True, slots=True)
class SpooledRun:
    """Records as read, one after another.

    Attributes:
        segment: number of the segment they stand in.
        rows: at least one.
        ends: offset of the byte behind each one's frame.
        size_bytes: of all payloads.
        missing_before: sequences lost directly before the first that nothing explains.
    """

    segment: int
    rows: list[Row]
    ends: list[int]
    size_bytes: int
    missing_before: int = 0

    @property
    def position(self) -> Position:
        """The place behind the last record."""
        return Position(self.segment, self.ends[-1], self.rows[-1][0])


def scan(
    data: bytes, offset: int, base: int, sequence: int, max_records: int, max_bytes: int, *, version: int
) -> tuple[list[Row], list[int], int]:
    """Return the rows that start at `offset` of `data` (not of version 1), the ends of their frames, and their size.

    Args:
        base: where `data` starts in the file; it is added to the ends.
        sequence: that of the record before.
        max_records, max_bytes: it ends with the record that reaches one of them.
        version: of the segment.
    """
    unpack, checksum_for, view, size = _HEADER.unpack_from, checksum_of(version), memoryview(data), len(data)
    rows, ends = list[Row](), list[int]()
    # Of a frame of level 0 without a dataset.
    tag, body, level, dataset, left_bytes = bytes(_TAG_BYTES), HEADER_BYTES, 0, "", max_bytes
    while offset + HEADER_BYTES <= size and left_bytes > 0 and len(rows) < max_records:
        magic, length, checksum, number, timestamp_us = unpack(data, offset)
        if not data.startswith(tag, offset + _TAG_AT):
            # Kind, level and dataset are mostly those of the frame before: one look at all of them.
            kind, level, name_length, reserved = data[offset + _TAG_AT : offset + HEADER_BYTES]
            if kind or reserved:
                break
            body = HEADER_BYTES + name_length
            tag = data[offset + _TAG_AT : offset + body]
            dataset = tag[_TAG_BYTES:].decode("utf-8", "replace")
        end = offset + HEAD_BYTES + length
        start = offset + body
        sequence += 1
        if (
            magic != MAGIC
            or number != sequence
            or not start <= end <= size
            or checksum_for(view[offset + HEAD_BYTES : end]) != checksum
        ):
            break
        rows.append((number, timestamp_us, level, dataset, data[start:end]))
        ends.append(base + end)
        left_bytes -= end - start
        offset = end
    return rows, ends, max_bytes - left_bytes
