"""Location and scale of a sample over ordered bins, with saddlepoint tails.

A value counts by the rank of its bin among the values of both samples: no unit, no outlier, no infinite
variance matters. Location adds the ranks (Wilcoxon), scale their squared distances from the middle (Mood).
Sources: see `shipper.detect.statistics.homogeneity`; Mood, On the asymptotic efficiency of certain nonparametric
two-sample tests (1954).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import normal_tail

_STEPS: Final = 60
_NEAR: Final = 1e-3
_PLAIN: Final = 1.5
"""Standard deviations up to which a sum is nothing to look at closer."""


def location_scores(both: Floats) -> Floats:
    """Return the middle rank of each bin, -1/2 .. 1/2, for the counts of both samples together."""
    ranks: Floats = (np.cumsum(both) - both / 2) / both.sum() - 0.5
    return ranks


def scale_scores(both: Floats) -> Floats:
    """Return the squared distance of each bin's middle rank from the median."""
    return location_scores(both) ** 2


def deviations(samples: Floats, both: Floats, scores: Floats) -> Floats:
    """Return by how many standard deviations each sample's sum of scores is off what the pool expects."""
    n, total = samples.sum(axis=1), float(both.sum())
    mean = float(both @ scores) / total
    variance = float(both @ (scores - mean) ** 2) / total
    spread = np.sqrt(variance * n * (total - n) / max(1.0, total - 1))
    off: Floats = (samples @ scores - n * mean) / np.where(spread > 0, spread, np.inf)
    return off


def scores_probability(current: Floats, both: Floats, scores: Floats, dispersion: float = 1.0) -> float:
    """Return the two-sided probability of a sum of scores as far off as this, if the sample is a draw of the pool.

    Args:
        current, both: counts per bin of the sample, and of both samples.
        scores: what a value of each bin counts for.
        dispersion: by how much the sum varies more than chance makes it; 1 or more.
    """
    n, total = float(current.sum()), float(both.sum())
    seen = both > 0
    if n <= 0 or n >= total or seen.sum() < 2:
        return 1.0
    x, c, s = current[seen], both[seen], scores[seen]
    s = s - float(c @ s) / total
    size = float(np.abs(s).max())
    if size <= 0:
        return 1.0
    s = s / size
    off = float(x @ s) / math.sqrt(dispersion)
    # Sums come in steps; half the smallest is what a continuous tail leaves out.
    step = float(np.diff(np.unique(s)).min(initial=1.0))
    off = math.copysign(max(0.0, abs(off) - step / 2), off)
    return min(1.0, 2 * (_tail(c, s, n, total, off) if off >= 0 else _tail(c, -s, n, total, -off)))


def _tail(c: Floats, s: Floats, n: float, total: float, off: float) -> float:
    """Return P(sum of scores >= off), off >= 0 and scores centred on the pool.

    Each value of the pool is drawn with probability n/N, on condition that n are: the double saddlepoint of
    count and sum, in the form of Lugannani and Rice.
    """
    p = n / total
    spread = math.sqrt(float(c @ s**2) / total * n * (total - n) / max(1.0, total - 1))
    if spread <= 0 or off <= _NEAR * spread:
        return 0.5
    if off < _PLAIN * spread:
        return normal_tail(off / spread)
    found = _saddlepoint(c, s, p, n, off)
    if found is None:  # beyond what any draw can show
        return normal_tail(off / spread)
    a, b = found
    drawn = p * np.exp(a + b * s)
    share = drawn / (1 - p + drawn)
    cumulant = float(c @ np.log1p(p * np.expm1(a + b * s)))
    w2 = 2 * (a * n + b * off - cumulant)
    weights = c * share * (1 - share)
    k00, k01, k11 = float(weights.sum()), float(weights @ s), float(weights @ s**2)
    determinant = k00 * k11 - k01 * k01
    if w2 <= 0 or determinant <= 0 or b <= 0:
        return normal_tail(off / spread)
    w, u = math.sqrt(w2), b * math.sqrt(determinant / (total * p * (1 - p)))
    density = math.exp(-w2 / 2) / math.sqrt(2 * math.pi) if w2 < 1400 else 0.0
    return min(1.0, max(0.0, normal_tail(w) + density * (1 / u - 1 / w)))


def _saddlepoint(c: Floats, s: Floats, p: float, n: float, off: float) -> tuple[float, float] | None:
    """Solve for the tilt under which n values and the sum `off` are what is expected; None without a solution."""
    a = b = 0.0

    def value(a: float, b: float) -> float:
        with np.errstate(over="ignore"):
            return float(c @ np.logaddexp(math.log1p(-p), math.log(p) + a + b * s)) - a * n - b * off

    now = value(a, b)
    for _ in range(_STEPS):
        tilt = a + b * s
        share = 1 / (1 + (1 - p) / p * np.exp(np.minimum(-tilt, 600.0)))
        g0, g1 = float(c @ share) - n, float((c * s) @ share) - off
        weights = c * share * (1 - share)
        k00, k01, k11 = float(weights.sum()), float(weights @ s), float(weights @ s**2)
        determinant = k00 * k11 - k01 * k01
        if abs(g0) <= 1e-9 * n and abs(g1) <= 1e-9 * (off + 1e-12):
            return a, b
        if determinant <= 1e-14 * k00 * k11 or not math.isfinite(determinant):
            return None
        da, db = (k11 * g0 - k01 * g1) / determinant, (k00 * g1 - k01 * g0) / determinant
        step = 1.0
        while (then := value(a - step * da, b - step * db)) > now and step > 1e-6:
            step /= 2
        if step <= 1e-6:
            return a, b
        a, b, now = a - step * da, b - step * db, then
        if abs(b) > 500:
            return None
    return a, b
