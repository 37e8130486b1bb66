"""What waits in the folders of a spool root, seen by a bystander: no lease is taken, nothing is acknowledged.

Looked at from the front: the checkpoint first, then the frames behind it. A record that is shipped while we look may
therefore be seen here and on the topic as well, and never in neither place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.errors import CorruptFrame, TornFrame
from shipper.spool.checkpoint import START, Position, read_checkpoint
from shipper.spool.directory import (
    WRITER_LOCK,
    SpoolMeta,
    list_segments,
    read_meta,
    scan,
    segment_path,
    writer_is_alive,
)
from shipper.spool.drops import read_drops
from shipper.spool.end import read_end
from shipper.spool.frame import FrameKind
from shipper.spool.segment import HEADER_BYTES, READABLE, SegmentReader
from shipper.spool.tombstones import Tombstone, read_tombstones

_Run = tuple[int, int, int]
"""First and last sequence of records that stand one behind the other, and the event time of the first."""

_ROWS: Final = 5000
_ROWS_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """One folder at one moment.

    Attributes:
        is_alive: its writer lives.
        acknowledged: everything up to this sequence was settled when we began to look.
        last: the highest sequence that it tells of.
        waiting: ranges of sequences of the whole records behind the checkpoint.
        oldest_us: event time of the first of them, microseconds since the epoch; None if none waits.
        size_bytes: of its segments, as far as they are written or allocated.
        tombstones: ranges that were evicted, as far as the folder still tells.
        dropped: records given up by the writer, by reason; None where that is not known.
    """

    meta: SpoolMeta
    is_alive: bool
    acknowledged: int
    last: int
    waiting: tuple[tuple[int, int], ...]
    oldest_us: int | None
    size_bytes: int
    tombstones: tuple[Tombstone, ...]
    dropped: Mapping[str, int] | None

    @property
    def waiting_count(self) -> int:
        """How many records wait."""
        return sum(last - first + 1 for first, last in self.waiting)


def survey(root: Path, *, only_first: bool = False) -> Iterator[FolderSurvey]:
    """Yield what is in each folder under `root`; a folder that vanishes meanwhile is left out.

    Args:
        only_first: look at the first waiting record of each folder alone: quick however much waits, and then
            `waiting` and `last` tell of no others.

    Raises:
        OSError: the root or a folder cannot be read.
    """
    for directory in scan(root):
        with contextlib.suppress(FileNotFoundError):
            yield survey_folder(directory, only_first=only_first)


def survey_folder(directory: Path, *, only_first: bool = False) -> FolderSurvey:
    """Return what is in one folder; see `survey`. Raises OSError."""
    is_alive = writer_is_alive(directory)
    start = read_checkpoint(directory) or START
    waiting: list[tuple[int, int]] = []
    oldest_us: int | None = None
    for first, last, timestamp_us in _runs(directory, start):
        if last <= start.sequence:
            continue
        if oldest_us is None:
            oldest_us = timestamp_us
        if waiting and waiting[-1][1] + 1 == first:
            waiting[-1] = (waiting[-1][0], last)
        else:
            waiting.append((first, last))
        if only_first:
            waiting = [(first, first)]
            break
    # After the frames: what made room while we looked has been noted by now.
    tombstones = read_tombstones(directory)
    drops = read_drops(directory)
    noted = read_end(directory / WRITER_LOCK) - 1
    seen = max((last for _, last in waiting), default=0)
    buried = max((tombstone.last for tombstone in tombstones), default=0)
    return FolderSurvey(
        read_meta(directory),
        is_alive,
        start.sequence,
        max(start.sequence, seen, noted, buried),
        tuple(waiting),
        oldest_us,
        folder_bytes(directory),
        tombstones,
        None if drops is None else drops.counts,
    )


def _runs(directory: Path, start: Position) -> Iterator[_Run]:
    """Yield the whole records behind `start`; damage is stepped over."""
    for number in list_segments(directory):
        if number < start.segment:
            continue
        segment = SegmentReader.open(directory, number)
        if segment is None:
            continue
        try:
            if segment.header is None or segment.header.version in READABLE:
                yield from _runs_of(segment, start.offset if number == start.segment else 0)
        finally:
            segment.close()


def _runs_of(segment: SegmentReader, offset: int) -> Iterator[_Run]:
    at: int | None = max(offset, HEADER_BYTES)
    while at is not None:
        try:
            frame = segment.frame_at(at)
        except (TornFrame, CorruptFrame):
            at = segment.frame_after(at)
            continue
        if frame is None:
            # The end, unless something was zeroed in the middle.
            at = segment.frame_after(at) if at < segment.size_bytes else None
            continue
        at = frame.end
        if frame.kind == FrameKind.RECORD:
            # What was read from the disk along with it is looked at many at a time.
            rows, ends, _ = segment.run_at(frame.end, frame.sequence, _ROWS, _ROWS_BYTES)
            yield frame.sequence, frame.sequence + len(rows), frame.timestamp_us
            at = ends[-1] if ends else at


def folder_bytes(directory: Path) -> int:
    """Return the size of a folder's segments, as far as they are written or allocated."""
    size = 0
    for number in list_segments(directory):
        with contextlib.suppress(FileNotFoundError):
            size += segment_path(directory, number).stat().st_size
    return size
