"""The demo's plan follows from the seed alone."""

from __future__ import annotations

from shipper.demo.data import held_out_rows
from shipper.demo.plan import HOUR_US, Plan, finding_time, requests

PLAN = Plan(seed=3, end_us=1_800_000_000_000_000)


def test_phases_fill_thirty_hours_that_end_now() -> None:
    """The phases follow each other without a gap, and the last ends at the present."""
    first, second, last = PLAN.phases
    assert (first.end_us, second.end_us, last.end_us) == (second.start_us, last.start_us, PLAN.end_us)
    assert PLAN.end_us - PLAN.start_us == 30 * HOUR_US


def test_same_seed_same_traffic() -> None:
    """Requests are a function of seed and phase; another seed gives others."""
    rows = held_out_rows(3)
    phase = PLAN.phases[0]
    first = list(requests(PLAN, phase, rows))
    assert first == list(requests(PLAN, phase, rows))
    assert first != list(requests(Plan(4, PLAN.end_us), phase, rows))
    assert all(phase.start_us <= request["at"] < phase.end_us for request in first)
    assert len({request["id"] for request in first}) == len(first)


def test_some_requests_cannot_be_answered() -> None:
    """A few requests are malformed, so that the healthy service has real exceptions, too."""
    spoilt = [
        request
        for request in requests(PLAN, PLAN.phases[0], held_out_rows(3))
        if "n/a" in request["row"].values() or len(request["row"]) < 11
    ]
    assert 1 <= len(spoilt) <= 40


def test_findings_are_late() -> None:
    """A true label comes between 18 minutes and two and a half hours after the prediction, or never."""
    times = [finding_time(PLAN, f"id-{number}", PLAN.start_us) for number in range(1000)]
    delays = [time - PLAN.start_us for time in times if time is not None]
    assert 850 < len(delays) < 980
    assert 0.3 * HOUR_US <= min(delays) <= max(delays) <= 2.5 * HOUR_US
