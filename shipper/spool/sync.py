"""When a folder's frames are brought to the disk itself: the fsync policies of FORMAT.md."""

from __future__ import annotations

from shipper.clock import Clock
from shipper.spool.policy import SpoolPolicy
from shipper.spool.tail import SegmentTail, Tail


class Syncs:
    """Syncs by policy. Not thread-safe: the spool's lock is around it.

    Attributes:
        is_durable: whether the policy promises anything of the disk.
        error: the last failure to sync, until one succeeds. It is kept apart because the record itself is
            stored and will be shipped: it must not be counted as dropped.
    """

    def __init__(self, policy: SpoolPolicy, clock: Clock, next_sequence: int) -> None:
        self.is_durable = policy.fsync != "never"
        self.error: OSError | None = None
        self._policy = policy
        self._clock = clock
        self._synced_at_s = clock.monotonic_s()
        self._synced_sequence = next_sequence

    def after_append(self, tail: Tail) -> None:
        """Sync as the policy says after an append."""
        if self._policy.fsync == "always":
            self.now(tail)
        else:
            self.if_due(tail)

    def if_due(self, tail: Tail) -> None:
        """With `interval`: sync if the interval is over."""
        if self._policy.fsync == "interval" and self._synced_sequence != tail.next_sequence:
            now_s = self._clock.monotonic_s()
            if now_s - self._synced_at_s >= self._policy.fsync_interval_s:
                self.now(tail)
                self._synced_at_s = now_s

    def now(self, tail: Tail) -> None:
        """Sync what was not synced yet. A failure is kept in `error`."""
        if self._synced_sequence == tail.next_sequence or not isinstance(tail, SegmentTail):
            return
        try:
            tail.sync()
        except OSError as error:
            self.error = error
        else:
            self.error = None
            self._synced_sequence = tail.next_sequence
