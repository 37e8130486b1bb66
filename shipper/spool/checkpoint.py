"""The reader's durable position: two slots, written in turn, so that one of them is always whole.

Written in place, into a file that the folder was made with: a disk without a free byte must not keep a reader from
acknowledging, for only that makes room. Byte layout: FORMAT.md.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.spool.disk import Disk

FILE_NAME: Final = "checkpoint"
FILE_BYTES: Final = 1024
_SLOT_BYTES: Final = 512
_MAGIC: Final = b"SHIPCKP1"
_LAYOUT: Final = struct.Struct("<8sQQQQI")


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


def encode_slot(turn: int, position: Position) -> bytes:
    """Return the content of the slot for the `turn`-th checkpoint."""
    body = _LAYOUT.pack(_MAGIC, turn, position.segment, position.offset, position.sequence, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def encode_file(position: Position) -> bytes:
    """Return the content of a new checkpoint file; `START` is stored by storing nothing."""
    return (b"" if position == START else encode_slot(0, position)).ljust(FILE_BYTES, b"\0")


def _decode_slot(data: bytes) -> tuple[int, Position] | None:
    if len(data) < _LAYOUT.size:
        return None
    magic, turn, segment, offset, sequence, checksum = _LAYOUT.unpack_from(data)
    if magic != _MAGIC or zlib.crc32(data[: _LAYOUT.size - 4]) != checksum:
        return None
    return turn, Position(segment, offset, sequence)


def _read(directory: Path) -> tuple[int, Position] | None:
    """Return the younger of the whole slots."""
    try:
        content = (directory / FILE_NAME).read_bytes()
    except OSError:
        return None
    slots = [_decode_slot(content[at : at + _SLOT_BYTES]) for at in (0, _SLOT_BYTES)]
    return max((slot for slot in slots if slot is not None), default=None)


def read_checkpoint(directory: Path) -> Position | None:
    """Return the position stored in a folder, or None if there is none or it is damaged."""
    found = _read(directory)
    return None if found is None else found[1]


class Checkpoint:
    """The checkpoint of one folder, for the holder of its reader lease.

    Attributes:
        position: what was last stored; `START` if nothing readable was.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._path = directory / FILE_NAME
        self._disk = disk
        self._turn, self.position = _read(directory) or (0, START)

    def store(self, position: Position, *, durable: bool) -> None:
        """Store `position`; `durable`: it outlives the machine too, as it must before anything is deleted.

        Raises:
            OSError: the disk refuses; the former checkpoint still stands.
        """
        turn = self._turn + 1
        slot = encode_slot(turn, position)
        at = turn % 2 * _SLOT_BYTES
        try:
            self._disk.overwrite(self._path, at, slot, durable=durable)
        except FileNotFoundError:
            content = bytes(at) + slot
            self._disk.write_file(self._path, content.ljust(FILE_BYTES, b"\0"), durable=durable)
        self._turn, self.position = turn, position
