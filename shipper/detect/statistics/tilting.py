"""Tails of a mean of few, skewed values without a reference: is it beyond a goal, and where may the truth lie?

Of all distributions over the values that were seen, the one with the goal as its mean that is nearest to what was seen
(exponential tilting) is the hardest to tell apart; the tail of a mean of n draws from it is a saddlepoint
approximation. One more value at either end of the range is taken for seen, so that a hundred cases without the
costly mistake do not prove that it never happens: for a share this is Clopper and Pearson's interval to within a few
percent of its width.
Sources: Efron, Nonparametric standard errors and confidence intervals (1981); Lugannani and Rice, Saddle point approximation for
the distribution of the sum of independent random variables (1980); Daniels, Tail probability approximations (1987).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import normal_tail

_STEPS: Final = 60
_STEEPEST: Final = 700.0
_CONFIDENCE: Final = 0.975
_SECANTS: Final = 30
_CLOSE: Final = 0.01


def mean_tail(values: Floats, counts: Floats, size: float, goal: float, observed: float) -> float:
    """Return P(mean of `size` draws >= observed) under the hardest distribution whose mean is `goal`.

    Args:
        values, counts: what was seen, and how often; counts may be of more than the judged sample.
        size: number of draws, more than 0.
        goal: mean under the null.
        observed: mean that was seen.
    """
    low, high = float(values.min()), float(values.max())
    if observed <= goal or high - low <= 0:
        return 1.0
    if goal <= low or observed > high:
        return 0.0
    v, p = _with_ends(values, counts)
    p = _tilted(v, p, _solve(v, p, goal))
    if observed >= high:
        return float(np.power(p[v >= high].sum(), size))
    t = _solve(v, p, observed)
    mean = float(_tilted(v, p, t) @ v)
    variance = float(_tilted(v, p, t) @ (v - mean) ** 2)
    cumulant = float(np.logaddexp.reduce(np.log(p) + t * v))
    w2 = 2 * size * (t * observed - cumulant)
    if t <= 0 or w2 <= 1e-12 or variance <= 0:
        return 0.5
    # Sums come in steps, at least those of the two values that lie nearest to each other.
    step = float(np.diff(np.unique(v)).min())
    u = -math.expm1(-t * step) / step * math.sqrt(size * variance)
    w = math.sqrt(w2)
    density = math.exp(-w2 / 2) / math.sqrt(2 * math.pi) if w2 < 1400 else 0.0
    return min(1.0, max(0.0, normal_tail(w) + density * (1 / u - 1 / w)))


def mean_interval(values: Floats, counts: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a mean: the goals that neither tail refutes at 2.5 %."""
    size = float(counts.sum())
    observed = float(values @ counts) / size
    low, high = float(values.min()), float(values.max())
    if high - low <= 0:
        return observed, observed
    upper = -_limit(-values, counts, size, -observed, -high)
    return _limit(values, counts, size, observed, low), upper


def _limit(values: Floats, counts: Floats, size: float, observed: float, least: float) -> float:
    """Return the smallest goal that the upper tail does not refute, by the Illinois form of false position."""
    wanted = math.log(1 - _CONFIDENCE)

    def beyond(goal: float) -> float:
        return math.log(max(1e-300, mean_tail(values, counts, size, goal, observed))) - wanted

    below, above = least, observed
    under, over = -20.0, -wanted
    for _ in range(_SECANTS):
        middle = (below * over - above * under) / (over - under)
        found = beyond(middle)
        if abs(found) < _CLOSE:
            return middle
        if found < 0:
            below, under, over = middle, found, over / 2
        else:
            above, over, under = middle, found, under / 2
    return below


def _with_ends(values: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return the values that were seen with their shares, one more at either end."""
    v, place = np.unique(values, return_inverse=True)
    more = np.bincount(place, weights=counts, minlength=len(v))
    more[0] += 1
    more[-1] += 1
    return v[more > 0], more[more > 0] / more.sum()


def _tilted(v: Floats, p: Floats, t: float) -> Floats:
    logs = np.log(p) + t * v
    weights = np.exp(logs - logs.max())
    shares: Floats = weights / weights.sum()
    return shares


def _solve(v: Floats, p: Floats, mean: float) -> float:
    """Return the tilt under which the mean is as wanted, by Newton's steps inside a shrinking bracket."""
    size = float(v.max() - v.min())
    low, high, t = -_STEEPEST / size, _STEEPEST / size, 0.0
    for _ in range(_STEPS):
        shares = _tilted(v, p, t)
        found = float(shares @ v)
        if abs(found - mean) <= 1e-10 * size:
            break
        low, high = (t, high) if found < mean else (low, t)
        variance = float(shares @ (v - found) ** 2)
        t = t + (mean - found) / variance if variance > 0 else low
        if not low < t < high:
            t = (low + high) / 2
    return t
