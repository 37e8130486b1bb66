"""Series of a model's inputs: numbers and categories that wander a little, are missing a little, and drift."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from benchmarks.faulting.course import Course, Random, deploys
from benchmarks.faulting.exact import DRAWS, binomials, critical_count, critical_mean, expit, power
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.normal import quantiles, tails
from benchmarks.faulting.planted import Made, Planted, first_whole, log_uniform, moments, overlap, table
from benchmarks.faulting.traffic import Traffic
from shipper.detect.detectors.drift import MISSING, OTHER
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.rules.rule import DriftRule

_CUTS: Final = (1, *range(5, 100, 5), 99)
"""Percentiles at which the job cuts numbers into bins."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """A standard normal number (its bins are quantiles, so any other continuous one is the same)."""

    name: str
    course: Course
    noise: Noise
    absent: float


@dataclass(frozen=True, slots=True)
class Categorical:
    """A category; the log odds of the most frequent one wander."""

    name: str
    shares: Floats
    noise: Noise


@dataclass(frozen=True, slots=True)
class Change:
    """What a fault does to one feature: `shift` by deviations, `missing` or `category` by a share."""

    feature: int
    kind: str
    size: float


def drift(chance: Random, times: Ints, rule: DriftRule, name: str, per_day: float, level: float) -> Made:
    """Make a model with 4 to 10 features, 60 to 3000 predictions in 5 minutes."""
    traffic = Traffic.drawn(chance, 60, 3000)
    releases = deploys(chance, times)
    numbers = [_numeric(chance, f"x{place}") for place in range(int(chance.integers(3, 8)))]
    categories = [_categorical(chance, f"c{place}") for place in range(int(chance.integers(1, 4)))]
    events = traffic.draw(chance, times)
    shift = np.array([one.course.at(times) + one.noise.draw(chance, len(times)) for one in numbers])
    absent = np.array([np.full(len(times), one.absent) for one in numbers])
    odds = np.array([one.noise.draw(chance, len(times)) for one in categories])
    extra = np.zeros((len(categories), len(times)))
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        part, row = overlap(times, start, end), first_whole(times, start)
        change = _change(chance, len(numbers), len(categories))
        test = _Test(int(events[row]), level / (len(numbers) + len(categories)), rule)
        if change.kind == "category":
            extra[change.feature] += part * change.size
            found, visible = test.category(chance, categories[change.feature], change.size)
        elif change.kind == "shift":
            one = numbers[change.feature]
            found, visible = test.shift(chance, one, float(one.course.at(times)[row]), change.size)
            shift[change.feature] += part * change.size
        else:
            found, visible = test.missing(chance, numbers[change.feature], change.size)
            absent[change.feature] += part * (1 - absent[change.feature]) * change.size
        faults.append(
            Planted(
                rule.id, name, {"ml.model.name": name}, change.kind, change.size, start, end, found, visible
            )
        )
    columns = [("events", events.astype(np.float64))]
    for one, moved, missing in zip(numbers, shift, absent, strict=True):
        columns += _numeric_columns(chance, one, events, moved, missing)
    for kind, moved, more in zip(categories, odds, extra, strict=True):
        columns += _categorical_columns(chance, kind, events, moved, more)
    tables = _versions(name, times, releases, columns)
    return Made(
        rule.id, name, times, tables, tuple(faults), _charted(columns, numbers), events.astype(np.float64)
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """The best test for each kind of change on one bucket, at the level that one of the features has."""

    trials: int
    level: float
    rule: DriftRule

    def shift(self, chance: Random, one: Numeric, level: float, size: float) -> tuple[float, bool]:
        """The mean of the values."""
        noise, weights = one.noise.nodes()
        trials = max(1, round(self.trials * (1 - one.absent)))
        critical = critical_mean(trials, noise, weights, self.level / 2)
        drawn = one.noise.single(chance, DRAWS) + size + chance.standard_normal(DRAWS) / math.sqrt(trials)
        del level  # the season of this moment is known to the test
        # A shift by d moves erf(d / sqrt(8)) of the values over the middle.
        least = self.rule.effect.share
        moved = np.array([math.erf(abs(value) / math.sqrt(8)) for value in drawn])
        is_visible = math.erf(abs(size) / math.sqrt(8)) >= least
        return float(((np.abs(drawn) >= critical) & (moved >= least)).mean()), is_visible

    def missing(self, chance: Random, one: Numeric, size: float) -> tuple[float, bool]:
        """The number of events without the value."""
        least = self.rule.effect.share
        critical = critical_count(self.trials, np.array([one.absent]), np.ones(1), self.level)
        counts = binomials(chance, self.trials, np.full(DRAWS, one.absent + (1 - one.absent) * size))
        effective = counts >= (one.absent + least) * self.trials
        return power(counts, critical, effective), (1 - one.absent) * size >= least

    def category(self, chance: Random, one: Categorical, size: float) -> tuple[float, bool]:
        """The number of events of the last category, the rarest."""
        noise, weights = one.noise.nodes()
        rates = _with_odds(one.shares, noise)[:, -1]
        least = self.rule.effect.share
        critical = critical_count(self.trials, rates, weights, self.level / len(one.shares))
        drawn = _with_odds(one.shares, one.noise.single(chance, DRAWS))[:, -1]
        counts = binomials(chance, self.trials, drawn + (1 - drawn) * size)
        usual = float(weights @ rates)
        return power(counts, critical, counts >= (usual + least) * self.trials), (1 - usual) * size >= least


def _numeric(chance: Random, name: str) -> Numeric:
    return Numeric(
        name,
        Course.slight(chance, 0.05, ()),
        Noise(
            log_uniform(chance, 0.005, 0.04), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))
        ),
        0.0 if chance.random() < 0.5 else log_uniform(chance, 0.001, 0.05),
    )


def _categorical(chance: Random, name: str) -> Categorical:
    weights = 1 / np.arange(1, int(chance.integers(3, 41)) + 1) ** chance.uniform(0.3, 1.5)
    noise = Noise(
        log_uniform(chance, 0.01, 0.1), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))
    )
    return Categorical(name, weights / weights.sum(), noise)


def _change(chance: Random, numbers: int, categories: int) -> Change:
    kind = str(chance.choice(["shift", "missing", "category"]))
    if kind == "shift":
        size = log_uniform(chance, 0.1, 3) * (1 if chance.random() < 0.5 else -1)
        return Change(int(chance.integers(numbers)), kind, size)
    if kind == "missing":
        return Change(int(chance.integers(numbers)), kind, log_uniform(chance, 0.01, 1.0))
    return Change(int(chance.integers(categories)), kind, log_uniform(chance, 0.01, 0.6))


def _with_odds(shares: Floats, odds: Floats) -> Floats:
    """Return the shares, rows by categories, with the odds of the first one changed."""
    first = expit(math.log(shares[0] / (1 - shares[0])) + odds)
    rest = (1 - first)[:, None] * shares[1:] / (1 - shares[0])
    return np.column_stack([first, rest])


def _numeric_columns(
    chance: Random, one: Numeric, events: Ints, moved: Floats, missing: Floats
) -> Iterator[tuple[str, Floats]]:
    absent = chance.binomial(events, missing)
    shares = np.diff(_cumulative(moved), axis=1)
    bins = chance.multinomial(events - absent, np.maximum(shares, 0) / shares.sum(axis=1, keepdims=True))
    for place in range(bins.shape[1]):
        yield f"{one.name}/{place}", bins[:, place].astype(np.float64)
    yield f"{one.name}/{MISSING}", absent.astype(np.float64)


def _cumulative(moved: Floats) -> Floats:
    cuts = quantiles(np.array(_CUTS) / 100)
    inside = 1 - tails(cuts[None, :] - moved[:, None])
    return np.column_stack([np.zeros(len(moved)), inside, np.ones(len(moved))])


def _categorical_columns(
    chance: Random, one: Categorical, events: Ints, moved: Floats, more: Floats
) -> Iterator[tuple[str, Floats]]:
    shares = _with_odds(one.shares, moved) * (1 - more)[:, None]
    shares[:, -1] += more
    bins = chance.multinomial(events, shares / shares.sum(axis=1, keepdims=True))
    for place in range(bins.shape[1]):
        yield f"{one.name}/{place}", bins[:, place].astype(np.float64)
    yield f"{one.name}/{OTHER}", np.zeros(len(events))
    yield f"{one.name}/{MISSING}", np.zeros(len(events))


def _versions(
    name: str, times: Ints, releases: tuple[int, ...], columns: list[tuple[str, Floats]]
) -> dict[Group, Table]:
    edges = [0, *(int(np.searchsorted(times, moment)) for moment in releases), len(times)]
    found: dict[Group, Table] = {}
    for place, (first, last) in enumerate(pairwise(edges)):
        made = (
            table(times[first:last], [(column, values[first:last]) for column, values in columns])
            if last > first
            else None
        )
        if made is not None and len(made):
            found[(name, str(place + 1))] = made
    return found


def _charted(columns: list[tuple[str, Floats]], numbers: list[Numeric]) -> Floats:
    """Return the mean rank of the first number, which a person would chart."""
    bins = np.column_stack(
        [values for column, values in columns if column.startswith(f"{numbers[0].name}/")]
    )[:, :-1]
    total = bins.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = bins @ np.arange(bins.shape[1]) / total
    return found
