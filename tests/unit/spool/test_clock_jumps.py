"""The wall clock jumps: back by a day, forward by years, to before the epoch. Nothing of the spool follows it."""

from __future__ import annotations

from typing import Final

import pytest

from shipper.clock import ManualClock
from tests.unit.spool.bench import Bench

HOUR_US: Final = 3_600_000_000
JUMPS: Final = [-24 * HOUR_US, -1, 0, HOUR_US, 24 * 365 * 50 * HOUR_US, -(1 << 62)]


class JumpingClock(ManualClock):
    """Its wall clock can be set to anything; the monotonic one only runs."""

    def __init__(self) -> None:
        super().__init__()
        self.shift_us = 0

    def now_us(self) -> int:
        """A wall clock that somebody sets."""
        return max(0, super().now_us() + self.shift_us)


@pytest.mark.parametrize("jump_us", JUMPS)
@pytest.mark.parametrize("fsync", ["never", "interval"])
def test_a_jump_changes_nothing(bench: Bench, jump_us: int, fsync: str) -> None:
    """Event times stay the caller's, order is that of the calls, no record is lost, refused or held back by a jump."""
    clock = JumpingClock()
    writer = bench.writer("p", clock=clock, segment_max_bytes=4096, fsync=fsync)
    times = []
    for number in range(60):
        if number % 10 == 5:
            clock.shift_us += jump_us
        times.append(max(-(1 << 62), min(1 << 62, 1_000_000 + jump_us * (number % 3))))
        assert bench.append(writer, bytes(200), timestamp_us=times[-1]) == number + 1
        writer.sync_if_due()
        clock.advance(0.1)
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert [(one.sequence, one.timestamp_us) for one in found] == list(enumerate(times, 1))
        reader.acknowledge(found[29].position)
    clock.shift_us -= jump_us
    assert bench.append(writer) == 61
    writer.close()
    assert bench.sequences() == list(range(31, 62))
    assert writer.drops == {}


@pytest.mark.parametrize("jump_us", JUMPS)
def test_waiting_and_trying_again_follow_the_monotonic_clock(bench: Bench, jump_us: int) -> None:
    """What is refused is asked for again after its 20 ms, and a wait has its 50 ms, whatever the wall clock does."""
    clock = JumpingClock()
    writer = bench.writer("p", clock=clock, max_bytes=1 << 16, warning_wait_s=0.05)
    for level in (20, 50):
        while bench.append(writer, bytes(900), level=level) is not None:
            pass
    before_s = clock.monotonic_s()
    clock.shift_us += jump_us
    assert bench.append(writer, bytes(900), level=50) is None
    assert clock.monotonic_s() - before_s == pytest.approx(0.05)
    last = writer.last_sequence
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[-1].position)
    clock.shift_us -= 2 * jump_us
    clock.advance(0.03)
    assert bench.append(writer, bytes(900), level=20) == last + 1
    writer.close()
