"""What a spool may take of the disk, what it promises, and why it refuses a record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from shipper.errors import ConfigurationError

_SEGMENTS_AT_LEAST: Final = 4

KEPT_PERCENT: Final = (15, 10, 5, 0)
"""How much of the room is kept for what ranks higher: from debug, from info, from warning, from error and above."""
LOWEST_RANK: Final = 0
WARNING_RANK: Final = 2


def rank_of(level: int) -> int:
    """Return the place of a level in `KEPT_PERCENT`; levels between the named ones rank as the next lower one."""
    return min(max(level // 10 - 1, LOWEST_RANK), len(KEPT_PERCENT) - 1)


class DropReason(StrEnum):
    """Why a record is not, or no longer, in the spool; the names under which drops are counted."""

    SPOOL_FULL = "spool_full"
    """The cap of the folder, or the part of it that a record's level may use, is reached (not with `drop_oldest`)."""
    EVICTED = "evicted"
    """The record was stored, and made room for newer ones (`drop_oldest`)."""
    FREE_SPACE_FLOOR = "free_space_floor"
    """The file system has less free space than must be left to others, and to records of higher levels."""
    DISK_FULL = "disk_full"
    """The file system or the quota is full."""
    DISK_ERROR = "disk_error"
    """The file system is read-only, broken or gone."""
    SPOOL_UNAVAILABLE = "spool_unavailable"
    """The root folder cannot be made or written to."""
    TOO_LARGE = "too_large"
    """One record that would not fit even if the folder were empty."""
    REENTRY = "reentry"
    """An append from inside an append of the same thread (a signal handler or destructor that logs)."""
    CLOSED = "closed"
    """The writer is closed, or was inherited by a fork."""


@dataclass(frozen=True, slots=True)
class SpoolPolicy:
    """Limits and promises of one folder; the fields are those of the settings group `spool`.

    Attributes:
        max_bytes: cap of all segments of the folder, 64 KiB or more.
        segment_max_bytes: a segment is closed at this size; a quarter of the cap at most.
        free_space_floor_bytes: nothing is written while less is free.
        fsync: never, interval or always (FORMAT.md says what each promises).
        fsync_interval_s: for `interval`.
        when_full: drop_newest, drop_oldest, or block.
        block_timeout_s: longest wait of one append, for `block`.
        warning_wait_s: longest wait of one append at warning or above, whatever `when_full`; see `Patience`.
        writes: whether the newest segment is mapped, or written by `write`; auto: mapped where that is safe.
    """

    max_bytes: int = 1 << 30
    segment_max_bytes: int = 16 << 20
    free_space_floor_bytes: int = 64 << 20
    fsync: Literal["never", "interval", "always"] = "never"
    fsync_interval_s: float = 1.0
    when_full: Literal["drop_newest", "drop_oldest", "block"] = "drop_newest"
    block_timeout_s: float = 0.05
    warning_wait_s: float = 0.05
    writes: Literal["auto", "mapped", "plain"] = "auto"

    def __post_init__(self) -> None:
        if self.max_bytes < 1 << 16:
            raise ConfigurationError(f"spool.max_bytes is {self.max_bytes}; at least 65536 bytes are needed.")
        if self.segment_max_bytes < 1 << 10:
            raise ConfigurationError(
                f"spool.segment_max_bytes is {self.segment_max_bytes}; at least 1024 bytes are needed."
            )
        if self.free_space_floor_bytes < 0 or self.fsync_interval_s <= 0 or self.block_timeout_s < 0:
            raise ConfigurationError(
                "spool.free_space_floor_bytes and spool.block_timeout_s must be 0 or more, "
                "spool.fsync_interval_s more than 0."
            )
        if self.warning_wait_s < 0:
            raise ConfigurationError("spool.warning_wait_s must be 0 or more.")

    def wait_s(self, rank: int) -> float:
        """How long an append of this rank may wait for room."""
        if self.when_full == "block":
            return self.block_timeout_s
        return self.warning_wait_s if rank >= WARNING_RANK else 0.0

    @property
    def segment_bytes(self) -> int:
        """Size at which a segment is closed: small enough that whole segments can be given back."""
        return min(self.segment_max_bytes, self.max_bytes // _SEGMENTS_AT_LEAST)

    def kept_bytes(self, rank: int) -> int:
        """How much of the cap a record of this rank must leave to higher ones; see `rank_of`."""
        return self._kept(self.max_bytes, rank)

    def kept_free_bytes(self, rank: int) -> int:
        """How much above the free-space floor a record of this rank must leave to higher ones."""
        return self._kept(self.free_space_floor_bytes, rank)

    def _kept(self, whole_bytes: int, rank: int) -> int:
        # `drop_oldest` gives up whole segments, whatever is in them: the newest record always gets in.
        return 0 if self.when_full == "drop_oldest" else whole_bytes * KEPT_PERCENT[rank] // 100
