"""Significance of each row of a series, by all views together.

Each view gives a probability. They are merged by the geometric mean of the three smallest of the four, so
one view may disagree; or, at a price, by the smallest alone, so that what a single view sees can be
found too. Dependence between the views does no harm to either.

Source: Vovk and Wang, Combining p-values via averaging (2020): e times the geometric mean of dependent p-values is a
p-value; Bonferroni's inequality for the choice of three among four, for the smallest, and for trying both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.series.level import Level
from shipper.detect.series.season import Season
from shipper.detect.series.value import Value
from shipper.detect.series.variation import Variation
from shipper.detect.series.view import Series, View

VIEWS: Final[tuple[View, ...]] = (Value(), Season(), Level(), Variation())
FEWEST_NUMBERS: Final = 10
"""A view with fewer past numbers to compare with has no opinion."""
MEMORY_ROWS: Final = 4000
"""How many rows before the judged one count as its past."""
_MOST: Final = 12.0
"""A view claims no more than 10^-12: beyond that a fitted tail is fiction."""
_ALONE: Final = 1.5
"""What the smallest probability alone has to be ahead, in powers of ten."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """The judgement of one row.

    Attributes:
        merged: strength of the merged evidence, in powers of ten; at least 0.
        views: minus log10 of each view's probability; absent: not enough past.
    """

    merged: float
    views: Mapping[str, float]

    @property
    def loudest(self) -> str:
        """The view with the smallest probability."""
        return max(self.views, key=lambda name: self.views[name], default="")


class Scorer:
    """The views of one series, computed once, and the opinion on any of its rows."""

    def __init__(self, series: Series, memory_rows: int = MEMORY_ROWS) -> None:
        self._memory = memory_rows
        self._numbers = [(view, view.numbers(series)) for view in VIEWS]

    def opinion(self, row: int) -> Opinion:
        """Return the judgement of a row by the rows before it alone."""
        found = {}
        for view, numbers in self._numbers:
            past = numbers[max(0, row - self._memory) : row][::-1][view.stride - 1 :: view.stride]
            past = past[~np.isnan(past)]
            if len(past) < FEWEST_NUMBERS or math.isnan(numbers[row]):
                continue
            probability = view.probability(float(numbers[row]), past)
            found[view.name] = min(_MOST, -math.log10(max(probability, 1e-300)))
        return Opinion(merged(list(found.values())), found)


def score_rows(series: Series, memory_rows: int = MEMORY_ROWS) -> Floats:
    """Return the merged evidence of each row, in order of time."""
    scorer = Scorer(series, memory_rows)
    return np.array([scorer.opinion(row).merged for row in range(len(series))], dtype=np.float64)


def merged(opinions: list[float]) -> float:
    """Return the strength of a few minus log10 probabilities together; a view without an opinion counts as 0."""
    ordered = sorted([*opinions, *[0.0] * (len(VIEWS) - len(opinions))])
    together = sum(ordered[1:]) / (len(ordered) - 1)
    return max(together, ordered[-1] - _ALONE, 0.0)
