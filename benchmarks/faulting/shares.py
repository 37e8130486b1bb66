"""Series of shares: failed predictions, errors among log records, wrong predictions whose labels come late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.faulting.course import BUCKET_US, Course, Random, deploys
from benchmarks.faulting.exact import DRAWS, binomials, critical_count, expit, power
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.planted import (
    Labels,
    Made,
    Planted,
    first_whole,
    log_uniform,
    moments,
    overlap,
    table,
)
from benchmarks.faulting.traffic import Traffic
from shipper.detect.event_time.window import MINUTE_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.rules.rule import ErrorRateRule, MetricRule

_MOST_LATE = 60
"""Buckets after which no label comes any more: 5 hours."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of bad events: log odds of a mean, a course and noise."""

    mean: float
    course: Course
    noise: Noise

    def log_odds(self, times: Ints) -> Floats:
        """Return the log odds without noise."""
        found: Floats = math.log(self.mean / (1 - self.mean)) + self.course.at(times)
        return found

    def draw(self, chance: Random, times: Ints) -> Floats:
        """Return the share of each bucket."""
        return expit(self.log_odds(times) + self.noise.draw(chance, len(times)))

    def detectable(
        self,
        chance: Random,
        log_odds: float,
        trials: int,
        added: float,
        level: float,
        least: tuple[float, float],
    ) -> tuple[float, bool]:
        """Return the power of the exact test for a share that grows by `added` of the rest, and whether it matters.

        Args:
            least: ratio and difference that the rule wants.
        """
        noise, weights = self.noise.nodes()
        rates = expit(log_odds + noise)
        usual = float(weights @ rates)
        least_share = max(usual * least[0], usual + least[1])
        critical = critical_count(trials, rates, weights, level)
        drawn = expit(log_odds + self.noise.single(chance, DRAWS))
        counts = binomials(chance, trials, drawn + (1 - drawn) * added)
        found = power(counts, critical, counts >= least_share * trials)
        return found, usual + (1 - usual) * added >= least_share


def errors(chance: Random, times: Ints, rule: ErrorRateRule, name: str, per_day: float, level: float) -> Made:
    """Make a service whose share of bad events is usually between 0.1 and 3 % (5 % among log records)."""
    traffic = Traffic.drawn(chance, 30, 3000)
    releases = deploys(chance, times)
    most = 0.05 if rule.dataset == "ml.app" else 0.03
    share = Share(
        log_uniform(chance, 0.001, most),
        Course.slight(chance, 0.3, releases),
        Noise(log_uniform(chance, 0.05, 0.3), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))),
    )
    events, rates = traffic.draw(chance, times), share.draw(chance, times)
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        size = log_uniform(chance, 0.01, 0.6)
        part = overlap(times, start, end)
        rates = rates + part * (1 - rates) * size
        row = first_whole(times, start)
        effect = (rule.effect.ratio, rule.effect.difference)
        found, visible = share.detectable(
            chance, float(share.log_odds(times)[row]), int(events[row]), size, level, effect
        )
        faults.append(
            Planted(rule.id, name, {"service.name": name}, "more failures", size, start, end, found, visible)
        )
    bad = chance.binomial(events, rates).astype(np.float64)
    made = table(times, [("events", events.astype(np.float64)), ("bad", bad)])
    with np.errstate(invalid="ignore", divide="ignore"):
        metric = bad / events
    return Made(rule.id, name, times, {(name,): made}, tuple(faults), metric, bad)


def accuracy(chance: Random, times: Ints, rule: MetricRule, name: str, per_day: float, level: float) -> Made:
    """Make a model whose predictions are right in 75 to 98 %, as labels tell that come minutes to hours late."""
    traffic = Traffic.drawn(chance, 60, 3000)
    releases = deploys(chance, times)
    share = Share(
        log_uniform(chance, 0.02, 0.25),
        Course.slight(chance, 0.1, releases),
        Noise(log_uniform(chance, 0.02, 0.12), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))),
    )
    coming = _Coming(
        log_uniform(chance, 5, 60) * MINUTE_US,
        float(chance.uniform(0.3, 0.8)),
        float(chance.uniform(0.6, 0.95)),
    )
    predictions, rates = traffic.draw(chance, times), share.draw(chance, times)
    labelled = chance.binomial(predictions, coming.share)
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        size = log_uniform(chance, 0.03, 0.5)
        rates = rates + overlap(times, start, end) * (1 - rates) * size
        row = first_whole(times, start)
        found, visible = share.detectable(
            chance,
            float(share.log_odds(times)[row]),
            int(labelled[row]),
            size,
            level,
            (1.0, rule.effect.change),
        )
        faults.append(
            Planted(
                rule.id, name, {"ml.model.name": name}, "less accurate", size, start, end, found, visible,
                int(times[row]) + BUCKET_US + coming.after_us(rule.coverage.minimum if rule.coverage else 0.0),
            )
        )  # fmt: skip
    wrong = chance.binomial(labelled, rates)
    late = Labels(
        times,
        predictions.astype(np.float64),
        coming.arrivals(chance, labelled - wrong),
        coming.arrivals(chance, wrong),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        metric = wrong / labelled
    versions = _versions(name, times, releases, late)
    tables = {group: known_labels(one, int(times[-1]) + 10**15) for group, one in versions.items()}
    return Made(rule.id, name, times, tables, tuple(faults), metric, wrong.astype(np.float64), versions)


def known_labels(late: Labels, now_us: int) -> Table:
    """Return what had been summed up at a moment: all predictions, and the labels that had come."""
    buckets = np.clip((now_us - late.times) // BUCKET_US - 1, -1, late.good.shape[1] - 1)
    rows = np.flatnonzero(buckets >= 0)
    good, bad = late.good[rows, buckets[rows]], late.bad[rows, buckets[rows]]
    kept = good + bad > 0
    rows, good, bad = rows[kept], good[kept], bad[kept]
    return table(
        late.times[rows], [("labels", good + bad), ("good", good), ("predictions", late.predictions[rows])]
    )


@dataclass(frozen=True, slots=True)
class _Coming:
    """How late labels come: a lognormal time after the prediction; a part never comes."""

    median_us: float
    spread: float
    share: float

    def after_us(self, part: float) -> int:
        """Return how long it takes until this part of those that ever come is there."""
        parts = self._arrived()
        return int(np.searchsorted(parts, part)) * BUCKET_US

    def arrivals(self, chance: Random, counts: Ints) -> Floats:
        """Return the labels of each bucket that have come within so many buckets after its end."""
        arrived = self._arrived()
        steps = np.diff(arrived, prepend=0.0)
        found: Floats = np.cumsum(chance.multinomial(counts, steps / steps.sum()), axis=1).astype(np.float64)
        return found

    def _arrived(self) -> Floats:
        """Return which part of the labels has come 0, 1, 2 ... buckets after the end of the bucket."""
        inside = (np.arange(12) + 0.5) / 12  # predictions are spread over their bucket
        ages = (np.arange(_MOST_LATE)[:, None] + inside[None, :]) * BUCKET_US
        z = (np.log(ages) - math.log(self.median_us)) / self.spread
        parts: Floats = np.array(
            [[0.5 * math.erfc(-value / math.sqrt(2)) for value in row] for row in z]
        ).mean(axis=1)
        parts[-1] = 1.0
        return parts


def _versions(name: str, times: Ints, releases: tuple[int, ...], late: Labels) -> dict[Group, Labels]:
    """Return the labels per version: each deployment begins a new one at the next bucket."""
    edges = [0, *(int(np.searchsorted(times, moment)) for moment in releases), len(times)]
    return {
        (name, str(place + 1)): Labels(
            times[first:last], late.predictions[first:last], late.good[first:last], late.bad[first:last]
        )
        for place, (first, last) in enumerate(pairwise(edges))
        if last > first
    }
