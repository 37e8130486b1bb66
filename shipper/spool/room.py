"""How much a folder may still take: its cap in bytes and the free-space floor of its file system.

Of both a part is kept for records that rank higher, see `SpoolPolicy.kept_bytes`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.spool.directory import list_segments, segment_path
from shipper.spool.disk import Disk
from shipper.spool.policy import KEPT_PERCENT, LOWEST_RANK, DropReason, SpoolPolicy

_RECOUNT_S: Final = 0.02
"""At the cap the folder is counted again at most this often: a reader may have deleted segments."""
_LOOK_S: Final = 1.0
"""The file system's free space is looked up at most this often, unless much was written since."""

_LOOK_WHEN_SHORT_S: Final = 0.1
_PLENTY_BYTES: Final = 1 << 20


class Room:
    """Bookkeeping of one folder's bytes. Not thread-safe: the spool's lock is around it."""

    def __init__(self, directory: Path, policy: SpoolPolicy, clock: Clock, disk: Disk) -> None:
        self._directory = directory
        self._policy = policy
        ranks = range(len(KEPT_PERCENT))
        self._most_bytes = tuple(policy.max_bytes - policy.kept_bytes(rank) for rank in ranks)
        self._kept_free_bytes = policy.kept_free_bytes(LOWEST_RANK)
        self._clock = clock
        self._disk = disk
        self._used_bytes = 0
        self._recount_at_s = 0.0
        self._look_at_s = clock.monotonic_s() - 1.0
        self._spare_bytes = 0
        self._is_short = False

    def can_hold(self, rank: int, need_bytes: int) -> bool:
        """Whether a rank's share of the cap, were nothing in it, had so many bytes."""
        return need_bytes <= self._most_bytes[rank]

    @property
    def used_bytes(self) -> int:
        """Bytes of segments, as last counted plus what was allocated since."""
        return self._used_bytes

    def take(self, size_bytes: int) -> None:
        """Note that so many bytes were allocated (negative: given back)."""
        self._used_bytes += size_bytes
        self._spare_bytes -= size_bytes

    def left_bytes(self, rank: int, need_bytes: int = 0) -> int:
        """How much of the cap is left to a rank; negative: so much of what is allocated is not for it.

        Counted anew, from time to time, where it is less than `need_bytes`.
        """
        most_bytes = self._most_bytes[rank]
        if need_bytes > most_bytes - self._used_bytes:
            self._recount()
        return most_bytes - self._used_bytes

    def grant(self, rank: int, need_bytes: int, want_bytes: int, credit_bytes: int = 0) -> int | DropReason:
        """Return how many bytes may be allocated now for a frame of this rank, or why not even `need_bytes` may.

        Args:
            want_bytes: never more than this, if it is more than what is needed.
            credit_bytes: will be given back before.
        """
        need_bytes -= credit_bytes
        if need_bytes > self.left_bytes(rank, need_bytes):
            return DropReason.SPOOL_FULL
        kept_bytes = self._policy.kept_free_bytes(rank)
        now_s = self._clock.monotonic_s()
        is_short = need_bytes + kept_bytes > self._spare_bytes
        if now_s >= self._look_at_s or (is_short and not self._is_short):
            self._look(now_s, need_bytes + kept_bytes)
        if need_bytes + kept_bytes > self._spare_bytes:
            return DropReason.FREE_SPACE_FLOOR
        # Of what is allocated ahead all may use: so ahead only where nothing is kept from anybody.
        ahead_bytes = min(
            self._policy.max_bytes - self._used_bytes, self._spare_bytes - self._kept_free_bytes
        )
        return max(need_bytes, min(want_bytes - credit_bytes, ahead_bytes)) + credit_bytes

    @property
    def shortfall_bytes(self) -> int:
        """How far the file system was below the floor at the last look; 0 if it was not."""
        return max(0, -self._spare_bytes)

    def recount_now(self) -> None:
        """Count the folder at the next refusal, however recently it was counted: something was deleted."""
        self._recount_at_s = 0.0
        self._look_at_s = 0.0

    def _recount(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._recount_at_s:
            return
        self._recount_at_s = now_s + _RECOUNT_S
        used = 0
        with contextlib.suppress(OSError):
            for number in list_segments(self._directory):
                with contextlib.suppress(FileNotFoundError):
                    used += segment_path(self._directory, number).stat().st_size
            self._used_bytes = used

    def _look(self, now_s: float, size_bytes: int) -> None:
        """Look at the free space; half of what is above the floor may be used before the next look."""
        try:
            above = self._disk.free_bytes(self._directory) - self._policy.free_space_floor_bytes
        except OSError:
            above = _PLENTY_BYTES + self._kept_free_bytes  # the write itself will tell
        for_all = above - self._kept_free_bytes
        is_plenty = for_all >= _PLENTY_BYTES
        self._spare_bytes = above - for_all // 2 if is_plenty else above
        self._is_short = size_bytes > self._spare_bytes
        self._look_at_s = now_s + (_LOOK_S if is_plenty and not self._is_short else _LOOK_WHEN_SHORT_S)
