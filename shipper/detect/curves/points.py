"""A run's curve as points in order of time, since it last began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.event_time.window import SECOND_US
from shipper.detect.fetching.table import Flags, Floats, Table

_RAISED: Final = 1.5
"""A learning rate that grows at once by this factor begins a new cycle."""

_GOES_BACK: Final = 0.98
"""A step below this part of the furthest so far is that of a run that was taken up again."""


@dataclass(frozen=True, slots=True)
class Points:
    """Points of a curve in order of time; arrays of one length.

    Attributes:
        times: microseconds, the middle of each point's part of a window.
        counts: values behind each point, 1 or more.
        means, highs, lows: of these values.
        at: step (or epoch) of the last of them.
        is_now: whether the point lies in the judged window.
    """

    times: Floats
    counts: Floats
    means: Floats
    highs: Floats
    lows: Floats
    at: Floats
    is_now: Flags

    def __len__(self) -> int:
        return len(self.times)

    def take(self, which: Flags | slice) -> Points:
        """Return some of the points."""
        return Points(
            self.times[which], self.counts[which], self.means[which], self.highs[which], self.lows[which],
            self.at[which], self.is_now[which],
        )  # fmt: skip

    def mirrored(self) -> Points:
        """Return the points with the sign changed, so that up is worse where high values are good."""
        return Points(self.times, self.counts, -self.means, -self.lows, -self.highs, self.at, self.is_now)


def points_of(past: Table, current: Table, series: str, window_us: int) -> Points:
    """Return the points of a series in the rows of the past and of the judged window."""
    parts = []
    for table, is_now in ((past, False), (current, True)):
        count, total, high, low, at = (table.block(name) for name in layout.stats(series))
        if count.size == 0 or not count.shape == total.shape == high.shape == low.shape == at.shape:
            continue
        rows, places = np.nonzero(count > 0)
        n = count[rows, places]
        width = window_us / count.shape[1]
        mean = total[rows, places] / n
        parts.append(
            (
                table.times[rows] + (places + 0.5) * width, n, mean,
                np.maximum(high[rows, places], mean), np.minimum(low[rows, places], mean),
                at[rows, places], np.full(len(n), is_now, dtype=np.bool_),
            )
        )  # fmt: skip
    if not parts:
        empty = np.zeros(0)
        return Points(empty, empty, empty, empty, empty, empty, np.zeros(0, dtype=np.bool_))
    return Points(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def train_points(past: Table, current: Table, window_us: int) -> Points:
    """Return the points on training data: of steps where the run logs any, else of epochs."""
    steps = points_of(past, current, layout.STEP, window_us)
    return steps if len(steps) else points_of(past, current, layout.EPOCH, window_us)


def chosen_points(past: Table, current: Table, window_us: int, split: str) -> Points:
    """Return the points on the data that are asked for, or on the other where there are none."""
    train = train_points(past, current, window_us)
    validation = points_of(past, current, layout.VALIDATION, window_us)
    first, other = (validation, train) if split == "validation" else (train, validation)
    return first if len(first) else other


def since_begun(points: Points, past: Table, current: Table, window_us: int) -> Points:
    """Return the points since the run last began: started, taken up at an earlier step, or with a raised rate."""
    begun = 0.0
    for table in (past, current):
        started = table.column(layout.STARTS) > 0
        if started.any():
            place = int(np.flatnonzero(started)[-1])
            offset = min(max(0.0, float(table.column(layout.START_AT)[place])) * SECOND_US, window_us)
            begun = float(table.times[place]) + offset
    rates = points_of(past, current, layout.RATE, window_us)
    if len(rates) > 1:
        raised = np.flatnonzero(rates.highs[1:] > _RAISED * np.maximum(rates.highs[:-1], 1e-300))
        if len(raised):
            begun = max(begun, float(rates.times[raised[-1] + 1]))
    # A point that lies in the same part of the window as the beginning has values of both sides: it stays out.
    width = window_us / max(1, points_width(past, current))
    found = points.take(points.times >= begun + (width / 2 if begun else 0.0))
    if len(found) > 1:
        furthest = np.maximum.accumulate(found.at)
        back = np.flatnonzero((found.at[1:] < _GOES_BACK * furthest[:-1] - 1) & (np.diff(found.at) < 0))
        if len(back):
            found = found.take(slice(int(back[-1]) + 1, None))
    return found


def points_width(past: Table, current: Table) -> int:
    """Return into how many parts the windows are cut."""
    return max(
        (table.block(f"{series}.n").shape[1] for table in (past, current) for series in layout.SERIES),
        default=1,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers on which worse is up and a step means the same everywhere.

    Logarithms where all values are positive and small is good; else the values themselves, in units of the larger
    of their size and their range.
    """

    is_log: bool
    unit: float = 1.0

    @classmethod
    def of(cls, points: Points) -> Scale:
        """Choose by the points up to now."""
        if len(points) and float(points.lows.min()) > 0:
            return cls(True)
        size = float(np.median(np.abs(points.means))) if len(points) else 1.0
        spread = (
            float(np.quantile(points.means, 0.95) - np.quantile(points.means, 0.05)) if len(points) else 0.0
        )
        return cls(False, max(size, spread, 1e-300))

    def to(self, values: Floats) -> Floats:
        """Return values on the scale."""
        if not self.is_log:
            return values / self.unit
        logs: Floats = np.log(np.maximum(values, 1e-300))
        return logs

    def back(self, value: float) -> float:
        """Return a number of the scale as a value."""
        return float(np.exp(min(value, 700.0))) if self.is_log else value * self.unit

    def least(self, change: float) -> float:
        """Return how far apart two numbers of the scale are that differ by this relative change."""
        return float(np.log1p(change)) if self.is_log else change
