"""What a reader returns: one record, or many frames in one go: the ordinary ones that follow each other without a gap, of one segment.

Whatever is not ordinary (damage, a tombstone, a jump in the sequence, the end) ends a run; `SpoolReader.read` is
asked for what comes there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from shipper.record import Row
from shipper.spool.checkpoint import Position
from shipper.spool.frame import HEAD_BYTES, HEADER_BYTES, MAGIC, checksum_of

_ORDERED: Final = "<4sIIQq"
_TAG_AT: Final = struct.calcsize(_ORDERED)
_TAG_BYTES: Final = HEADER_BYTES - _TAG_AT
_KIND_AT, _LEVEL_AT, _NAME_LENGTH_AT, _RESERVED_AT = range(_TAG_BYTES)


@lru_cache(maxsize=64)
def _layout(tag: bytes) -> tuple[Callable[[bytes, int], tuple[Any, ...]], int, int, str]:
    """Return what frames with this tag share: how they are read up to their payload, where that starts, level, dataset.

    The whole tag is one field of what is read, so that it is compared in one step.
    """
    body = HEADER_BYTES + tag[_NAME_LENGTH_AT]
    layout = struct.Struct(f"{_ORDERED}{body - _TAG_AT}s")
    return layout.unpack_from, body, tag[_LEVEL_AT], tag[_TAG_BYTES:].decode("utf-8", "replace")


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
    checksum_for, view, size = checksum_of(version), memoryview(data), len(data)
    rows, ends = list[Row](), list[int]()
    tag, left_bytes = bytes(_TAG_BYTES), max_bytes
    unpack, body, level, dataset = _layout(tag)
    for expected in range(sequence + 1, sequence + 1 + max_records):
        if offset + body > size or left_bytes <= 0:
            break
        magic, length, checksum, number, timestamp_us, found = unpack(data, offset)
        if found != tag:
            # Kind, level and dataset are mostly those of the frame before: one look at all of them.
            tag = data[offset + _TAG_AT : offset + HEADER_BYTES + found[_NAME_LENGTH_AT]]
            unpack, body, level, dataset = _layout(tag)
            if tag[_KIND_AT] or tag[_RESERVED_AT] or offset + body > size:
                break
        end = offset + HEAD_BYTES + length
        start = offset + body
        if (
            magic != MAGIC
            or number != expected
            or not start <= end <= size
            or checksum_for(view[offset + HEAD_BYTES : end]) != checksum
        ):
            break
        rows.append((number, timestamp_us, level, dataset, data[start:end]))
        ends.append(base + end)
        left_bytes -= end - start
        offset = end
    return rows, ends, max_bytes - left_bytes
