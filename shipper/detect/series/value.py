"""The value itself is unlike those before it."""

from __future__ import annotations

from typing import ClassVar

from shipper.detect.fetching.table import Floats
from shipper.detect.series.rarity import rarity
from shipper.detect.series.view import Series


class Value:
    """A spike, a dip, or a value between the usual ones that never came.

    Idea: the distance to the 4th nearest of the past values, ranked among the past's own such distances.
    Fails: a value that is usual at other hours (`season`) or that only stays too long (`level`).
    Cost: one sort of the past per row.
    Source: see `shipper.detect.series.rarity`.
    """

    name: ClassVar[str] = "value"
    stride: ClassVar[int] = 1

    def numbers(self, series: Series) -> Floats:
        """See `View.numbers`: the values as they are."""
        return series.values

    def probability(self, number: float, past: Floats) -> float:
        """See `View.probability`."""
        return rarity(number, past)
