"""How rare a number is among others: by its distance to the nearest of them, compared with their own distances.

A number in a gap that the past never filled is as rare as one beyond its extremes. Several levels, a trend
and a skew need no model.

Source: Ramaswamy, Rastogi and Shim, Efficient algorithms for mining outliers from large data sets (2000),
for the distance to the k-th nearest neighbour; Laxhammar and Falkman, Conformal prediction for distribution-
independent anomaly detection in streaming vessel data (2010), for its rank among the past's own distances.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.series.tail import tail_probability

NEIGHBOURS: Final = 4
"""The distance is that to the 4th nearest: what happened up to three times before is still news."""


def rarity(number: float, past: Floats) -> float:
    """Return the probability that one more of the numbers of the past stands so far from the others."""
    if len(past) <= NEIGHBOURS:
        return 1.0
    ordered = np.sort(past)
    place = int(np.searchsorted(ordered, number))
    near = np.sort(np.abs(ordered[max(0, place - NEIGHBOURS) : place + NEIGHBOURS] - number))
    distance = float(near[NEIGHBOURS - 1])
    # What differs by rounding alone is the same number.
    if distance <= 1e-9 * max(abs(number), abs(float(ordered[0])), abs(float(ordered[-1]))):
        return 1.0
    return tail_probability(distance, own_distances(ordered))


def own_distances(ordered: Floats) -> Floats:
    """Return, for each of the ascending numbers, the distance to its 4th nearest among the others."""
    count = len(ordered)
    below = np.concatenate([np.full(NEIGHBOURS, -np.inf), ordered])
    above = np.concatenate([ordered, np.full(NEIGHBOURS, np.inf)])
    nearest = np.full(count, np.inf)
    # The nearest four are j below and 4 - j above, for one of the five j.
    for j in range(NEIGHBOURS + 1):
        down = ordered - below[NEIGHBOURS - j : NEIGHBOURS - j + count]
        up = above[NEIGHBOURS - j : NEIGHBOURS - j + count] - ordered
        nearest = np.minimum(nearest, np.maximum(down, up))
    return nearest
