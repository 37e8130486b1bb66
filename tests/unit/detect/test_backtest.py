"""What alerts were worth by a truth, and when a pull request is refused."""

from __future__ import annotations

import pytest

from shipper.cli.detect_backtest import Demands, Tried, as_document, shortcomings
from shipper.detect.backtest import Measure, Price, Raised, measured
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.truth import Fault

BEGIN = 1_790_000_000_000_000 // DAY_US * DAY_US
SPAN = (BEGIN, BEGIN + 14 * DAY_US)
PRICE = Price(10, 1, 30 * MINUTE_US)


def raised(hour: float, service: str = "api", **more: str) -> Raised:
    """An alert that was certain at this hour of the stretch, half an hour after its start."""
    at = BEGIN + round(hour * HOUR_US)
    return Raised("errors", {"service.name": service, **more}, at - HOUR_US // 2, at, None)


def fault(hour: float, hours: float = 2, **group: str) -> Fault:
    """Something wrong from this hour of the stretch on."""
    start = BEGIN + round(hour * HOUR_US)
    return Fault(
        start, start + round(hours * HOUR_US), {name.replace("_", "."): one for name, one in group.items()}
    )


def test_numbers_by_hand() -> None:
    """Three faults, two found after half an hour and an hour; four alerts, three of them right."""
    alerts = [raised(10.5), raised(11), raised(51), raised(90)]
    found = measured(alerts, SPAN, [fault(10), fault(50), fault(70)], PRICE)
    assert (found.alerts, found.per_week, found.right, found.noise) == (4, 2.0, 3, 1)
    assert (found.faults, found.found, found.missed) == (3, 2, (fault(70),))
    assert found.precision == 0.75
    assert found.recall == pytest.approx(2 / 3)
    assert (found.delay_us, found.slowest_us) == (45 * MINUTE_US, HOUR_US)
    assert (found.cost_of_misses, found.cost_of_noise, found.cost) == (10, 1, 11)


def test_an_alert_is_right_from_start_to_tolerance() -> None:
    """One from before the fault finds nothing, even if it lasts; one just after its end does."""
    for hour, right in ((9.9, 0), (10, 1), (12.5, 1), (12.6, 0)):
        assert measured([raised(hour)], SPAN, [fault(10)], PRICE).right == right, hour


def test_the_group_counts_where_the_rule_has_it() -> None:
    """A fault of another service is not found; a field that the rule does not group by is not held against it."""
    assert measured([raised(10)], SPAN, [fault(10, service_name="worker")], PRICE).right == 0
    assert measured([raised(10)], SPAN, [fault(10, service_name="api", host_name="h")], PRICE).right == 1


def test_what_cannot_be_known_is_not_a_number() -> None:
    """Without a truth there is no recall; without alerts no precision; faults outside do not count."""
    plain = measured([raised(10)], SPAN, None, PRICE)
    assert (plain.alerts, plain.recall, plain.precision, plain.cost) == (1, None, None, None)
    empty = measured([], SPAN, [], PRICE)
    assert (empty.recall, empty.precision, empty.delay_us, empty.cost) == (None, None, None, 0)
    assert measured([], SPAN, [fault(-5), fault(15 * 24)], PRICE).faults == 0


def tried(name: str, **numbers: float) -> Tried:
    """A result with some numbers."""
    return Tried(name, (), Measure(3, 1.5, **{"faults": 4, **numbers}))  # type: ignore[arg-type]


def test_a_pull_request_is_refused_for_what_is_worse() -> None:
    """Demands that are not met, and higher costs than before, each with its sentence; otherwise nothing."""
    good = tried("new.yml", recall=0.9, precision=0.9, cost_of_misses=10, cost_of_noise=1)
    cheap = tried("old.yml", recall=0.9, precision=0.9, cost_of_misses=0, cost_of_noise=5)
    assert shortcomings(good, None, Demands()) == []
    assert shortcomings(cheap, good, Demands(0.9, 0.9, 1.5)) == []
    assert shortcomings(good, good, Demands()) == []
    assert shortcomings(good, cheap, Demands(0.95, 0.95, 1.0)) == [
        "The recall of new.yml is 0.900, less than 0.95.",
        "The precision of new.yml is 0.900, less than 0.95.",
        "new.yml raises 1.5 alerts a week, more than 1.",
        "new.yml costs 11, more than the 5 of old.yml.",
    ]
    blind = Tried("new.yml", (), Measure(3, 1.5))
    assert shortcomings(blind, blind, Demands(recall=0.5)) == ["There is no recall without --truth."]


def test_a_result_for_scripts_has_every_number() -> None:
    """Moments as ISO 8601, delays in seconds."""
    alerts = (raised(10.5),)
    found = as_document(Tried("a.yml", alerts, measured(alerts, SPAN, [fault(10), fault(70)], PRICE)))
    assert (found["delay_s"], found["recall"], found["cost"]) == (1800.0, 0.5, 10)
    assert found["raised"][0]["rule"] == "errors"
    assert found["missed"][0]["start"].endswith("Z")
