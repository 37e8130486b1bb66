"""How far a share wanders from window to window where nothing is wrong, and what the next window may then show.

Counts of real systems are not binomial: the log odds of the share move with the hour, with load, with who happens to
ask, sometimes in bursts. They are taken to be Student-distributed around their mean. Neither its scale nor its
degrees of freedom are known, so both are averaged over, each weighed by how well it explains the baseline's
own windows. A few windows leave wide tails, a quiet week narrows them, one with bursts makes them heavy. Windows that
follow each other say less than independent ones: the likelihood is tempered by their correlation.

Sources: Student-t random effects, Pinheiro, Liu and Wu, Efficient algorithms for robust estimation in linear
mixed-effects models (2001); averaging over what is unknown, Geisser, Predictive inference (1993); the power of the
likelihood, Bissiri, Holmes and Walker, A general framework for updating belief distributions (2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Self

import numpy as np

from shipper.detect.probability import binomial_tails, normal_tail, student_tail
from shipper.detect.table import Floats

_SCALES: Final = (0.0, 0.03, 0.06, 0.1, 0.15, 0.22, 0.32, 0.46, 0.7, 1.0)
_SCALE_WEIGHTS: Final = (0.2, 0.12, 0.12, 0.12, 0.12, 0.11, 0.09, 0.07, 0.035, 0.015)
_DEGREES: Final = (5.0, 8.0, 30.0)
_DEGREE_WEIGHTS: Final = (0.1, 0.6, 0.3)
_MOST_WINDOWS: Final = 600
"""Of more windows every second, third ... is looked at: they tell little that is new."""

_GAMMA_DEVIATIONS: Final = np.array([-1.5, 0.0, 1.5, 3.0, 4.5])
_GAMMA_WEIGHTS: Final = np.array([0.22662, 0.54675, 0.21439, 0.01218, 0.0000440])
_GRID: Final[Floats] = np.concatenate(
    [-np.geomspace(15, 0.5, 12), np.linspace(-0.45, 1.95, 49), np.geomspace(2.0, 16.0, 24)]
)
"""Logs of the factors that the odds are known at."""


@dataclass(frozen=True, slots=True)
class Wandering:
    """What the windows of a baseline say of the share that the next one will have.

    Attributes:
        rates: shares that it may have.
        weights: how probable each is.
    """

    rates: Floats
    weights: Floats

    @classmethod
    def of(cls, bad: Floats, total: Floats) -> Self:
        """Learn from one pair of counts per window, in order of time, none of them without events."""
        return cls(*_learnt(bad.tobytes(), total.tobytes()))

    def tail(self, count: int, trials: int) -> float:
        """Return the probability that a window of `trials` events has `count` or more bad ones."""
        found = float(np.dot(binomial_tails(count, trials, self.rates), self.weights))
        return min(1.0, found)


@lru_cache(maxsize=64)
def _learnt(bad_bytes: bytes, total_bytes: bytes) -> tuple[Floats, Floats]:
    """Return rates and weights; the looks at one window, and windows of one fault, share their baseline."""
    bad, total = np.frombuffer(bad_bytes), np.frombuffer(total_bytes)
    k, n = float(bad.sum()), float(total.sum())
    odds = (k + 0.5) / (n - k + 0.5)
    weights = _noise_weights(bad, total, odds)
    weights = _blurred(weights, k + 0.5)
    kept = weights > 0
    factors = odds * np.exp(_GRID[kept])
    return factors / (1 + factors), weights[kept]


def _noise_weights(bad: Floats, total: Floats, odds: float) -> Floats:
    """Return how probable each point of the grid is as the noise of a window."""
    step = max(1, len(bad) // _MOST_WINDOWS)
    some, of = bad[::-step], total[::-step]
    z, mass, on_grid = _nodes()
    post = _prior()
    if len(some):
        factors = odds * np.exp(z)
        rates = (factors / (1 + factors)).ravel()
        logs = some[:, None] * np.log(rates) + (of - some)[:, None] * np.log1p(-rates)
        # Each window relative to its best, so that nothing underflows.
        logs -= logs.max(axis=1, keepdims=True)
        each = np.exp(logs).reshape(len(some), *z.shape) @ mass
        likelihood = np.log(np.maximum(each, 1e-300)).sum(axis=0) * _tempering(some, of, odds / (1 + odds))
        post = post * np.exp(likelihood - likelihood.max())
    found: Floats = (post / post.sum()) @ on_grid
    return found


def _blurred(weights: Floats, bad: float) -> Floats:
    """Return the weights when the mean is only known from so many bad events (Wilson and Hilferty's gamma quantiles)."""
    cube = 1 - 1 / (9 * bad) + _GAMMA_DEVIATIONS / (3 * math.sqrt(bad))
    found = np.zeros(len(_GRID))
    for move, weight in zip(np.log(np.maximum(cube, 0.05) ** 3), _GAMMA_WEIGHTS, strict=True):
        found += weight * _spread(_GRID + move, weights)
    return found


def _spread(values: Floats, weights: Floats) -> Floats:
    """Return the weights of values as weights of the two points of the grid around each."""
    values = np.clip(values, _GRID[0], _GRID[-1])
    right = np.clip(np.searchsorted(_GRID, values), 1, len(_GRID) - 1)
    part = (values - _GRID[right - 1]) / (_GRID[right] - _GRID[right - 1])
    found = np.zeros(len(_GRID))
    np.add.at(found, right, weights * part)
    np.add.at(found, right - 1, weights * (1 - part))
    return found


def _tempering(bad: Floats, total: Floats, rate: float) -> float:
    """Return what part of its weight a window keeps, 0.1 .. 1, by how alike neighbours are."""
    if len(bad) < 3 or rate <= 0 or rate >= 1:
        return 1.0
    off = (bad - total * rate) / np.sqrt(total * rate * (1 - rate))
    together, alone = float((off[1:] * off[:-1]).mean()), float((off**2).mean())
    excess = max(alone - 1, 1e-9)
    alike = min(0.95, max(0.0, together / excess)) if together > 2 / math.sqrt(len(bad)) else 0.0
    return max(0.1, (1 - alike**2) / (1 + alike**2))


@cache
def _prior() -> Floats:
    """Return how probable each pair of scale and degrees is before any data; a scale of 0 has one pair."""
    found = np.outer(_SCALE_WEIGHTS, _DEGREE_WEIGHTS).ravel()
    found.flags.writeable = False
    return found


@cache
def _nodes() -> tuple[Floats, Floats, Floats]:
    """Return noise at quantiles (pairs of scale and degrees by quantiles), their weights, and each pair on the grid."""
    edges = np.concatenate([np.linspace(-5, -1, 5), np.linspace(-0.5, 2, 6), np.linspace(2.5, 6, 8)])
    coarse, mass = _quantiles(edges)
    fine, fine_mass = _quantiles(np.linspace(-6, 7, 131))
    on_grid = np.array([_spread(row, fine_mass) for row in fine])
    return coarse, mass, on_grid


def _quantiles(edges: Floats) -> tuple[Floats, Floats]:
    middle = (edges[1:] + edges[:-1]) / 2
    above = np.array([normal_tail(float(edge)) for edge in edges])
    mass = above[:-1] - above[1:]
    mass[0], mass[-1] = mass[0] + 1 - above[0], mass[-1] + above[-1]
    values = [
        scale * math.sqrt((degrees - 2) / degrees) * row
        for scale in _SCALES
        for degrees, row in zip(_DEGREES, _student(tuple(middle)), strict=True)
    ]
    return np.clip(np.array(values), -15, 15), mass


@cache
def _student(deviations: tuple[float, ...]) -> Floats:
    """Return per degrees the values of Student's t that are as improbable as normal ones of so many deviations."""
    t = np.concatenate([[0.0], np.geomspace(0.01, 1e7, 400)])
    wanted = np.log([normal_tail(abs(z)) for z in deviations])
    found = []
    for degrees in _DEGREES:
        tails = np.log([student_tail(value, degrees) for value in t])
        found.append(np.sign(deviations) * np.interp(-wanted, -tails, t))
    return np.array(found)
