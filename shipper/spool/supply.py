"""Room for the next frames: open the folder, allocate, evict, remember what was refused.

Asked once per stretch of records, and for each of them only where the room is nearly used up. Raises nothing for
disk trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from shipper.clock import Clock
from shipper.spool.directory import SpoolMeta
from shipper.spool.disk import FULL, Disk
from shipper.spool.drops import DropTally
from shipper.spool.folder import WriterFolder
from shipper.spool.frame import PAYLOAD_MAX_BYTES
from shipper.spool.policy import KEPT_PERCENT, DropReason, SpoolPolicy

_REOPEN_S: Final = 1.0
"""A spool root that was not usable is tried again at most this often."""
_RETRY_S: Final = 0.02
"""A folder or a disk that was full is tried again at most this often: dropping must not cost more than storing."""
_BY_POLICY: Final = frozenset({DropReason.SPOOL_FULL, DropReason.FREE_SPACE_FLOOR})
_REMEMBERED: Final = _BY_POLICY | {DropReason.DISK_FULL, DropReason.DISK_ERROR}


class _Refusal(NamedTuple):
    """What was refused holds until `until_s` for each frame of `frame_bytes` or more."""

    reason: DropReason
    frame_bytes: int
    until_s: float


class Supply:
    """Gives a writer's tail its room. Not thread-safe: the spool's lock is around it.

    Attributes:
        folder: what is written to; None while the root is unusable.
        trouble: the last disk trouble as one clause, or "" while there is none.
    """

    def __init__(
        self,
        root: Path,
        policy: SpoolPolicy,
        meta: SpoolMeta,
        clock: Clock,
        disk: Disk,
        tally: DropTally,
        drop: Callable[[DropReason, int], None],
    ) -> None:
        """`drop` is told of records that were stored and made room for others; `tally` counts into the folder."""
        self.folder: WriterFolder | None = None
        self.trouble = ""
        self._root = root
        self._policy = policy
        self._meta = meta
        self._clock = clock
        self._disk = disk
        self._tally = tally
        self._drop = drop
        self._next_open_s = 0.0
        # By rank: what is refused to debug says nothing of an error.
        self._refusals = [_Refusal(DropReason.SPOOL_FULL, 0, float("-inf"))] * len(KEPT_PERCENT)

    def make_room(self, frame_bytes: int, rank: int) -> DropReason | None:
        """Let the folder's tail take a frame of this size and rank (`rank_of`), or return why it cannot now."""
        if frame_bytes > PAYLOAD_MAX_BYTES:
            return DropReason.TOO_LARGE
        now_s = self._clock.monotonic_s()
        last = self._refusals[rank]
        if now_s < last.until_s and frame_bytes >= last.frame_bytes:
            return last.reason
        folder = self.folder or self.open()
        if folder is None:
            return DropReason.SPOOL_UNAVAILABLE
        try:
            refusal = self._ask(folder, frame_bytes, rank)
        except OSError as error:
            if error.errno is None:
                raise  # not the disk's: a signal handler of the application raised, a TimeoutError for example
            self.trouble = self._describe(error)
            refusal = DropReason.DISK_FULL if error.errno in FULL else DropReason.DISK_ERROR
        if refusal is None:
            self._note_sync_error()
        elif refusal in _REMEMBERED:
            least = 0 if refusal is DropReason.DISK_ERROR else frame_bytes
            self._refusals[rank] = _Refusal(refusal, least, now_s + _RETRY_S)
        return refusal

    def after_failed_store(self, cause: OSError | None) -> DropReason | None:
        """Return why a record must be dropped whose frame was not written, or None if it can be tried again."""
        folder = self.folder
        if folder is None:
            return DropReason.SPOOL_UNAVAILABLE
        is_stored = folder.settle() and not folder.is_broken
        if cause is None or is_stored:
            return None
        self.trouble = self._describe(cause)
        if cause.errno in FULL:
            folder.tail.limit = 0
            return DropReason.DISK_FULL
        folder.give_up_segment()
        return DropReason.DISK_ERROR

    def _ask(self, folder: WriterFolder, frame_bytes: int, rank: int) -> DropReason | None:
        """Ask the folder for room, once more if it was found taken away or damaged. Raises OSError."""
        try:
            return self._evict_until(folder, frame_bytes, rank)
        except OSError:
            if folder.is_gone:
                folder = self.folder = folder.replace(self._meta)
            elif not folder.is_broken:
                raise
        return self._evict_until(folder, frame_bytes, rank)

    def _evict_until(self, folder: WriterFolder, frame_bytes: int, rank: int) -> DropReason | None:
        may_evict = self._policy.when_full == "drop_oldest"
        try:
            while (refusal := folder.make_room(frame_bytes, rank)) is not None:
                if not (may_evict and refusal in _BY_POLICY and self._evict(folder, refusal)):
                    break
        except OSError as error:
            if not (may_evict and error.errno in FULL and self._evict(folder, DropReason.DISK_FULL)):
                raise
            refusal = folder.make_room(frame_bytes, rank)
        return refusal

    def _evict(self, folder: WriterFolder, reason: DropReason) -> bool:
        """Give one segment back; False if there is none to give."""
        dropped = folder.evict_one(reason)
        if dropped:
            self._drop(DropReason.EVICTED, dropped)
        return dropped is not None

    def open(self) -> WriterFolder | None:
        """Make the folder; None if the root cannot be used now, or was tried just before."""
        now_s = self._clock.monotonic_s()
        if self._next_open_s and now_s < self._next_open_s:
            return None
        self._next_open_s = now_s + _REOPEN_S
        try:
            self.folder = WriterFolder.open(
                self._root, self._policy, self._meta, self._clock, self._disk, self._tally
            )
        except OSError as error:
            self.trouble = f"the spool folder {self._root} cannot be used ({error.strerror or error})"
            return None
        if self._disk.veto:  # a child that was forked in there: the folder is the parent's
            self.folder.release()
            self.folder = None
        self.trouble = ""
        return self.folder

    def sync_appended(self) -> None:
        """Sync as the policy says after an append; a failure is told as `trouble`."""
        if self.folder is not None:
            self.folder.syncs.after_append(self.folder.tail)
            self._note_sync_error()

    def _note_sync_error(self) -> None:
        error = self.folder.syncs.error if self.folder is not None else None
        self.trouble = "" if error is None else self._describe(error)

    def _describe(self, error: OSError) -> str:
        directory = None if self.folder is None else self.folder.directory
        return f"the spool in {directory} cannot be written ({error.strerror or error})"

    def abandon_in_child(self) -> None:
        """In a forked child: close what was inherited, and let nothing go on that the fork interrupted."""
        self._disk.veto = -1
        self._tally.abandon_in_child()
        folder, self.folder = self.folder, None
        if folder is not None:
            folder.release()
