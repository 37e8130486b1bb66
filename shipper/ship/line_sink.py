"""The same documents as lines of a file or of standard output, one JSON object each: for a collector that reads those.

A file is opened to append, again after somebody has renamed or removed it: rotation is the operating system's
business (logrotate without `copytruncate`). A batch is written under a lock on the file, so that processes which share
it do not mix their lines; a batch that the disk took only in part is taken back. With `fsync` the spool gives a record
up only when the disk has it: it survives the death of the machine; without, that of the process. Standard output
promises no more than that its reader's pipe has taken the line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.errors import RecordRefused, ShipperError, TransportError
from shipper.record import Record
from shipper.ship.dead_letter import Refusal
from shipper.ship.sink import ACCEPTED, Delivery, SinkAtOnce

DEAD_LETTERS_SUFFIX: Final = ".dead-letters"
_MODE: Final = 0o640


class LinesUnavailable(TransportError):
    """The file or stream takes nothing now; records wait in the spool.

    Attributes:
        target: the file, or "standard output".
        reason: what the operating system says.
    """

    retriable = True

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(target, reason)
        self.target = target
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.target} cannot be written to: {self.reason}."


class _Lines:
    """One file to append to; None: a descriptor that is open already."""

    def __init__(self, path: Path | None, descriptor: int, name: str, *, fsync: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._name = name
        self._fsync = fsync

    def write(self, lines: Iterable[bytes]) -> LinesUnavailable | None:
        """Write all lines or none of them (of a pipe, perhaps some); return why not, or None."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            self._open()
            if self._path is None:
                self._write_all(data)
            else:
                self._append(data)
        except OSError as error:
            self.close()
            return LinesUnavailable(self._name, error.strerror or str(error))
        return None

    def _open(self) -> None:
        """Open the file, or the one that has its name now. Raises OSError."""
        if self._path is None:
            return
        if self._descriptor >= 0:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                    return
            self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, _MODE)

    def _append(self, data: bytes) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            before = os.fstat(self._descriptor).st_size
            try:
                self._write_all(data)
                if self._fsync:
                    os.fdatasync(self._descriptor)
            except OSError:
                with contextlib.suppress(OSError):  # a half line must not be joined by the next one
                    os.ftruncate(self._descriptor, before)
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """Close what we have opened."""
        if self._path is not None and self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


class LineSink(SinkAtOnce):
    """A `Sink` and `DeadLetters` of lines; for one thread.

    Args:
        path: the file; dead letters go into one beside it, `<path>.dead-letters`. None: standard output, and dead
            letters to standard error.
        fsync: whether each batch waits for the disk.
    """

    def __init__(self, path: Path | None, clock: Clock, *, fsync: bool = True) -> None:
        self._clock = clock
        if path is None:
            self._lines = _Lines(
                None, sys.__stdout__.fileno() if sys.__stdout__ else 1, "standard output", fsync=False
            )
            self._letters = _Lines(
                None, sys.__stderr__.fileno() if sys.__stderr__ else 2, "standard error", fsync=False
            )
            return
        beside = path.with_name(path.name + DEAD_LETTERS_SUFFIX)
        self._lines = _Lines(path, -1, str(path), fsync=fsync)
        self._letters = _Lines(beside, -1, str(beside), fsync=fsync)

    def for_namespace(self, _namespace: str) -> LineSink:
        """Return the sink for records of another namespace: the same."""
        return self

    def send(self, batch: Sequence[Record]) -> list[Delivery]:
        """Write the batch. Never raises; blocks as long as the disk, or the reader of standard output, does."""
        payloads = [record.payload for record in batch]
        # A value with a line's end would be two lines, neither of them a document.
        broken = {place for place, payload in enumerate(payloads) if b"\n" in payload}
        if len(broken) < len(payloads):
            error = self._lines.write(
                payload for place, payload in enumerate(payloads) if place not in broken
            )
        else:
            error = None
        refused = Delivery(RecordRefused("it holds an end of a line"))
        answer = ACCEPTED if error is None else Delivery(error)
        return [refused if place in broken else answer for place in range(len(payloads))]

    def write(self, refusals: Sequence[Refusal]) -> list[Delivery]:
        """Write refusals, in the form of the dead-letter topic. Never raises."""
        from shipper.kafka.dead_letters import DeadLetter  # noqa: PLC0415  # only when there is one

        letters = [
            DeadLetter(
                refusal.reason,
                str(refusal.error),
                "ship",
                self._clock.now_us(),
                refusal.position,
                refusal.record.event_id,
                refusal.record.dataset,
                "",
                refusal.record.payload,
            ).encode()
            for refusal in refusals
        ]
        error: ShipperError | None = self._letters.write(letters)
        return [ACCEPTED if error is None else Delivery(error)] * len(refusals)

    def close(self, timeout_s: float) -> None:
        """Close the files; `timeout_s` is not needed."""
        del timeout_s
        self._lines.close()
        self._letters.close()

    def abandon_in_child(self) -> None:
        """In a forked child: close the inherited descriptors, which leaves the parent's as they are."""
        self.close(0)
