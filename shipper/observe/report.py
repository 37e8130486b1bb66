"""Tell people of trouble on standard error: at once the first time, then as a count. Never raises, never waits.

This path is not the one that is broken: it uses neither `logging` nor the spool nor the network.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shipper.clock import Clock, SystemClock

INTERVAL_S: Final = 30.0
_KEYS_MAX: Final = 100


def write_to_stderr(line: str) -> None:
    """Write to whatever `sys.stderr` is now: no reference to a stream is kept."""
    stream = sys.stderr
    if stream is not None:
        stream.write(line + "\n")


@dataclass(slots=True)
class _Trouble:
    told_at_s: float
    untold: int = 0
    message: str = ""


class Reporter:
    """Rate-limited reports, one limit per key."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        interval_s: float = INTERVAL_S,
        write: Callable[[str], None] = write_to_stderr,
    ) -> None:
        self._clock = clock or SystemClock()
        self._interval_s = interval_s
        self._write = write
        self._lock = threading.Lock()
        self._troubles: dict[str, _Trouble] = {}

    def report(self, key: str, message: str, count: int = 1) -> None:
        """Tell `message` now, or count it if `key` was told of less than `interval_s` ago.

        Under contention the message may go untold: this must never make a caller wait, nor deadlock when
        standard error itself is something that logs.
        """
        try:
            if self._lock.acquire(blocking=False):
                try:
                    self._report(key, message, count)
                finally:
                    self._lock.release()
        except Exception:  # noqa: BLE001, S110  # a closed or full standard error is no reason to fail
            pass

    def _report(self, key: str, message: str, count: int) -> None:
        now_s = self._clock.monotonic_s()
        known = self._troubles.get(key)
        if known is not None and now_s - known.told_at_s < self._interval_s:
            known.untold += count
            known.message = message
            return
        untold = 0 if known is None else known.untold
        if known is None and len(self._troubles) >= _KEYS_MAX:
            self._troubles.clear()
        self._troubles[key] = _Trouble(now_s)
        suffix = f" ({untold} more like this before)" if untold else ""
        self._write(f"shipper: {message}{suffix}")

    def flush(self) -> None:
        """Tell what was counted and not told yet, whatever its age; for the end of a process."""
        try:
            if self._lock.acquire(blocking=False):
                try:
                    for trouble in self._troubles.values():
                        if trouble.untold:
                            self._write(f"shipper: {trouble.message} ({trouble.untold} more like this)")
                            trouble.untold = 0
                finally:
                    self._lock.release()
        except Exception:  # noqa: BLE001, S110  # as in `report`
            pass

    def reset_in_child(self) -> None:
        """In a forked child: fresh lock, nothing told yet."""
        self._lock = threading.Lock()
        self._troubles = {}
