"""Ranges of sequences that were evicted: why there is a gap, told before the gap is made."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.spool.disk import Disk

FILE_NAME: Final = "tombstones"
_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Sequences `first` to `last`, both included, are gone for `reason`."""

    first: int
    last: int
    reason: str


def merge(ranges: Sequence[Tombstone], added: Tombstone) -> tuple[Tombstone, ...]:
    """Return `ranges` with one more, in rising order, joined where they touch and agree.

    A range may come before the others: while a reader holds the oldest segment, younger ones are evicted first.
    """
    merged: list[Tombstone] = []
    for tombstone in sorted((*ranges, added), key=lambda one: one.first):
        last = merged[-1] if merged else None
        if last is not None and last.reason == tombstone.reason and last.last + 1 >= tombstone.first:
            merged[-1] = Tombstone(last.first, max(last.last, tombstone.last), last.reason)
        else:
            merged.append(tombstone)
    return tuple(merged)


def forget(ranges: Sequence[Tombstone], read_up_to: int) -> tuple[Tombstone, ...]:
    """Return the ranges that a reader who has everything up to `read_up_to` can still meet."""
    return tuple(tombstone for tombstone in ranges if tombstone.last > read_up_to)


def explained(ranges: Sequence[Tombstone], first: int, last: int) -> int:
    """Return how many of the sequences `first` to `last` the ranges account for."""
    return sum(max(0, min(last, tombstone.last) - max(first, tombstone.first) + 1) for tombstone in ranges)


def write_tombstones(disk: Disk, directory: Path, ranges: Sequence[Tombstone], *, durable: bool) -> None:
    """Replace a folder's tombstones. Raises OSError; then the former ones still stand."""
    rows = [[tombstone.first, tombstone.last, tombstone.reason] for tombstone in ranges]
    content = json.dumps({"version": _VERSION, "checksum": _checksum(rows), "ranges": rows}).encode()
    disk.write_file(directory / FILE_NAME, content, durable=durable)


def _checksum(rows: Sequence[object]) -> int:
    return zlib.crc32(json.dumps(rows).encode())


def read_tombstones(directory: Path) -> tuple[Tombstone, ...]:
    """Return a folder's tombstones; none if there is no file or it is damaged."""
    try:
        found = json.loads((directory / FILE_NAME).read_bytes())
        rows = found["ranges"]
        # A damaged digit must not explain what is really missing. Version 1 had no checksum.
        if found["version"] != 1 and (found["version"], found["checksum"]) != (_VERSION, _checksum(rows)):
            return ()
        return tuple(Tombstone(int(first), int(last), str(reason)) for first, last, reason in rows)
    except (OSError, ValueError, TypeError, KeyError):
        return ()
