"""The standard normal distribution as a table, for whole arrays at once."""

from __future__ import annotations

from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import normal_tail

_GRID: Final[Floats] = np.linspace(-9, 9, 3601)
_TAILS: Final[Floats] = np.array([normal_tail(float(z)) for z in _GRID])


def tails(z: Floats) -> Floats:
    """Return P(Z >= z) of each value."""
    found: Floats = np.interp(z, _GRID, _TAILS)
    return found


def quantiles(below: Floats) -> Floats:
    """Return the values with these probabilities below them."""
    found: Floats = np.interp(below, 1 - _TAILS, _GRID)
    return found
