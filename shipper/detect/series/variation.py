"""The series moves more, or less, than it did."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.series.rarity import rarity
from shipper.detect.series.rolling import rolling_mean
from shipper.detect.series.view import Series

_ROWS: Final = 24


class Variation:
    """The variance changed: restless, or dead.

    Idea: the mean size of the newest 24 steps from row to row, by its distance to the 4th nearest of the
    past ones, ranked among the past's own such distances. Steps do not see a level or a slow season.
    Fails: a flat line after a quiet past is hardly rare; one huge step counts for 24 rows.
    Cost: one sort of the past per row.
    Source: von Neumann, Kent, Bellinson and Hart, The mean square successive difference (1941), for steps as
    a measure of variance that a moving level leaves alone; `shipper.detect.series.rarity`.
    """

    name: ClassVar[str] = "variation"
    stride: ClassVar[int] = 1

    def numbers(self, series: Series) -> Floats:
        """See `View.numbers`: mean absolute step over the newest 24 rows."""
        values = series.values
        return rolling_mean(np.abs(np.diff(values, prepend=values[:1])), _ROWS)

    def probability(self, number: float, past: Floats) -> float:
        """See `View.probability`."""
        return rarity(number, past)
