"""The value is outside of what this time of day has seen."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.fetching.table import Floats, Ints
from shipper.detect.series.tail import tail_probability
from shipper.detect.series.view import Series

_HALF_US: Final = 15 * MINUTE_US
_DAYS: Final = 7
_FEWEST_DAYS: Final = 2


class Season:
    """Usual at another hour, not at this one.

    Idea: of each of the last seven days, the least and the largest value within 15 minutes of this time of
    day; the medians of both over the days bound what is usual now. The number is how far the value
    is outside of that, ranked among the past's. A band instead of a curve: a steep flank a few minutes
    early is no anomaly, and the median forgives one bad day. From the third day on.
    Fails: weekends that differ are outside of the band on their first hours; where the clocks are changed
    the hours are off for some days, because a day here is 24 hours.
    Cost: 14 binary searches per row, once; one partition of the past per row.
    Source: Hyndman and Athanasopoulos, Forecasting: principles and practice (2021), 5.2, the seasonal naive
    method, here as a band of medians.
    """

    name: ClassVar[str] = "season"
    stride: ClassVar[int] = 1

    def numbers(self, series: Series) -> Floats:
        """See `View.numbers`: distance to the band, 0 inside; NaN with fewer than two earlier days."""
        lows, highs = zip(
            *(_extremes(series.times, series.values, day * DAY_US) for day in range(1, _DAYS + 1)),
            strict=True,
        )
        low, high = _median(np.array(lows)), _median(np.array(highs))
        return np.maximum(np.maximum(low - series.values, series.values - high), 0.0)

    def probability(self, number: float, past: Floats) -> float:
        """See `View.probability`."""
        return tail_probability(number, past) if number > 0 else 1.0


def _extremes(times: Ints, values: Floats, back_us: int) -> tuple[Floats, Floats]:
    """Return least and largest value within the 15 minutes around `back_us` earlier; NaN where there is none."""
    first = np.searchsorted(times, times - back_us - _HALF_US)
    last = np.searchsorted(times, times - back_us + _HALF_US, side="right")
    counts = last - first
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    known = counts > 0
    if not known.any():
        return low, high
    low[known] = _over(np.minimum, values, first[known], counts[known])
    high[known] = _over(np.maximum, values, first[known], counts[known])
    return low, high


def _over(best: np.ufunc, values: Floats, first: Ints, counts: Ints) -> Floats:
    """Return the best of `counts` values from `first` on, by two overlapping runs of a power of two."""
    runs = [values]
    for power in range(int(counts.max()).bit_length() - 1):
        half = 1 << power
        shorter = runs[-1]
        runs.append(best(shorter[: len(shorter) - half], shorter[half:]))
    powers = np.frexp(counts)[1] - 1
    found = np.empty(len(first))
    for power in np.unique(powers):
        rows = powers == power
        run, end = runs[power], first[rows] + counts[rows] - (1 << int(power))
        found[rows] = best(run[first[rows]], run[end])
    return found


def _median(days: Floats) -> Floats:
    """Return the median over the known days of each column; NaN with fewer than two."""
    ordered = np.sort(days, axis=0)  # NaN comes last
    known = np.count_nonzero(~np.isnan(days), axis=0)
    columns = np.arange(days.shape[1])
    middle = (
        ordered[np.maximum(known - 1, 0) // 2, columns]
        + ordered[np.minimum(known // 2, len(days) - 1), columns]
    ) / 2
    return np.where(known >= _FEWEST_DAYS, middle, np.nan)
