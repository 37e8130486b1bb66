"""The reader's durable position."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.spool.checkpoint import FILE_NAME, Position, encode_checkpoint, read_checkpoint, write_checkpoint
from shipper.spool.disk import Disk


def test_round_trip_replaces_the_former_one(tmp_path: Path) -> None:
    """The last position written is the one read, and no temporary file stays."""
    for offset in (1, 2):
        write_checkpoint(Disk(), tmp_path, Position(4, offset, 9), durable=offset == 2)
    assert read_checkpoint(tmp_path) == Position(4, 2, 9)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    "damage", [b"", b"short", bytes(36), encode_checkpoint(Position(1, 2, 3))[:-1] + b"\xff"]
)
def test_a_damaged_checkpoint_is_no_position(tmp_path: Path, damage: bytes) -> None:
    """U22: an unreadable checkpoint is not fatal; it counts as none, so reading starts at the oldest segment."""
    (tmp_path / FILE_NAME).write_bytes(damage)
    assert read_checkpoint(tmp_path) is None
