"""Step over damage: what to do where a frame should be and is not, and what is then missing. FORMAT.md has the table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from shipper.errors import SpoolUnreadable
from shipper.spool.segment import HEADER_BYTES, READABLE, SegmentReader
from shipper.spool.tombstones import explained, read_tombstones


@dataclass(slots=True)
class Damage:
    """What a reader stepped over, since it was opened; all zero on a sound disk.

    Attributes:
        corrupt_regions, corrupt_bytes: places inside a segment without a valid frame.
        torn_tails, torn_bytes: segment ends inside a frame, in a segment that will not grow.
        bad_headers: segments whose own header is damaged (their frames are still read).
        foreign_segments: of another producer, passed over.
        unknown_frames: of a kind that this version does not know, passed over.
        missing_records: sequences that nothing explains.
    """

    corrupt_regions: int = 0
    corrupt_bytes: int = 0
    torn_tails: int = 0
    torn_bytes: int = 0
    bad_headers: int = 0
    foreign_segments: int = 0
    unknown_frames: int = 0
    missing_records: int = 0

    @property
    def is_none(self) -> bool:
        """Whether nothing was stepped over."""
        return not any(getattr(self, field.name) for field in fields(self))


def start_of_frames(segment: SegmentReader, directory: Path, damage: Damage) -> int | None:
    """Return where the frames of a segment start, or None if it belongs to another producer.

    A damaged header is stepped over: the frames behind it are found by their magic.

    Raises:
        SpoolUnreadable: a later version of shipper wrote it; it is left for that version.
    """
    header = segment.header
    if header is None:
        damage.bad_headers += 1
        return HEADER_BYTES
    if header.version not in READABLE:
        raise SpoolUnreadable(str(directory), f"segment {segment.number} has format {header.version}")
    if header.producer_id != directory.name:
        damage.foreign_segments += 1
        return None
    return HEADER_BYTES


def missing_between(directory: Path, first: int, last: int, damage: Damage) -> int:
    """Return how many of the sequences `first` to `last`, none of which was found, nothing explains; count them."""
    if last < first:
        return 0
    missing = max(0, last - first + 1 - explained(read_tombstones(directory), first, last))
    damage.missing_records += missing
    return missing


def step_over(segment: SegmentReader, offset: int, damage: Damage) -> int | None:
    """Return the offset of the next whole frame at or behind a place that looks damaged; None if there is none yet.

    What is stepped over is counted. In a sealed segment the rest is then counted as its torn tail, unless it is
    what was preallocated and never written. Raises OSError.
    """
    found = segment.frame_after(offset)
    if found is not None:
        if segment.is_whole(offset, segment.version):
            # Two processors: a later frame that is seen whole proves that this one is, by now.
            return offset
        damage.corrupt_regions += 1
        damage.corrupt_bytes += found - offset
        return found
    if segment.is_sealed:
        torn_bytes = segment.written_bytes(offset)
        damage.torn_tails += torn_bytes > 0
        damage.torn_bytes += torn_bytes
    return None
