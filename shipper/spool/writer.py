"""Append records to the spool: thread-safe, never raises for disk trouble, each drop has a reason.

When `append` has returned a sequence, the record survives the death of the process. FORMAT.md says what the
files look like and what exactly is promised.
"""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.spool.directory import PRODUCER_ID_PATTERN, SpoolMeta
from shipper.spool.disk import Disk
from shipper.spool.folder import WriterFolder
from shipper.spool.frame import PAYLOAD_MAX_BYTES, encode_frame
from shipper.spool.policy import DropReason, SpoolPolicy

_REOPEN_S: Final = 1.0
"""A spool root that was not usable is tried again at most this often."""
_BLOCK_STEP_S: Final = 0.01
_WAITABLE: Final = frozenset({DropReason.SPOOL_FULL, DropReason.FREE_SPACE_FLOOR, DropReason.DISK_FULL})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _nobody(_reason: str, _count: int) -> None:
    """Nobody wants to hear of drops."""


class SpoolWriter:
    """The appending side of one process's folder; made by `open`."""

    def __init__(
        self,
        root: Path,
        policy: SpoolPolicy,
        meta: SpoolMeta,
        stamp: Callable[[int], bytes],
        clock: Clock,
        on_drop: Callable[[str, int], None],
        disk: Disk,
    ) -> None:
        """Use `open`."""
        self._root = root
        self._policy = policy
        self._meta = meta
        self._stamp = stamp
        self._clock = clock
        self._on_drop = on_drop
        self._disk = disk
        self._lock = threading.Lock()
        self._owner = 0
        self._folder: WriterFolder | None = None
        self._next_open_s = 0.0
        self._closed_sequence = 0
        self._is_closed = False
        self._trouble = ""
        self._drops: Counter[str] = Counter()
        self._never = threading.Event()

    @classmethod
    def open(  # noqa: PLR0913  # each says one thing of the folder; all but five have defaults
        cls,
        root: Path,
        policy: SpoolPolicy,
        *,
        producer_id: str,
        stamp: Callable[[int], bytes],
        clock: Clock,
        service: str = "",
        namespace: str = "default",
        destination: str = "",
        shipped_by: str = "thread",
        on_drop: Callable[[str, int], None] = _nobody,
        disk: Disk | None = None,
    ) -> SpoolWriter:
        """Open a new folder `<root>/<producer_id>`; a root that cannot be used is no error here.

        Then `trouble` says why, appends drop with reason `spool_unavailable`, and opening is tried again.

        Args:
            producer_id: 1 to 32 of `A-Za-z0-9_-`; never used before.
            stamp: bytes that go between prefix and suffix of the record with a given sequence. Called under
                the spool's lock: it must be quick and must not log.
            service, namespace, destination, shipped_by: see `SpoolMeta`.
            on_drop: told (reason, count) of each drop, from the appending thread, perhaps under the spool's
                lock: it must be quick and must not log.

        Raises:
            ValueError: the producer id is not one.
        """
        if not PRODUCER_ID_PATTERN.fullmatch(producer_id):
            raise ValueError(f"{producer_id!r} is not a producer id")
        meta = SpoolMeta(producer_id, service, namespace, destination, shipped_by, started_us=clock.now_us())
        writer = cls(root, policy, meta, stamp, clock, on_drop, disk or Disk())
        with writer._lock:
            writer._open_folder()
        return writer

    @property
    def directory(self) -> Path | None:
        """The folder, or None while the root is unusable and after `close`."""
        folder = self._folder
        return None if folder is None else folder.directory

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record that was stored; 0 before the first."""
        folder = self._folder
        return self._closed_sequence if folder is None else folder.next_sequence - 1

    @property
    def drops(self) -> Mapping[str, int]:
        """How many records were dropped, by reason."""
        return dict(self._drops)

    @property
    def trouble(self) -> str:
        """The last disk trouble as one clause, or "" while there is none."""
        return self._trouble

    @property
    def is_closed(self) -> bool:
        """Whether `close` or `abandon_in_child` was called."""
        return self._is_closed

    def append(
        self, prefix: bytes, suffix: bytes, *, timestamp_us: int, level: int, dataset: str
    ) -> int | None:
        """Store the record prefix + stamp(sequence) + suffix; return its sequence, or None if it was dropped.

        Never raises for disk trouble. Waits only for other appends, and with `block` up to `block_timeout_s`.
        """
        if self._owner == threading.get_ident():
            self._drop(DropReason.REENTRY)
            return None
        deadline_s: float | None = None
        while True:
            with self._lock:
                self._owner = threading.get_ident()
                try:
                    outcome = self._append(prefix, suffix, timestamp_us, level, dataset)
                finally:
                    self._owner = 0
            if not isinstance(outcome, DropReason):
                return outcome
            now_s = self._clock.monotonic_s()
            if deadline_s is None:
                may_wait = self._policy.when_full == "block" and outcome in _WAITABLE
                deadline_s = now_s + (self._policy.block_timeout_s if may_wait else 0)
            if now_s >= deadline_s:
                self._drop(outcome)
                return None
            self._clock.wait(self._never, min(_BLOCK_STEP_S, deadline_s - now_s))

    def _append(
        self, prefix: bytes, suffix: bytes, timestamp_us: int, level: int, dataset: str
    ) -> int | DropReason:
        if self._is_closed:
            return DropReason.CLOSED
        folder = self._folder or self._open_folder()
        if folder is None:
            return DropReason.SPOOL_UNAVAILABLE
        try:
            folder.settle()
            sequence = folder.next_sequence
            payload = b"".join((prefix, self._stamp(sequence), suffix))
            if len(payload) > PAYLOAD_MAX_BYTES:
                return DropReason.TOO_LARGE
            frame = encode_frame(
                payload, sequence=sequence, timestamp_us=timestamp_us, level=level, dataset=dataset
            )
            refusal = self._store(folder, frame)
        except OSError as error:
            if error.errno is None:
                raise  # not the disk's: a signal handler of the application raised, a TimeoutError for example
            return self._disk_trouble(error)
        if refusal is None:
            self._trouble = "" if folder.sync_error is None else self._describe(folder.sync_error)
            return sequence
        return refusal

    def _store(self, folder: WriterFolder, frame: bytes) -> DropReason | None:
        if len(frame) > folder.frame_max_bytes:
            return DropReason.TOO_LARGE
        may_evict = self._policy.when_full == "drop_oldest"
        while (refusal := folder.refusal(len(frame))) is not None:
            if not (may_evict and self._evict(folder, refusal)):
                return refusal
        try:
            folder.append(frame)
        except OSError as error:
            if not (may_evict and error.errno in _FULL and self._evict(folder, DropReason.DISK_FULL)):
                raise
            folder.append(frame)
        return None

    def _evict(self, folder: WriterFolder, reason: DropReason) -> bool:
        """Give one segment back; False if there is none to give."""
        dropped = folder.evict_one(reason)
        if dropped:
            self._drop(DropReason.EVICTED, dropped)
        return dropped is not None

    def _open_folder(self) -> WriterFolder | None:
        now_s = self._clock.monotonic_s()
        if self._next_open_s and now_s < self._next_open_s:
            return None
        self._next_open_s = now_s + _REOPEN_S
        try:
            self._folder = WriterFolder.open(self._root, self._policy, self._meta, self._clock, self._disk)
        except OSError as error:
            self._trouble = f"the spool folder {self._root} cannot be used ({error.strerror or error})"
            return None
        self._trouble = ""
        return self._folder

    def _describe(self, error: OSError) -> str:
        return f"the spool in {self.directory} cannot be written ({error.strerror or error})"

    def _disk_trouble(self, error: OSError) -> DropReason:
        self._trouble = self._describe(error)
        return DropReason.DISK_FULL if error.errno in _FULL else DropReason.DISK_ERROR

    def _drop(self, reason: DropReason, count: int = 1) -> None:
        self._drops[reason] += count
        self._on_drop(reason.value, count)

    def sync_if_due(self) -> None:
        """With `fsync = interval`: sync what was appended, if the interval is over. Never raises OSError."""
        with self._lock:
            if self._folder is not None and not self._is_closed:
                self._folder.sync_if_due()

    def close(self) -> None:
        """Sync as the policy says, let go of the folder; later appends drop with reason `closed`.

        An empty folder is removed; one with records stays for whoever ships it. Idempotent, never raises OSError.
        """
        if self._owner == threading.get_ident():
            # From a signal handler that interrupted our own append: its lock cannot be waited for here.
            self._is_closed = True
            return
        with self._lock:
            folder, self._folder, self._is_closed = self._folder, None, True
            if folder is not None:
                self._closed_sequence = folder.next_sequence - 1
                folder.close()

    def abandon_in_child(self) -> None:
        """In a forked child: drop what was inherited without touching the parent's files and locks.

        Safe whatever lock was held at the fork; the child makes a writer of its own.
        """
        self._lock = threading.Lock()
        self._owner = 0
        self._is_closed = True
        if self._folder is not None:
            self._folder.release()
