"""What a detector of training watches, and what it answers where there is nothing to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.points import Points, chosen_points, since_begun
from shipper.detect.detectors.base import Score, not_enough
from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.fetching.table import Table

POINTS_NOW: Final = "points of the run in the window"
"""What is missing where a run says something, but nothing of the measure."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What all checks on curves share.

    Attributes:
        name: of the measure, as a person says it.
        window_us, baseline_us: length of a window, and how far the baseline reaches back.
        split: on which data: train or validation.
        higher_is_better: the measure should grow.
        points: points of the curve that a judgement takes.
        runs: earlier runs that a comparison takes.
        change: least relative change that matters.
    """

    name: str = "loss"
    window_us: int = 15 * MINUTE_US
    baseline_us: int = DAY_US
    split: str = "train"
    higher_is_better: bool = False
    points: int = 20
    runs: int = 5
    change: float = 0.1

    def turned(self, points: Points) -> Points:
        """Return the points so that up is worse."""
        return points.mirrored() if self.higher_is_better else points

    def shown(self, value: float) -> float:
        """Return a value of turned points as it was logged."""
        return -value if self.higher_is_better else value

    @property
    def once(self) -> float:
        """Part of a test's level that the budget gives to a window, for tests that are made once per run.

        The level is what each window of each run may have; a run is among those that share it as long as the baseline
        reaches back. A test that is made once in that time may use what all these windows have together.
        """
        return min(1.0, self.window_us / self.baseline_us)


def early(current: Table) -> Score | None:
    """Return what is said of a window in which there is nothing to judge: the run is over, or says nothing."""
    if current.column(layout.OVER)[0] > 0:
        return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=0.0)
    if current.column(layout.EVENTS)[0] <= 0:
        return not_enough(0, 1, "events of the run in the window")
    return None


def judged_points(watched: Watched, past: Table, current: Table) -> Points | Score:
    """Return the points since the run last began, up being worse; or what is said where none of them is of the window."""
    said = early(current)
    if said is not None:
        return said
    points = watched.turned(chosen_points(past, current, watched.window_us, watched.split))
    points = since_begun(points, past, current, watched.window_us)
    return points if points.is_now.any() else not_enough(0, 1, POINTS_NOW)


def step_of(points: Points, place: int, current: Table) -> int:
    """Return the step of a point's worst value; where many values make a point, the last step of it."""
    known = int(current.column(layout.EXTREME_STEP)[0])
    if known and points.is_now[place] and points.counts[place] > 1:
        now = points.highs[points.is_now]
        if points.highs[place] >= float(np.max(now)):
            return known - 1
    return int(points.at[place])
