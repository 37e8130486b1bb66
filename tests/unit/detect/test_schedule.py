"""Running again and again."""

from __future__ import annotations

import threading

import pytest

from shipper.clock import ManualClock
from shipper.detect.lease import LeaseHeld
from shipper.detect.report import RunReport
from shipper.detect.schedule import keep_running
from shipper.errors import ConfigurationError, ShipperError

REPORT = RunReport(0, 0, 0.0, (), ())


def starts(
    durations: list[float | ShipperError], every_s: float = 60.0
) -> tuple[list[float], list[ShipperError]]:
    """When runs that take so long (or fail so) start, and what was told of trouble."""
    clock, stop = ManualClock(), threading.Event()
    left = list(durations)
    found: list[float] = []
    trouble: list[ShipperError] = []

    def run_once() -> RunReport:
        found.append(clock.monotonic_s())
        duration = left.pop(0)
        if not left:
            stop.set()
        if isinstance(duration, ShipperError):
            raise duration
        clock.advance(duration)
        return REPORT

    keep_running(run_once, clock, stop, every_s=every_s, on_report=lambda _: None, on_trouble=trouble.append)
    return found, trouble


def test_runs_keep_their_pace() -> None:
    """The pace counts from start to start, not from end to start."""
    assert starts([5, 10, 1])[0] == [0, 60, 120]


def test_a_slow_run_is_followed_by_one_run() -> None:
    """U62: runs that were missed are merged into the next, which starts at once."""
    assert starts([200, 1, 1])[0] == [0, 200, 260]


def test_a_standby_tries_again() -> None:
    """U63: a job that finds the lease taken waits and tries again."""
    found, trouble = starts([LeaseHeld("other", "then", "Another detection job"), 1, 1])
    assert found == [0, 60, 120]
    assert [str(one).startswith("Another detection job (other)") for one in trouble] == [True]


def test_what_no_repeat_cures_ends_it() -> None:
    """A mistake in the configuration is not repeated for ever."""
    with pytest.raises(ConfigurationError):
        starts([ConfigurationError("Wrong."), 1])
