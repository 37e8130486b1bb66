"""All series of a run: which default rule has how many of them, each from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from benchmarks.faulting.counts import silence, volume
from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.durations import latency
from benchmarks.faulting.features import drift
from benchmarks.faulting.planted import Made
from benchmarks.faulting.shares import accuracy, errors
from shipper.detect.event_time.window import DAY_US
from shipper.detect.fetching.measures import is_share
from shipper.detect.fetching.table import Ints
from shipper.detect.judging.threshold import level_of
from shipper.detect.rules.rule import (
    DriftRule,
    ErrorRateRule,
    LatencyRule,
    MetricRule,
    Rule,
    RuleSet,
    SilenceRule,
)
from shipper.detect.rules.series_rule import SeriesRule

BEGIN_US: Final = 1_790_000_000_000_000 // DAY_US * DAY_US

Make = Callable[..., Made]


_MAKERS: Final[dict[type[Rule], tuple[Make, float]]] = {
    ErrorRateRule: (errors, 0.2),
    LatencyRule: (latency, 0.25),
    MetricRule: (accuracy, 0.15),
    DriftRule: (drift, 0.06),
    SilenceRule: (silence, 0.14),
    SeriesRule: (volume, 0.1),
}
"""By kind of rule: what makes its series, and its part of all series, before all parts are scaled to 1."""


def times(days: int, seed: int) -> Ints:
    """Return the starts of all buckets; the day of the week on which they begin follows from the seed."""
    begin = BEGIN_US + seed % 7 * DAY_US
    return begin + np.arange(days * DAY_US // BUCKET_US, dtype=np.int64) * BUCKET_US


def maker(rule: Rule) -> tuple[Make, float] | None:
    """Return what makes a rule's series, and its part of all series; None where nothing here does."""
    if isinstance(rule, MetricRule) and not is_share(rule):
        return None
    if isinstance(rule, SeriesRule) and rule.statistic != "events":
        return None
    return next((made for kind, made in _MAKERS.items() if isinstance(rule, kind)), None)


def allotted(rules: RuleSet, series: int) -> list[tuple[Rule, int]]:
    """Return how many of the series each active rule has; rules without a maker have none."""
    known = [(rule, found[1]) for rule in rules.active if (found := maker(rule)) is not None]
    whole = sum(part for _, part in known)
    counts = [int(series * part / whole) for _, part in known]
    for place in range(series - sum(counts)):
        counts[place % len(counts)] += 1
    return [(rule, count) for (rule, _), count in zip(known, counts, strict=True)]


def make(rules: RuleSet, rule: Rule, count: int, seed: int, days: int, per_day: float) -> Iterator[Made]:
    """Make the series of one rule.

    Args:
        per_day: faults that each series has per day on average, after its first day; 0: none.
    """
    found = maker(rule)
    if found is None:
        return
    level = level_of(rules.false_alarms, rules.tests, BUCKET_US, count)
    moments = times(days, seed)
    for place in range(count):
        chance: Any = np.random.default_rng([seed, place, *rule.id.encode()])
        yield found[0](chance, moments, rule, f"{rule.id}-{place}", per_day, level)
