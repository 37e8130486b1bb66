"""The reader's durable position."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.spool.checkpoint import (
    FILE_BYTES,
    FILE_NAME,
    START,
    Checkpoint,
    Position,
    encode_slot,
    read_checkpoint,
)
from shipper.spool.disk import Disk


def test_the_last_one_stored_is_the_one_read(tmp_path: Path) -> None:
    """Positions are stored in turn; the youngest counts, also for a reader that comes later; the size stays."""
    checkpoint = Checkpoint(tmp_path, Disk())
    assert checkpoint.position == START
    for offset in range(1, 8):
        checkpoint.store(Position(4, offset, 9), durable=offset % 2 == 0)
        assert read_checkpoint(tmp_path) == Position(4, offset, 9)
        assert Checkpoint(tmp_path, Disk()).position == Position(4, offset, 9)
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [(FILE_NAME, FILE_BYTES)]


@pytest.mark.parametrize("slot", [0, 512])
def test_a_torn_slot_leaves_the_other(tmp_path: Path, slot: int) -> None:
    """U22: whatever happens to the slot that is being written, the one before it stands."""
    checkpoint = Checkpoint(tmp_path, Disk())
    for offset in (1, 2):
        checkpoint.store(Position(1, offset, offset), durable=False)
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[slot + 20] ^= 0xFF
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_checkpoint(tmp_path) == Position(1, 2 if slot else 1, 2 if slot else 1)


@pytest.mark.parametrize(
    "damage", [b"", b"short", bytes(FILE_BYTES), encode_slot(1, Position(1, 2, 3))[:-1] + b"\xff"]
)
def test_a_damaged_checkpoint_is_no_position(tmp_path: Path, damage: bytes) -> None:
    """U22: an unreadable checkpoint counts as none, and the next one stored is good again."""
    (tmp_path / FILE_NAME).write_bytes(damage)
    assert read_checkpoint(tmp_path) is None
    Checkpoint(tmp_path, Disk()).store(Position(1, 2, 3), durable=True)
    assert read_checkpoint(tmp_path) == Position(1, 2, 3)
