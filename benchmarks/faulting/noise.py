"""Autocorrelated heavy-tailed noise whose distribution at any one moment is known exactly.

A normal first-order autoregression, each value then mapped to the quantile of Student's t with the same
probability (a Gaussian copula). So the noise wanders and bursts, and an exact test can still know its tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import normal_tail, student_tail

_REACH: Final = 9.0
"""Normal deviations at which the table of quantiles ends; beyond lies 10^-19."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise around 0.

    Attributes:
        scale: standard deviation.
        degrees: degrees of freedom of Student's t, above 2; fewer are heavier tails.
        memory: correlation of one bucket with the next, 0 .. 1.
    """

    scale: float
    degrees: float
    memory: float

    def draw(self, chance: np.random.Generator, count: int) -> Floats:
        """Return one stretch of consecutive values."""
        steps = chance.standard_normal(count)
        steps[1:] *= math.sqrt(1 - self.memory**2)
        values = np.empty(count)
        last = 0.0
        for place, step in enumerate(steps):
            last = values[place] = self.memory * last + step
        return self.mapped(values)

    def single(self, chance: np.random.Generator, count: int) -> Floats:
        """Return independent values of the distribution at one moment."""
        return self.mapped(chance.standard_normal(count))

    def mapped(self, normal: Floats) -> Floats:
        """Return the noise that stands where a standard normal variable has these values."""
        at, quantiles = _table(self.degrees)
        found: Floats = np.interp(normal, at, quantiles) * (
            self.scale * math.sqrt((self.degrees - 2) / self.degrees)
        )
        return found

    def nodes(self, count: int = 181) -> tuple[Floats, Floats]:
        """Return values and their probabilities, fine enough in both tails for sums down to 10^-12."""
        edges = np.linspace(-8.0, 8.0, count + 1)
        below = np.array([1 - normal_tail(edge) if edge < 0 else 0.0 for edge in edges])
        above = np.array([normal_tail(edge) for edge in edges])
        middle = (edges[1:] + edges[:-1]) / 2
        weights = np.where(middle > 0, above[:-1] - above[1:], np.diff(np.where(edges < 0, below, 1 - above)))
        return self.mapped(middle), weights


@lru_cache(maxsize=4096)
def _table(degrees: float) -> tuple[Floats, Floats]:
    """Return normal deviations and the quantiles of Student's t that have the same probability."""
    t = np.concatenate([[0.0], np.geomspace(1e-3, 1e9, 800)])
    tails = np.array([student_tail(value, degrees) for value in t])
    normal = np.linspace(0.0, _REACH, 600)
    log_tails = np.log([normal_tail(value) for value in normal])
    half = np.exp(np.interp(-log_tails, -np.log(np.maximum(tails, 1e-300)), np.log(np.maximum(t, 1e-12))))
    half[0] = 0.0
    return np.concatenate([-normal[:0:-1], normal]), np.concatenate([-half[:0:-1], half])
