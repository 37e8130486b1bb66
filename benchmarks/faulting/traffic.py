"""How many events come: Poisson around a level with seasons, a trend and noise of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from benchmarks.faulting.course import Course, Random
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.planted import log_uniform
from shipper.detect.fetching.table import Floats, Ints


@dataclass(frozen=True, slots=True)
class Traffic:
    """Mean events of a bucket, their course and noise."""

    mean: float
    course: Course
    noise: Noise

    @classmethod
    def drawn(cls, chance: Random, low: float, high: float) -> Self:
        """Between `low` and `high` events in 5 minutes on average over a wave of the day."""
        return cls(
            log_uniform(chance, low, high),
            Course.traffic(chance),
            Noise(
                log_uniform(chance, 0.03, 0.2), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.95))
            ),
        )

    def level(self, times: Ints) -> Floats:
        """Return the mean of each bucket without noise."""
        found: Floats = self.mean * np.exp(self.course.at(times))
        return found

    def draw(self, chance: Random, times: Ints, factor: Floats | float = 1.0) -> Ints:
        """Return the number of events of each bucket."""
        noise = self.noise.draw(chance, len(times))
        return chance.poisson(np.minimum(self.level(times) * np.exp(noise) * factor, 1e7)).astype(np.int64)
