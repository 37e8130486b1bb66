"""The mean of a while is unlike that of the while before."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.series.rarity import rarity
from shipper.detect.series.rolling import rolling_mean
from shipper.detect.series.view import Series

_ROWS: Final = 24
_BEFORE: Final = 288


class Level:
    """The series moved to another level.

    Idea: the mean of the newest 24 rows less that of the 288 before, by its distance to the 4th nearest of
    the past differences, ranked among the past's own such distances. A steady trend has always the same
    difference and is ordinary. Only every 24th row of the past counts: means that overlap are close to each
    other for no other reason, and on autocorrelated noise that alone would look like news.
    Fails: a level that moves on within 288 rows is seen a second time when it comes back; a step shows after
    some of the 24 rows; a series that often changes its level has a past full of large differences.
    Cost: one sort of a 24th of the past per row.
    Source: Roberts, Control chart tests based on geometric moving averages (1959), for means over time as
    a test of level; `shipper.detect.series.rarity` for the probability.
    """

    name: ClassVar[str] = "level"
    stride: ClassVar[int] = _ROWS

    def numbers(self, series: Series) -> Floats:
        """See `View.numbers`: how much the newest mean is above the one before; NaN in the first 24 rows."""
        values = series.values
        before = np.full(len(values), np.nan)
        before[_ROWS:] = rolling_mean(values, _BEFORE)[:-_ROWS]
        difference: Floats = rolling_mean(values, _ROWS) - before
        return difference

    def probability(self, number: float, past: Floats) -> float:
        """See `View.probability`."""
        return rarity(number, past)
