"""Exact tests that know the made-up world's own null distribution, and the power they have.

What they know: share, level, season, trend, deploys, and the distribution of the noise, but not the noise of the
moment. The level is that of one test of the shipped rules under their own budget. A fault that even such a test
of one bucket misses now and then is not held against anybody.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.faulting.course import Random
from shipper.detect.fetching.table import Flags, Floats
from shipper.detect.statistics.probability import normal_tail

DRAWS: Final = 4000
"""Faulty buckets that are drawn to measure a power; its standard error at 0.99 is 0.0016."""


def critical_count(trials: int, rates: Floats, weights: Floats, level: float) -> int:
    """Return the least count k with P(K >= k) <= level, K binomial with a rate that is one of `rates`."""
    k = np.arange(trials + 1)
    log_choose = _log_factorials(trials)[trials] - _log_factorials(trials) - _log_factorials(trials)[::-1]
    clipped = np.clip(rates, 1e-300, 1 - 1e-16)[:, None]
    mass = np.exp(log_choose + k * np.log(clipped) + (trials - k) * np.log1p(-clipped))
    tail = np.cumsum((weights @ mass)[::-1])[::-1]
    beyond = np.flatnonzero(tail <= level)
    return int(beyond[0]) if len(beyond) else trials + 1


def critical_poisson(means: Floats, weights: Floats, level: float) -> tuple[int, int]:
    """Return the largest count k with P(K <= k) <= level (-1: none), and the least with P(K >= k) <= level."""
    most = int(means.max() + 40 * np.sqrt(means.max()) + 50)
    most = min(most, int(60 * (weights @ means) + 200))
    k = np.arange(most + 1)
    mass = np.exp(k * np.log(np.maximum(means, 1e-300))[:, None] - means[:, None] - _log_factorials(most))
    mixed = weights @ mass
    below, above = np.cumsum(mixed), 1 - np.cumsum(mixed) + mixed
    few, many = np.flatnonzero(below <= level), np.flatnonzero(above <= level)
    return (int(few[-1]) if len(few) else -1), (int(many[0]) if len(many) else most + 1)


def critical_mean(size: int, means: Floats, weights: Floats, level: float) -> float:
    """Return c with P(mean of `size` standard normal values >= c) = level, around a mean that is one of `means`."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        tail = sum(w * normal_tail((middle - m) * size**0.5) for m, w in zip(means, weights, strict=True))
        low, high = (middle, high) if tail > level else (low, middle)
    return high


def power(counts: Floats, critical: int, is_effective: Flags) -> float:
    """Return the part of drawn buckets that the test finds and that show an effect that matters."""
    return float(((counts >= critical) & is_effective).mean())


def expit(values: Floats) -> Floats:
    """Return the shares with these log odds."""
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -700, 700)))
    return found


def binomials(chance: Random, trials: int, rates: Floats) -> Floats:
    """Draw one count per rate."""
    return chance.binomial(trials, np.clip(rates, 0, 1)).astype(np.float64)


def _log_factorials(most: int) -> Floats:
    found: Floats = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
    return found
