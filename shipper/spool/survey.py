"""What waits in the folders of a spool root, seen by a bystander: no lease is taken, nothing is acknowledged.

Looked at from the front: the checkpoint first, then the frames behind it. A record that is shipped while we look may
therefore be seen here and on the topic as well, and never in neither place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
from shipper.spool.end import read_end
from shipper.spool.frame import Frame, FrameKind
from shipper.spool.segment import HEADER_BYTES, READABLE, SegmentReader
from shipper.spool.tombstones import Tombstone, read_tombstones


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
    """

    meta: SpoolMeta
    is_alive: bool
    acknowledged: int
    last: int
    waiting: tuple[tuple[int, int], ...]
    oldest_us: int | None
    size_bytes: int
    tombstones: tuple[Tombstone, ...]

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
    tombstones = read_tombstones(directory)
    waiting: list[tuple[int, int]] = []
    oldest_us: int | None = None
    for frame in _frames(directory, start):
        if frame.kind != FrameKind.RECORD or frame.sequence <= start.sequence:
            continue
        if oldest_us is None:
            oldest_us = frame.timestamp_us
        if waiting and waiting[-1][1] + 1 == frame.sequence:
            waiting[-1] = (waiting[-1][0], frame.sequence)
        else:
            waiting.append((frame.sequence, frame.sequence))
        if only_first:
            break
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
    )


def _frames(directory: Path, start: Position) -> Iterator[Frame]:
    """Yield the whole frames behind `start`; damage is stepped over."""
    for number in list_segments(directory):
        if number < start.segment:
            continue
        segment = SegmentReader.open(directory, number)
        if segment is None:
            continue
        try:
            if segment.header is None or segment.header.version in READABLE:
                yield from _frames_of(segment, start.offset if number == start.segment else 0)
        finally:
            segment.close()


def _frames_of(segment: SegmentReader, offset: int) -> Iterator[Frame]:
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
        yield frame
        at = frame.end


def folder_bytes(directory: Path) -> int:
    """Return the size of a folder's segments, as far as they are written or allocated."""
    size = 0
    for number in list_segments(directory):
        with contextlib.suppress(FileNotFoundError):
            size += segment_path(directory, number).stat().st_size
    return size
