"""How a level moves over weeks where nothing is wrong: season of the day and the week, trend, small steps at deploys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.fetching.table import Floats, Ints

BUCKET_US: Final = 5 * MINUTE_US
WEEK_US: Final = 7 * DAY_US
EPOCH_MONDAY_US: Final = 4 * DAY_US
"""The first Monday after the epoch."""

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Course:
    """A level on a log scale, relative to its mean; all amplitudes are of the log.

    Attributes:
        daily, second: amplitude of the wave of a day and of half a day; `phase` of both, radians.
        weekend: what Saturday and Sunday add.
        trend: what a week adds.
        steps: moments and what is added from each on.
    """

    daily: float = 0.0
    second: float = 0.0
    phase: float = 0.0
    weekend: float = 0.0
    trend: float = 0.0
    steps: tuple[tuple[int, float], ...] = ()

    def at(self, times: Ints) -> Floats:
        """Return the level at each moment."""
        angle = 2 * math.pi * (times % DAY_US) / DAY_US + self.phase
        level = self.daily * np.sin(angle) + self.second * np.sin(2 * angle)
        level = level + self.weekend * (((times - EPOCH_MONDAY_US) % WEEK_US) >= 5 * DAY_US)
        level = level + self.trend * (times - times[0]) / WEEK_US
        for moment, step in self.steps:
            level = level + step * (times >= moment)
        found: Floats = level
        return found

    @classmethod
    def traffic(cls, chance: Random) -> Self:
        """Of the number of events: by day 1.3 to 10 times the night, fewer (or more) at weekends."""
        return cls(
            daily=float(chance.uniform(0.15, 1.0)),
            second=float(chance.uniform(0.0, 0.25)),
            phase=float(chance.uniform(0, 2 * math.pi)),
            weekend=float(chance.uniform(-0.8, 0.1)),
            trend=float(chance.normal(0, 0.08)),
        )

    @classmethod
    def slight(cls, chance: Random, size: float, deploys: tuple[int, ...]) -> Self:
        """Of a share or a duration: a wave of up to `size`, a trend, and a step at three deploys of ten."""
        steps = tuple(
            (moment, float(chance.normal(0, size / 2))) for moment in deploys if chance.random() < 0.3
        )
        return cls(
            daily=float(chance.uniform(0, size)),
            second=float(chance.uniform(0, size / 3)),
            phase=float(chance.uniform(0, 2 * math.pi)),
            weekend=float(chance.normal(0, size / 3)),
            trend=float(chance.normal(0, size / 2)),
            steps=steps,
        )


def deploys(chance: Random, times: Ints) -> tuple[int, ...]:
    """Return the moments of deployments, one to four days apart on average."""
    mean_us = float(chance.uniform(1.0, 4.0)) * DAY_US
    found: list[int] = []
    moment = int(times[0]) + chance.exponential(mean_us)
    while moment < times[-1]:
        found.append(int(moment))
        moment += max(DAY_US / 12, chance.exponential(mean_us))
    return tuple(found)
