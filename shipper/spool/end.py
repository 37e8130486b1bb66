"""How far a folder was written: what its writer last noted, in its lock file. Byte layout: FORMAT.md.

A record that is missing in the middle shows by the sequence of the next one. Behind the last record there is no next
one, so the writer says where the sequence stood: when it begins a segment, and when it closes. Never ahead of what
is stored.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

_MAGIC: Final = b"SHIPEND1"
_LAYOUT: Final = struct.Struct("<8sQI")


def encode_end(next_sequence: int) -> bytes:
    """Return the 20 bytes that say: everything below `next_sequence` was stored."""
    body = _LAYOUT.pack(_MAGIC, next_sequence, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def read_end(lock_file: Path) -> int:
    """Return the sequence below which everything was stored; 1 (nothing is known) if the note is missing or damaged."""
    try:
        with lock_file.open("rb") as file:
            data = file.read(_LAYOUT.size)
    except OSError:
        return 1
    if len(data) < _LAYOUT.size:
        return 1
    magic, next_sequence, checksum = _LAYOUT.unpack(data)
    is_whole = magic == _MAGIC and zlib.crc32(data[:-4]) == checksum
    return int(next_sequence) if is_whole else 1
