"""Backoff and batch limits: pure values."""

from __future__ import annotations

import pytest

from shipper.errors import BrokerUnavailable, ConfigurationError, RecordRefused
from shipper.ship.batch import BatchLimits
from shipper.ship.retry import Backoff
from shipper.ship.sink import ACCEPTED, Delivery


def test_backoff_doubles_up_to_its_cap_and_starts_again() -> None:
    """U05: waits grow to a cap and no further; there is no limit on attempts; a success starts afresh."""
    backoff = Backoff(0.1, 2.0)
    assert backoff.delay_s(lambda: 1.0) == 0.0
    ceilings = []
    for _ in range(7):
        backoff = backoff.failed()
        ceilings.append(round(backoff.ceiling_s, 3))
    assert ceilings == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    for _ in range(100_000):
        backoff = backoff.failed()
    assert backoff.ceiling_s == 2.0
    assert backoff.succeeded() == Backoff(0.1, 2.0)


def test_backoff_has_full_jitter_from_an_injected_source() -> None:
    """U05: the wait is drawn from the whole range, so that many clients do not come back together."""
    backoff = Backoff(1.0, 8.0).failed().failed()
    assert [backoff.delay_s(lambda: value) for value in (0.0, 0.25, 0.5)] == [0.0, 0.5, 1.0]  # noqa: B023


def test_backoff_is_a_value() -> None:
    """A failure returns a new value and leaves the old one as it was."""
    backoff = Backoff()
    backoff.failed()
    assert backoff.failures == 0


@pytest.mark.parametrize(("initial_s", "max_s"), [(0, 1), (-1, 1), (2, 1)])
def test_backoff_out_of_range_is_refused(initial_s: float, max_s: float) -> None:
    """U39: waits that make no sense are refused at the start, by the names of their settings."""
    with pytest.raises(ConfigurationError, match="retry_initial_s"):
        Backoff(initial_s, max_s)


def test_a_batch_leaves_by_size_or_by_age() -> None:
    """U14: a batch is due when it is full, or when its oldest record has waited for linger_s; never by silence."""
    limits = BatchLimits(max_records=10, max_bytes=100, linger_s=0.5)
    assert limits.wait_s(3, 50, oldest_s=10.0, now_s=10.1) == pytest.approx(0.4)
    assert limits.wait_s(3, 50, oldest_s=10.0, now_s=10.5) == 0
    assert limits.wait_s(10, 50, oldest_s=10.0, now_s=10.0) == 0
    assert limits.wait_s(3, 100, oldest_s=10.0, now_s=10.0) == 0


@pytest.mark.parametrize("limits", [{"max_records": 0}, {"max_bytes": 0}, {"linger_s": -1}])
def test_limits_out_of_range_are_refused(limits: dict[str, float]) -> None:
    """U39: limits that make no sense are refused at the start."""
    with pytest.raises(ConfigurationError, match=r"ship\."):
        BatchLimits(**limits)  # type: ignore[arg-type]


def test_a_delivery_asks_the_error() -> None:
    """Whether a record is sent again is what its error says of itself."""
    assert (ACCEPTED.is_accepted, ACCEPTED.is_retriable) == (True, False)
    away, refused = Delivery(BrokerUnavailable("b", "r")), Delivery(RecordRefused("r"))
    assert (away.is_accepted, away.is_retriable) == (False, True)
    assert (refused.is_accepted, refused.is_retriable) == (False, False)
