"""What a spool dropped: counted at once, told in bunches."""

from __future__ import annotations

from shipper.clock import ManualClock
from shipper.observe.counters import Counters
from shipper.observe.drops import Drops
from shipper.observe.report import Reporter


def test_each_drop_is_counted_and_the_first_is_told_at_once() -> None:
    """U19: the counters are exact at any moment; the first drop is told at once with its cause, later ones as a count."""
    clock, counters, told = ManualClock(), Counters(), list[str]()
    drops = Drops(counters, Reporter(clock, write=told.append))
    for number in range(1, 1001):
        drops.note("spool_full", 1, "no room")
        assert counters.snapshot().dropped == {"spool_full": number}
    assert told == ["shipper: 1 records dropped, spool_full: no room"]
    clock.advance(31)
    for _ in range(16):
        drops.note("spool_full", 1, "")
    (later,) = told[1:]
    assert later.startswith("shipper: 16 records dropped, spool_full")
    assert "992 more like this before" in later


def test_what_is_untold_is_told_at_the_end() -> None:
    """U19: no count is kept back when a process ends, and nothing is told twice."""
    clock, counters, told = ManualClock(), Counters(), list[str]()
    reporter = Reporter(clock, write=told.append)
    drops = Drops(counters, reporter)
    for _ in range(10):
        drops.note("disk_full", 2, "")
    drops.flush()
    reporter.flush()
    drops.flush()
    reporter.flush()
    assert told[0] == "shipper: 2 records dropped, disk_full"
    assert len(told) == 2
    assert "18" in told[1]
