"""An indexer that starts before its broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random

import pytest

from shipper.clock import ManualClock
from shipper.errors import BrokerUnavailable, ShipperError, TopicMissing
from shipper.index.opening import opened_patiently


class Opener:
    """Opens after so many failures, and knows whether it was closed."""

    def __init__(self, failures: int, error: ShipperError, stop: threading.Event | None = None) -> None:
        self.failures = failures
        self.error = error
        self.stop = stop
        self.is_open = False

    def __call__(self) -> AbstractContextManager[str]:
        return self._open()

    @contextmanager
    def _open(self) -> Iterator[str]:
        if self.failures:
            self.failures -= 1
            if self.failures == 0 and self.stop is not None:
                self.stop.set()
            raise self.error
        self.is_open = True
        try:
            yield "indexer"
        finally:
            self.is_open = False


AWAY = BrokerUnavailable("127.0.0.1:1", "nobody there")


def test_a_broker_that_is_away_at_the_start_is_waited_for() -> None:
    """U05: the indexer begins when the broker answers; it said that it waits, once per half minute."""
    clock, reports = ManualClock(), list[str]()
    opener = Opener(8, AWAY)
    with opened_patiently(opener, threading.Event(), clock, Random(1), reports.append) as thing:
        assert (thing, opener.is_open) == ("indexer", True)
    assert not opener.is_open
    assert 10 < clock.monotonic_s() < 120
    assert 1 <= len(reports) <= 1 + clock.monotonic_s() / 30
    assert reports[0].startswith("waiting: Kafka at 127.0.0.1:1 cannot be reached")


def test_a_stop_ends_the_wait() -> None:
    """Who is told to end while waiting ends."""
    stop = threading.Event()
    with opened_patiently(Opener(3, AWAY, stop), stop, ManualClock(), Random(1), lambda _: None) as thing:
        assert thing is None


def test_what_waiting_does_not_cure_is_raised() -> None:
    """A missing topic is told at once."""
    opener = Opener(1, TopicMissing("t"))
    with (
        pytest.raises(TopicMissing),
        opened_patiently(opener, threading.Event(), ManualClock(), Random(1), lambda _: None),
    ):
        pass
