"""The mean of a while is unlike those before it."""

from __future__ import annotations

from typing import ClassVar, Final

from shipper.detect.series.rarity import rarity
from shipper.detect.series.rolling import rolling_mean
from shipper.detect.series.view import Series
from shipper.detect.table import Floats

_ROWS: Final = 48


class Level:
    """The series moved to another level and stays there.

    Idea: the mean of the newest 48 rows, by its distance to the 4th nearest of the past means, ranked
    among the past's own such distances. The newest 16 means are left out of that past: they hold mostly
    the same values.
    Fails: a slow trend moves the mean all the time, and then a step has to be larger than the trend's own;
    a step shows late, after some tenths of the 48 rows.
    Cost: one sort of the past per row.
    Source: Roberts, Control chart tests based on geometric moving averages (1959), for means over time as
    a test of level; `shipper.detect.series.rarity` for the probability.
    """

    name: ClassVar[str] = "level"
    overlap: ClassVar[int] = _ROWS // 3 - 1

    def numbers(self, series: Series) -> Floats:
        """See `View.numbers`: mean of the newest 48 values."""
        return rolling_mean(series.values, _ROWS)

    def probability(self, number: float, past: Floats) -> float:
        """See `View.probability`."""
        return rarity(number, past)
