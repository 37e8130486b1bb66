"""Read a folder in order, while its writer still writes or after its death; acknowledge; delete.

At least once: what was returned and not acknowledged is returned again by the next reader.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from shipper.errors import CorruptFrame, SpoolUnreadable, TornFrame
from shipper.spool.checkpoint import Checkpoint, Position
from shipper.spool.directory import (
    READER_LOCK,
    WRITER_LOCK,
    list_segments,
    read_meta,
    remove_folder,
    segment_path,
    writer_is_alive,
)
from shipper.spool.disk import Disk
from shipper.spool.drops import FolderDrops, read_drops
from shipper.spool.end import read_end
from shipper.spool.frame import Frame, FrameKind, tombstone_first
from shipper.spool.lock import FolderLock, try_lock
from shipper.spool.recovery import Damage, missing_between, start_of_frames, step_over
from shipper.spool.run import SpooledRecord, SpooledRun
from shipper.spool.sectors import Sectors
from shipper.spool.segment import HEADER_BYTES, SegmentReader

_REAL: Final = Disk()


class SpoolReader:
    """The holder of one folder's reader lease; made by `open`. For one thread.

    Attributes:
        directory, producer_id, meta: which folder.
        damage: what was stepped over since it was opened.
        missing_at_end: sequences lost behind the last record of a dead writer, once `read` has come to the end:
            how many are missing, and which was the last.
    """

    def __init__(self, directory: Path, lease: FolderLock, disk: Disk) -> None:
        """Use `open`."""
        self.directory = directory
        self.producer_id = directory.name
        self.meta = read_meta(directory)
        self.damage = Damage()
        self.missing_at_end = 0, 0
        self._lease = lease
        self._disk = disk
        self._checkpoint = Checkpoint(directory, disk)
        self._acknowledged = self._checkpoint.position
        self._next = self._acknowledged
        self._returned = self._acknowledged
        self._held: list[SegmentReader] = []
        self._sectors = Sectors()
        self._is_writer_dead = False

    @classmethod
    def open(cls, directory: Path, *, disk: Disk = _REAL) -> SpoolReader | None:
        """Take the reader lease of a folder; None if another reader has it or the folder is gone.

        Raises:
            SpoolUnreadable: the folder cannot be read.
        """
        try:
            if not directory.is_dir():
                return None
            lease = try_lock(directory / READER_LOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SpoolUnreadable(str(directory), error.strerror or str(error)) from error
        return None if lease is None else cls(directory, lease, disk)

    @property
    def acknowledged(self) -> Position:
        """Everything up to here is settled."""
        return self._acknowledged

    @property
    def drops(self) -> FolderDrops | None:
        """What the writer gave up, by its last word; None where that is not known."""
        return read_drops(self.directory)

    @property
    def has_unacknowledged(self) -> bool:
        """Whether records were returned that are not acknowledged yet."""
        return self._returned > self._acknowledged

    def read(self) -> SpooledRecord | None:
        """Return the next record, or None when there is none yet (or, with a dead writer, none any more).

        Raises:
            SpoolUnreadable: the disk cannot be read; trying again later continues at the same place.
        """
        try:
            return self._read()
        except OSError as error:
            raise SpoolUnreadable(str(self.directory), error.strerror or str(error)) from error

    def read_run(self, max_records: int, max_bytes: int) -> SpooledRun | None:
        """Return the next records together, at most so many, or None as `read` does.

        It ends with the record that reaches `max_bytes` of payload, and sooner wherever it is convenient.

        Raises:
            SpoolUnreadable: as `read`.
        """
        if self._held and self._held[-1].number == self._next.segment:
            segment, after = self._held[-1], self._next
            try:
                rows, ends, size_bytes = segment.run_at(after.offset, after.sequence, max_records, max_bytes)
            except OSError as error:
                raise SpoolUnreadable(str(self.directory), error.strerror or str(error)) from error
            if rows:
                run = SpooledRun(segment.number, rows, ends, size_bytes)
                self._returned = self._next = run.position
                return run
        one = self.read()
        if one is None:
            return None
        row, where = (one.sequence, one.timestamp_us, one.level, one.dataset, one.payload), one.position
        return SpooledRun(where.segment, [row], [where.offset], len(one.payload), one.missing_before)

    def _read(self) -> SpooledRecord | None:
        while True:
            segment = self._current()
            if segment is None:
                if self._is_writer_dead:
                    self._account_for_the_end()
                elif self._check_writer():
                    continue  # it died just now: look once more for what it wrote last
                return None
            try:
                frame = segment.frame_at(self._next.offset)
                is_damaged = frame is None and segment.is_sealed and self._next.offset < segment.size_bytes
            except (TornFrame, CorruptFrame):
                frame, is_damaged = None, True
            if frame is not None:
                record = self._take(frame)
                if record is not None:
                    return record
                continue
            found = step_over(segment, self._next.offset, self.damage) if is_damaged else None
            if found is not None:
                self._next = Position(self._next.segment, found, self._next.sequence)
            elif not self._go_on(segment):
                return None

    def _account_for_the_end(self) -> None:
        """Behind the last record of a dead writer: what it noted as stored and is not there is missing."""
        expected = self._next.sequence + 1
        last = read_end(self.directory / WRITER_LOCK) - 1
        missing = missing_between(self.directory, expected, last, self.damage)
        self.missing_at_end = (missing, last) if missing else self.missing_at_end
        self._next = Position(self._next.segment, self._next.offset, max(self._next.sequence, last))

    def _go_on(self, segment: SegmentReader) -> bool:
        """At the end of what `segment` holds: seal it or leave it; False if only waiting can help."""
        if segment.is_sealed:
            self._trim(segment)
            self._next = Position(segment.number + 1, 0, self._next.sequence)
            segment.release_buffer()
            return True
        # Sealed first, then read once more: the writer may have appended before it went on or died.
        segment.is_sealed = self._check_writer() or list_segments(self.directory)[-1:] > [segment.number]
        return segment.is_sealed

    def _trim(self, segment: SegmentReader) -> None:
        """Give back what a dead writer had allocated and not written."""
        if self._is_writer_dead and segment.version > 1 and self._next.offset < segment.size_bytes:
            with contextlib.suppress(OSError):
                if not segment.is_in_use:
                    self._disk.trim(segment_path(self.directory, segment.number), self._next.offset)

    def _check_writer(self) -> bool:
        """Return whether the writer is dead; the dead stay dead."""
        self._is_writer_dead = self._is_writer_dead or not writer_is_alive(self.directory)
        return self._is_writer_dead

    def _current(self) -> SegmentReader | None:
        """Return the segment to read from, opening the next one that exists; None if there is none."""
        if self._held and self._held[-1].number == self._next.segment:
            return self._held[-1]
        numbers = list_segments(self.directory)
        for number in numbers:
            if number < self._next.segment:
                continue
            # Asked before the file is looked at, so that what is then found missing stays missing.
            is_final = number != numbers[-1] or self._check_writer()
            segment = SegmentReader.open(self.directory, number, self._sectors)
            if segment is None:
                if segment_path(self.directory, number).exists():
                    return None  # being evicted this very moment; it will be gone at the next turn
                continue
            start = self._start_of(segment)
            if start is not None:
                if number != self._next.segment or self._next.offset < start:
                    self._next = Position(number, start, self._next.sequence)
                self._held.append(segment)
                return segment
            segment.close()
            if segment.header is None and not is_final:
                return None  # its header is being written
            self._next = Position(number + 1, 0, self._next.sequence)
        return None

    def _start_of(self, segment: SegmentReader) -> int | None:
        if segment.header is None and segment.size_bytes < HEADER_BYTES:
            return None
        try:
            return start_of_frames(segment, self.directory, self.damage)
        except SpoolUnreadable:
            segment.close()
            raise

    def _take(self, frame: Frame) -> SpooledRecord | None:
        """Account for a frame; return its record, or None if it holds none."""
        expected = self._next.sequence + 1
        first = tombstone_first(frame) if frame.kind == FrameKind.TOMBSTONE else frame.sequence
        missing = missing_between(self.directory, expected, first - 1, self.damage)
        self._next = Position(self._next.segment, frame.end, max(self._next.sequence, frame.sequence))
        if frame.kind != FrameKind.RECORD:
            self.damage.unknown_frames += frame.kind != FrameKind.TOMBSTONE
            return None
        self._returned = self._next
        return SpooledRecord(
            frame.sequence,
            frame.timestamp_us,
            frame.level,
            frame.dataset,
            frame.payload,
            self._next,
            missing,
        )

    def acknowledge(self, position: Position) -> None:
        """Everything up to `position` (of a returned record) is settled: store that, then delete behind it.

        The checkpoint outlives the process at once, and the machine before any segment is deleted.

        Raises:
            SpoolUnreadable: the disk refuses the checkpoint; nothing was deleted. What was acknowledged stays
                acknowledged for this reader, and the next call stores it.
        """
        self._acknowledged = max(self._acknowledged, position)
        passed = [number for number in self._segments() if number < position.segment]
        try:
            self._checkpoint.store(self._acknowledged, durable=bool(passed))
            for number in passed:
                self._let_go(number)
                self._disk.unlink(segment_path(self.directory, number))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self.directory.exists():
                return  # somebody took the whole folder away: there is nothing to come back to
            raise SpoolUnreadable(str(self.directory), error.strerror or str(error)) from error

    def _let_go(self, number: int) -> None:
        for segment in [held for held in self._held if held.number == number]:
            segment.close()
            self._held.remove(segment)

    def is_finished(self) -> bool:
        """Return whether the writer is dead and every record was returned and acknowledged: nothing comes any more.

        True only after `read` has returned None behind the last record. Raises SpoolUnreadable.
        """
        is_over = self._is_writer_dead and not self.has_unacknowledged
        return is_over and self._segments()[-1:] < [self._next.segment]

    def _segments(self) -> list[int]:
        try:
            return list_segments(self.directory)
        except OSError as error:
            raise SpoolUnreadable(str(self.directory), error.strerror or str(error)) from error

    def remove(self) -> None:
        """Delete the finished folder and let go of it. Raises SpoolUnreadable."""
        if not self.is_finished():
            return
        try:
            remove_folder(self.directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SpoolUnreadable(str(self.directory), error.strerror or str(error)) from error
        self.close()

    def close(self) -> None:
        """Let go of the folder; what was not acknowledged comes again. In a forked child: drop descriptors only."""
        for segment in self._held:
            segment.close()
        self._held = []
        with contextlib.suppress(OSError):
            self._lease.release()
