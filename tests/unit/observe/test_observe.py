"""Counters that balance, reports that never hurt, health."""

from __future__ import annotations

import sys
import threading

import pytest

from shipper.clock import ManualClock
from shipper.observe.counters import Counters
from shipper.observe.health import Health
from shipper.observe.report import Reporter


def test_the_books_balance_at_any_moment() -> None:
    """U19: emitted = delivered + dead-lettered + dropped + waiting in each snapshot, while threads count."""
    counters = Counters()
    is_done = threading.Event()

    def count() -> None:
        for number in range(3000):
            counters.count_emitted()
            if number % 7 == 0:
                counters.count_dropped("spool_full")
            elif number % 11 == 0:
                counters.count_dead_lettered("too_large")
            elif number % 2:
                counters.count_delivered()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not is_done.is_set():
        if not any(thread.is_alive() for thread in threads):
            is_done.set()
        snapshot = counters.snapshot()
        fates = snapshot.delivered + sum(snapshot.dead_lettered.values()) + sum(snapshot.dropped.values())
        assert snapshot.emitted == fates + snapshot.waiting
        assert snapshot.waiting >= 0
    assert counters.snapshot().emitted == 12_000
    assert counters.snapshot().as_dict()["emitted"] == 12_000


def test_counters_start_afresh_in_a_child_whatever_lock_was_held() -> None:
    """U07: a child resets the counters even if a thread was counting at the fork."""
    counters = Counters()
    counters.count_emitted(5)
    counters._lock.acquire()
    counters.reset_in_child()
    counters.count_delivered()
    assert (counters.snapshot().emitted, counters.snapshot().delivered) == (0, 1)


def test_first_at_once_then_counted() -> None:
    """U19: the first trouble of a kind is told at once, later ones as a count at most every interval."""
    clock, lines = ManualClock(), list[str]()
    reporter = Reporter(clock, interval_s=30, write=lines.append)
    for _ in range(5):
        reporter.report("full", "the spool is full.")
    reporter.report("other", "something else.")
    assert lines == ["shipper: the spool is full.", "shipper: something else."]
    clock.advance(31)
    reporter.report("full", "the spool is full.")
    assert lines[2:] == ["shipper: the spool is full. (4 more like this before)"]
    reporter.report("full", "the spool is full.")
    reporter.flush()
    assert lines[3:] == ["shipper: the spool is full. (1 more like this)"]
    reporter.flush()
    assert len(lines) == 4


def test_a_report_never_raises_nor_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed or missing standard error, or one that reports back to us, is no trouble to the caller."""
    reporter = Reporter(ManualClock())

    class Closed:
        def write(self, _text: str) -> int:
            raise ValueError("I/O operation on closed file")

    class Circular:
        def write(self, _text: str) -> int:
            reporter.report("again", "inner")
            return 0

    for stream in (Closed(), None, Circular()):
        monkeypatch.setattr(sys, "stderr", stream)
        reporter.report(f"kind-{stream}", "outer")
        reporter.flush()


def test_no_reference_to_a_replaced_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """U54: a report goes to whatever standard error is at that moment."""
    Reporter(ManualClock()).report("kind", "hello.")
    assert capsys.readouterr().err == "shipper: hello.\n"


def test_the_number_of_kinds_is_bounded() -> None:
    """A reporter's memory does not grow with the number of different troubles."""
    reporter = Reporter(ManualClock(), write=lambda _line: None)
    for number in range(10_000):
        reporter.report(f"kind-{number}", "x")
    assert len(reporter._troubles) <= 100


def test_health_tells_age_and_reason() -> None:
    """Health is the age of the oldest record in hand, the last delivery, and the last trouble until one succeeds."""
    clock = ManualClock()
    health = Health(clock)
    assert health.report().oldest_unsent_s is None
    health.note_oldest((clock.monotonic_s(), 123))
    clock.advance(5)
    health.note_trouble("Kafka is away.")
    report = health.report()
    assert (report.oldest_unsent_s, report.oldest_unsent_event_us, report.is_healthy) == (5.0, 123, False)
    health.note_delivery()
    health.note_oldest(None)
    clock.advance(2)
    report = health.report()
    assert (report.oldest_unsent_s, report.last_delivery_age_s, report.is_healthy) == (None, 2.0, True)
