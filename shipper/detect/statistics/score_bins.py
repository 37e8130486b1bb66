"""Scores from 0 to 1 in bins, and what they say of how well two classes are told apart.

Bins are equally wide in log odds: scores of rare classes crowd at 0, those of sure models at both ends, and a grid
of equal steps would see one bin of them. Two scores of one bin count as a tie.
Sources: Hanley and McNeil, The meaning and use of the area under a ROC curve (1982); DeLong, DeLong and
Clarke-Pearson, Comparing the areas under two or more correlated ROC curves (1988).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from shipper.detect.fetching.table import Floats

_STEP: Final = 0.2
_HALF: Final = 50
EDGES: Final = tuple(1 / (1 + math.exp(-_STEP * place)) for place in range(-_HALF, _HALF + 1))
"""Inner edges; the mirror image of a bin is a bin."""
BINS: Final = len(EDGES) + 1


class Area(NamedTuple):
    """The area under the ROC curve, 0..1, and the variance of that estimate."""

    value: float
    variance: float


def placements(yes: Floats, no: Floats) -> tuple[Floats, Floats]:
    """Return, per bin, the share of `no` below a `yes` there, and the share of `yes` above a `no` there."""
    below = (np.cumsum(no) - no / 2) / max(1e-300, float(no.sum()))
    above = 1 - (np.cumsum(yes) - yes / 2) / max(1e-300, float(yes.sum()))
    return below, above


def area(yes: Floats, no: Floats) -> Area:
    """Return the area and its variance, the larger of DeLong's and Hanley and McNeil's.

    DeLong's is right for any shape and zero where no pair is in the wrong order, where Hanley and McNeil's,
    with half a pair added on either side, still knows that few cases prove little.
    """
    m, n = float(yes.sum()), float(no.sum())
    below, above = placements(yes, no)
    value = float(yes @ below) / m
    spread = [
        float(counts @ (scores - value) ** 2) / max(1.0, total - 1) / total
        for counts, scores, total in ((yes, below, m), (no, above, n))
    ]
    return Area(value, max(sum(spread), hanley_mcneil(shrunk(value, m, n), m, n)))


def shrunk(value: float, m: float, n: float) -> float:
    """Return the area with half a pair of each order added per case of the rarer class: never 0 or 1."""
    fewer = min(m, n)
    return (value * fewer + 0.5) / (fewer + 1)


def hanley_mcneil(value: float, m: float, n: float) -> float:
    """Return the variance that an area of this size has with `m` and `n` cases."""
    both = (m + n) / 2 - 1
    inner = 1 + both * (1 - value) / (2 - value) + both * value / (1 + value)
    return value * (1 - value) * inner / (m * n)
