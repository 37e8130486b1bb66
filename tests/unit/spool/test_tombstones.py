"""Ranges of evicted sequences."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.spool.disk import Disk
from shipper.spool.tombstones import (
    FILE_NAME,
    Tombstone,
    explained,
    forget,
    merge,
    read_tombstones,
    write_tombstones,
)


def test_ranges_that_touch_become_one() -> None:
    """Evicting segment after segment keeps one range, however long it goes on."""
    ranges: tuple[Tombstone, ...] = ()
    for first in range(1, 1000, 10):
        ranges = merge(ranges, Tombstone(first, first + 9, "evicted"))
    assert ranges == (Tombstone(1, 1000, "evicted"),)


def test_an_older_range_may_come_later() -> None:
    """Found by the model test: a segment that a reader held is evicted after younger ones, and is explained too."""
    ranges = merge((Tombstone(2, 2, "evicted"),), Tombstone(1, 1, "evicted"))
    assert ranges == (Tombstone(1, 2, "evicted"),)
    ranges = merge((Tombstone(5, 6, "evicted"),), Tombstone(1, 2, "evicted"))
    assert ranges == (Tombstone(1, 2, "evicted"), Tombstone(5, 6, "evicted"))


def test_explained_counts_the_overlap() -> None:
    """Only sequences inside both the gap and a range are explained."""
    ranges = (Tombstone(1, 10, "a"), Tombstone(20, 30, "b"))
    assert explained(ranges, 5, 25) == 6 + 6
    assert explained(ranges, 11, 19) == 0
    assert explained((), 1, 5) == 0


def test_what_was_read_past_is_forgotten() -> None:
    """The file does not grow with what no reader can meet any more."""
    assert forget((Tombstone(1, 10, "a"), Tombstone(20, 30, "a")), 10) == (Tombstone(20, 30, "a"),)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"version": 2, "ranges": [[1,2,"x"]]}', b"[1]", b'{"version":1,"ranges":[1]}']
)
def test_a_damaged_file_explains_nothing(tmp_path: Path, content: bytes) -> None:
    """An unreadable file of tombstones is none; gaps are then reported as missing."""
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_tombstones(tmp_path) == ()


def test_no_flipped_bit_explains_what_is_missing(tmp_path: Path) -> None:
    """Whichever bit of the file is flipped, it explains what was evicted, or nothing: no other record."""
    ranges = (Tombstone(1, 10, "a"), Tombstone(20, 30, "b"))
    write_tombstones(Disk(), tmp_path, ranges, durable=False)
    content = (tmp_path / FILE_NAME).read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / FILE_NAME).write_bytes(damaged)
        assert read_tombstones(tmp_path) in (ranges, ())


def test_the_former_version_is_read(tmp_path: Path) -> None:
    """What a former version of shipper wrote, without a checksum, explains its gaps."""
    (tmp_path / FILE_NAME).write_bytes(b'{"version": 1, "ranges": [[3, 4, "evicted"]]}')
    assert read_tombstones(tmp_path) == (Tombstone(3, 4, "evicted"),)


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read."""
    ranges = (Tombstone(1, 10, "a"), Tombstone(20, 30, "b"))
    write_tombstones(Disk(), tmp_path, ranges, durable=True)
    assert read_tombstones(tmp_path) == ranges
