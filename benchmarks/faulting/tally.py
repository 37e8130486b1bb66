"""From alerts and planted faults to figures: recall by power, precision, false alerts a day, delays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.ours import Alert
from benchmarks.faulting.planted import Planted
from shipper.detect.event_time.window import MINUTE_US

TOLERANCE_US: Final = 30 * MINUTE_US
"""An alert up to so long after a fault's end is about the fault."""

CLASSES: Final = (
    ("power >= .99", 0.99, 1.01),
    ("power .5-.99", 0.5, 0.99),
    ("power < .5", -1.0, 0.5),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault; `raised_us` None: not found."""

    fault: Planted
    raised_us: int | None

    @property
    def delay(self) -> float | None:
        """Buckets from the fault's start to the alert."""
        return None if self.raised_us is None else (self.raised_us - self.fault.start_us) / BUCKET_US

    @property
    def delay_since_labels(self) -> float | None:
        """Buckets from when the labels had come; the delay itself where there are none to wait for."""
        if self.raised_us is None or self.fault.labelled_us is None:
            return self.delay
        return max(0.0, (self.raised_us - self.fault.labelled_us) / BUCKET_US)


def outcomes(faults: Sequence[Planted], alerts: Sequence[Alert]) -> tuple[list[Outcome], list[Alert]]:
    """Return what became of each fault, and the alerts that are about none."""
    by_series: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        by_series.setdefault(_of(alert.rule_id, alert.group), []).append(alert)
    found: list[Outcome] = []
    right: set[int] = set()
    for fault in faults:
        about = [
            alert for alert in by_series.get(_of(fault.rule_id, fault.group), ()) if _is_right(alert, fault)
        ]
        right.update(id(alert) for alert in about)
        found.append(Outcome(fault, min((alert.raised_us for alert in about), default=None)))
    return found, [alert for alert in alerts if id(alert) not in right]


def _of(rule_id: str, group: Mapping[str, str]) -> tuple[str, str]:
    return rule_id, str(next(iter(group.values())))


def _is_right(alert: Alert, fault: Planted) -> bool:
    settled = 0 if fault.labelled_us is None else fault.labelled_us - fault.start_us
    inside = fault.start_us < alert.raised_us <= fault.end_us + settled + TOLERANCE_US
    return inside and alert.start_us < fault.end_us


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of a Poisson variable that came out as `count`."""
    return (0.0 if count == 0 else _solve(count - 1, 0.975)), _solve(count, 0.025)


def _solve(count: int, below: float) -> float:
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(80):
        middle = (low + high) / 2
        terms = (math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if sum(terms) > below else (low, middle)
    return high


def quantile(values: Sequence[float], part: float) -> float:
    """Return a quantile; NaN of nothing."""
    return float(np.quantile(np.array(values), part)) if values else math.nan
