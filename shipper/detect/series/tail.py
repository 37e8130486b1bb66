"""How improbable a large number is, by the numbers before it: the empirical tail, and beyond it a fitted one.

Source: Pickands, Statistical inference using extreme order statistics (1975), for the generalised Pareto
distribution of what exceeds a high quantile; Hosking and Wallis, Parameter and quantile estimation for the
generalized Pareto distribution (1987), for its fit by probability-weighted moments.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats

TOP_SHARE: Final = 0.05
"""Part of the numbers that the tail is fitted to."""
_FEWEST_TOP: Final = 10
_USUAL_SHAPE: Final = 0.2
"""Shape of the tail that is believed before there is data: heavier than a normal one, with all its moments
up to the fourth. A small sample underestimates the shape, and so would raise false alarms."""
_USUAL_WEIGHT: Final = 20
_SHAPES: Final = (0.02, 0.9)


def tail_probability(number: float, past: Floats) -> float:
    """Return about P(X >= number) for one more of the numbers of the past, in (0, 1].

    Inside the past it is the share that is as large, counting the judged one. Where the largest of the
    past are all the same there is nothing to fit, and nothing beyond the share is claimed.
    """
    count = len(past)
    top = max(_FEWEST_TOP, int(count * TOP_SHARE))
    larger = int(np.count_nonzero(past >= number))
    if larger >= top or count < 2 * top:
        return (larger + 1) / (count + 1)
    largest = np.sort(np.partition(past, count - top - 1)[count - top - 1 :])
    excess = largest[1:] - largest[0]
    mean = float(excess.mean())
    if mean <= 0 or not np.isfinite(mean):
        return (larger + 1) / (count + 1)
    shape = _shape(excess, mean)
    scale = mean * (1 - shape)
    beyond = (1 + shape * (number - float(largest[0])) / scale) ** (-1 / shape)
    return float((top + 1) / (count + 1) * beyond)


def _shape(excess: Floats, mean: float) -> float:
    """Return the shape by the first two probability-weighted moments, drawn to what is usual."""
    count = len(excess)
    weights = np.arange(count)[::-1] / (count - 1)
    spread = mean - 2 * float((weights * excess).mean())
    fitted = 2 - mean / spread if spread > 0 else _SHAPES[1]
    drawn = (fitted * count + _USUAL_SHAPE * _USUAL_WEIGHT) / (count + _USUAL_WEIGHT)
    return min(max(drawn, _SHAPES[0]), _SHAPES[1])
