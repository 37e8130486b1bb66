"""The reader's durable position, replaced atomically. Byte layout: FORMAT.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.spool.disk import Disk

FILE_NAME: Final = "checkpoint"
_MAGIC: Final = b"SHIPCKP1"
_LAYOUT: Final = struct.Struct("<8sQQQI")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a folder: behind one frame. Ordered as the frames are.

    Attributes:
        segment: number of the segment.
        offset: of the byte behind the frame.
        sequence: highest sequence up to here; 0 before the first record.
    """

    segment: int
    offset: int
    sequence: int


START: Final = Position(0, 0, 0)
"""Before everything."""


def encode_checkpoint(position: Position) -> bytes:
    """Return the content of a checkpoint file."""
    body = _LAYOUT.pack(_MAGIC, position.segment, position.offset, position.sequence, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def read_checkpoint(directory: Path) -> Position | None:
    """Return the position stored in a folder, or None if there is none or it is damaged."""
    try:
        content = (directory / FILE_NAME).read_bytes()
    except OSError:
        return None
    if len(content) != _LAYOUT.size:
        return None
    magic, segment, offset, sequence, checksum = _LAYOUT.unpack(content)
    if magic != _MAGIC or zlib.crc32(content[:-4]) != checksum:
        return None
    return Position(segment, offset, sequence)


def write_checkpoint(disk: Disk, directory: Path, position: Position, *, durable: bool) -> None:
    """Store `position`; `durable`: it outlives the machine too, as it must before anything is deleted.

    Raises:
        OSError: the disk refuses; the former checkpoint is still whole.
    """
    disk.write_file(directory / FILE_NAME, encode_checkpoint(position), durable=durable)
