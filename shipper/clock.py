"""The only module that asks the operating system for the time.

Everything else takes a `Clock`, so that tests move time by hand and simulations run faster than it.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Where a component learns the time from."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z: the time that goes into records."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back: for deadlines and durations."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` has passed; return whether it is set."""


class SystemClock:
    """The real time of this machine."""

    __slots__ = ()

    def now_us(self) -> int:
        """Wall-clock time in microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait in real time."""
        return event.wait(timeout_s)


class ManualClock:
    """A clock that stands still until it is moved; waiting moves it.

    For tests and for simulations whose event time is not the machine's time.
    """

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us
        self._monotonic_s = 0.0
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """The time last set, in microseconds since the epoch."""
        return self._now_us

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic_s

    def set(self, now_us: int) -> None:
        """Set the wall-clock time; the monotonic clock moves on only when time moves forward."""
        with self._lock:
            self._monotonic_s += max(0, now_us - self._now_us) / 1e6
            self._now_us = now_us

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds` (>= 0)."""
        if seconds < 0:
            raise ValueError(f"a clock is advanced by 0 seconds or more, not {seconds}")
        with self._lock:
            self._now_us += round(seconds * 1e6)
            self._monotonic_s += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Return at once; unless `event` is set, the whole `timeout_s` passes on this clock."""
        if event.is_set():
            return True
        self.advance(max(0.0, timeout_s))
        return event.is_set()
