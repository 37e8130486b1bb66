"""Series of durations: a lognormal body and a few slow requests, whose level wanders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.faulting.course import Course, Random, deploys
from benchmarks.faulting.exact import DRAWS, critical_count
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.normal import tails
from benchmarks.faulting.planted import Made, Planted, first_whole, log_uniform, moments, overlap, table
from benchmarks.faulting.traffic import Traffic
from shipper.detect.detectors.latency import edges_ns
from shipper.detect.fetching.table import Floats, Ints
from shipper.detect.rules.rule import LatencyRule


@dataclass(frozen=True, slots=True)
class Shape:
    """Durations around a level: lognormal with a `spread` of the log, a part `slow` of them `times_slower`."""

    spread: float
    slow: float
    times_slower: float

    def beyond(self, log_ns: Floats, level: Floats | float) -> Floats:
        """Return the part that takes longer than each of these, given the log of the body's median."""
        body = tails((log_ns - level) / self.spread)
        tail = tails((log_ns - level - math.log(self.times_slower)) / self.spread)
        found: Floats = (1 - self.slow) * body + self.slow * tail
        return found

    def percentile(self, part: float, levels: Floats, weights: Floats) -> float:
        """Return the log of the duration that `part` of all requests exceed, over all noise."""
        low, high = float(levels.min()) - 12, float(levels.max()) + 12
        for _ in range(50):
            middle = (low + high) / 2
            beyond = float(weights @ self.beyond(np.full(len(levels), middle), levels))
            low, high = (middle, high) if beyond > part else (low, middle)
        return high


@dataclass(frozen=True, slots=True)
class Slowness:
    """A part of the requests takes so many times as long."""

    part: float
    times: float

    def beyond(self, shape: Shape, log_ns: Floats, level: Floats | float) -> Floats:
        """Return `Shape.beyond` while it holds."""
        found: Floats = (1 - self.part) * shape.beyond(log_ns, level) + self.part * shape.beyond(
            log_ns - math.log(self.times), level
        )
        return found


def latency(chance: Random, times: Ints, rule: LatencyRule, name: str, per_day: float, level: float) -> Made:
    """Make a service with a median of 3 to 800 ms."""
    traffic = Traffic.drawn(chance, 30, 3000)
    releases = deploys(chance, times)
    shape = Shape(
        float(chance.uniform(0.25, 0.8)), float(chance.uniform(0, 0.02)), log_uniform(chance, 3, 20)
    )
    course = Course.slight(chance, 0.12, releases)
    noise = Noise(
        log_uniform(chance, 0.02, 0.12), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))
    )
    centre = math.log(log_uniform(chance, 3e6, 8e8))
    events = traffic.draw(chance, times)
    quiet = centre + course.at(times)
    levels = quiet + noise.draw(chance, len(times))
    edges = np.log(edges_ns())
    beyond = shape.beyond(edges[None, :], levels[:, None])
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        part = 1.0 if chance.random() < 0.6 else float(chance.uniform(0.08, 0.5))
        slowness = Slowness(part, log_uniform(chance, 1.2, 8))
        share = overlap(times, start, end)[:, None]
        rows = np.flatnonzero(share[:, 0])
        worse = slowness.beyond(shape, edges[None, :], levels[rows, None])
        beyond[rows] = (1 - share[rows]) * beyond[rows] + share[rows] * worse
        row = first_whole(times, start)
        test = _Test(shape, noise, float(quiet[row]), int(events[row]), rule)
        found, visible = test.power(chance, slowness, level)
        kind = "slower" if part == 1.0 else "some slower"
        faults.append(
            Planted(rule.id, name, {"service.name": name}, kind, slowness.times, start, end, found, visible)
        )
    shares = -np.diff(np.column_stack([np.ones(len(times)), beyond, np.zeros(len(times))]), axis=1)
    shares = np.maximum(shares, 0)
    bins = chance.multinomial(events, shares / shares.sum(axis=1, keepdims=True)).astype(np.float64)
    made = table(times, [(f"duration/{place}", bins[:, place]) for place in range(bins.shape[1])])
    return Made(
        rule.id,
        name,
        times,
        {(name,): made},
        tuple(faults),
        _charted(bins, rule.percentile),
        events.astype(np.float64),
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """The number of requests beyond the true percentile of this moment, over all noise."""

    shape: Shape
    noise: Noise
    level: float
    trials: int
    rule: LatencyRule

    def power(self, chance: Random, fault: Slowness, level: float) -> tuple[float, bool]:
        """Return the power against a fault, and whether it matters by the rule's minimum effect."""
        noise, weights = self.noise.nodes()
        levels = self.level + noise
        part = 1 - self.rule.percentile / 100
        usual = self.shape.percentile(part, levels, weights)
        rates = self.shape.beyond(np.full(len(levels), usual), levels)
        critical = critical_count(self.trials, rates, weights, level)
        effect = self.rule.effect
        least = math.log(max(math.exp(usual) * effect.ratio, math.exp(usual) + effect.difference_ms * 1e6))
        drawn = self.level + self.noise.single(chance, DRAWS)
        slow = fault.beyond(self.shape, np.full(DRAWS, usual), drawn)
        beyond = fault.beyond(self.shape, np.full(DRAWS, least), drawn)
        counts = chance.binomial(self.trials, np.clip(slow, 0, 1))
        of_these = chance.binomial(counts, np.clip(beyond / np.maximum(slow, 1e-12), 0, 1))
        is_effective = of_these >= part * self.trials
        mean = float(weights @ fault.beyond(self.shape, np.full(len(levels), least), levels))
        return float(((counts >= critical) & is_effective).mean()), mean >= part


def _charted(bins: Floats, percentile: float) -> Floats:
    """Return the percentile of each bucket as a person would chart it: the upper edge of its bin, in ns."""
    edges = np.append(edges_ns(), edges_ns()[-1] * 2)
    total = bins.sum(axis=1)
    place = np.argmax(np.cumsum(bins, axis=1) >= percentile / 100 * total[:, None], axis=1)
    return np.where(total > 0, edges[place], np.nan)
