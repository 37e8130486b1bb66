"""Heartbeats: when they come, what they tell, and that they cost nothing when nothing is due."""

from __future__ import annotations

from shipper.clock import ManualClock
from shipper.observe.counters import Counters, Snapshot
from shipper.observe.health import Health, HealthReport
from shipper.observe.heartbeat import NEWS_S, Heart, Pulse


class Process:
    """A process with counters and a spool; what its heart sends is kept."""

    def __init__(self, interval_s: float = 60.0) -> None:
        self.clock = ManualClock()
        self.redactions: dict[str, int] = {}
        self.counters = Counters(self.redactions)
        self.has_spool = True
        self.pulses: list[Pulse] = []
        self.heart = Heart(interval_s, self.clock, self, self.pulses.append)

    def counts(self) -> Snapshot:
        return self.counters.snapshot()

    def health(self) -> HealthReport:
        return Health(self.clock).report()

    def spool_bytes(self) -> int | None:
        return 4096 if self.has_spool else None

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a second, as the watching thread would."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.heart.beat()


def test_an_idle_process_sends_one_per_interval_and_no_more() -> None:
    """A process that has logged once and is idle sends a heartbeat each interval, none before, none without a spool."""
    process = Process()
    process.pass_time(300)
    assert process.pulses == []  # it never logged
    process.heart.begin()
    process.pass_time(59)
    assert process.pulses == []
    process.pass_time(241)
    assert len(process.pulses) == 5
    assert {pulse.fields["shipper.heartbeat_s"] for pulse in process.pulses} == {60.0}
    process.has_spool = False
    process.pass_time(120)
    assert len(process.pulses) == 5


def test_a_short_process_sends_none() -> None:
    """A script that ends before its first heartbeat, and dropped nothing, leaves no record beyond its own."""
    process = Process()
    process.heart.begin()
    process.counters.count_emitted(3)
    process.pass_time(10)
    process.heart.end()
    assert process.pulses == []


def test_drops_are_told_soon_and_as_totals() -> None:
    """U19: drops are told after seconds, as a warning, by reason; once told they are no news, and totals stay totals."""
    process = Process()
    process.heart.begin()
    process.counters.count_emitted(10)
    process.counters.count_dropped("spool_full", 4)
    process.pass_time(NEWS_S)
    (first,) = process.pulses
    assert first.is_news
    assert first.fields["shipper.dropped.spool_full"] == 4
    assert first.fields["shipper.records.emitted"] == 10
    process.pass_time(50)
    assert process.pulses == [first]
    process.counters.count_dropped("disk_full")
    process.pass_time(NEWS_S)
    assert process.pulses[1].fields["shipper.dropped.spool_full"] == 4
    assert process.pulses[1].fields["shipper.dropped.disk_full"] == 1


def test_a_heartbeat_that_is_itself_dropped_is_news_again() -> None:
    """U19: where even the count of drops finds no room, it is told again until it does."""
    process = Process()

    def refuse(pulse: Pulse) -> None:
        process.pulses.append(pulse)
        process.counters.count_emitted()
        if len(process.pulses) < 3:
            process.counters.count_dropped("spool_full")

    process.heart = Heart(60.0, process.clock, process, refuse)
    process.heart.begin()
    process.counters.count_dropped("spool_full")
    process.pass_time(40)
    assert [pulse.fields["shipper.dropped.spool_full"] for pulse in process.pulses] == [1, 2, 3]


def test_the_last_one_says_that_it_is_the_last() -> None:
    """A process that sent heartbeats says when it ends, so that its silence is no fault; untold drops go with it."""
    process = Process()
    process.heart.begin()
    process.pass_time(60)
    process.counters.count_dropped("closed")
    process.heart.end()
    assert [pulse.fields["shipper.heartbeat_s"] for pulse in process.pulses] == [60.0, 0.0]
    assert process.pulses[1].fields["shipper.dropped.closed"] == 1
    process.heart.end()
    process.pass_time(100)
    assert len(process.pulses) == 2


def test_each_producer_has_counts_of_its_own() -> None:
    """A process that opens another producer counts that one's records from zero: its books are its own."""
    process = Process()
    process.heart.begin()
    process.counters.count_dropped("spool_full", 9)
    process.heart.end()
    process.heart.begin()
    process.counters.count_emitted(2)
    process.pass_time(60)
    assert "shipper.dropped.spool_full" not in process.pulses[-1].fields
    assert process.pulses[-1].fields["shipper.records.emitted"] == 2


def test_it_can_be_switched_off() -> None:
    """With an interval of 0 there is none, whatever happened."""
    process = Process(interval_s=0.0)
    process.heart.begin()
    process.counters.count_dropped("spool_full")
    process.pass_time(100)
    process.heart.end()
    assert process.pulses == []


def test_redactions_are_counted_by_kind() -> None:
    """How often something was taken out is told by kind, from the producer's start; never what it was."""
    process = Process()
    process.redactions["email"] = 2
    process.heart.begin()
    process.redactions["email"] += 3
    process.redactions["card"] = 1
    process.pass_time(60)
    fields = process.pulses[0].fields
    assert (fields["shipper.redacted.email"], fields["shipper.redacted.card"]) == (3, 1)


def test_a_child_starts_afresh_whatever_lock_was_held() -> None:
    """U07: after a fork there is no heartbeat before the child's own first record, and the lock is free."""
    process = Process()
    process.heart.begin()
    process.heart._lock.acquire()
    process.heart.reset_in_child()
    process.pass_time(120)
    assert process.pulses == []
    process.heart.begin()
    process.pass_time(60)
    assert len(process.pulses) == 1
