"""How far two histograms over the same bins are apart: effect sizes, none of them a probability.

All take counts per bin and return 0 for equal shares. An empty bin counts half an event where a logarithm
needs it. What chance alone shows at these sizes is said beside the measures that need it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats

_KS_USUAL: Final = 0.8687 + 0.2603
"""Mean and one standard deviation of Kolmogorov's distribution."""


def psi(current: Floats, reference: Floats) -> float:
    """Return the population stability index less its expectation under no change, at least 0.

    Source: Karakoulas, Empirical validation of retail credit-scoring models (2004).
    """
    seen = (current > 0) | (reference > 0)
    p, q = reference[seen] + 0.5, current[seen] + 0.5
    p, q = p / p.sum(), q / q.sum()
    by_chance = (int(seen.sum()) - 1) * (1 / current.sum() + 1 / reference.sum())
    return max(0.0, float(np.sum((q - p) * np.log(q / p))) - float(by_chance))


def jensen_shannon(current: Floats, reference: Floats) -> float:
    """Return the Jensen-Shannon distance, 0..1 (square root of the divergence in bits), less its chance part.

    Source: Lin, Divergence measures based on the Shannon entropy (1991).
    """
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(p > 0, p * np.log2(p / middle), 0) + np.where(q > 0, q * np.log2(q / middle), 0)
    bins = int(((current > 0) | (reference > 0)).sum())
    by_chance = (bins - 1) * (1 / current.sum() + 1 / reference.sum()) / (8 * math.log(2))
    return math.sqrt(max(0.0, float(parts.sum()) / 2 - by_chance))


def kolmogorov_smirnov(current: Floats, reference: Floats) -> float:
    """Return the largest difference of the cumulative shares, 0..1, over bins in order."""
    apart = np.cumsum(current) / current.sum() - np.cumsum(reference) / reference.sum()
    return float(np.abs(apart).max(initial=0.0))


def kolmogorov_tail(distance: float, n: float, m: float) -> float:
    """Return the probability of such a largest difference; with bins it errs to the quiet side.

    Source: Kolmogorov (1933) in Stephens' form for finite samples (1970).
    """
    root = math.sqrt(n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.3:
        return 1.0
    k = np.arange(1, 101)
    return min(1.0, 2 * float(np.sum(-((-1.0) ** k) * np.exp(-2 * (k * x) ** 2))))


def wasserstein(current: Floats, reference: Floats) -> float:
    """Return the area between the cumulative shares over the reference's own ranks, 0..1/2.

    That is the mean distance that a value moved, counted in ranks of the reference: 0.03 is three percentiles.
    It has no unit, and a single value at infinity does not decide it.
    """
    p, q = reference / reference.sum(), current / current.sum()
    apart = np.cumsum(q - p)
    before = np.concatenate(([0.0], apart[:-1]))
    return float(np.sum(np.abs(apart + before) / 2 * p))


def total_variation(current: Floats, reference: Floats) -> float:
    """Return the share of events that sit in other bins, 0..1."""
    return float(np.abs(current / current.sum() - reference / reference.sum()).sum()) / 2


def beyond_chance(distance: float, usual: float) -> float:
    """Return a distance less what chance usually shows; squares of distances add up, so squares are taken off."""
    return math.sqrt(max(0.0, distance * distance - usual * usual))


def usual_kolmogorov_smirnov(n: float, m: float, dispersion: float = 1.0) -> float:
    """Return what the largest difference usually comes to by chance: mean and one standard deviation."""
    return _KS_USUAL * math.sqrt(dispersion * (1 / n + 1 / m))


def usual_total_variation(current: Floats, reference: Floats, dispersion: float = 1.0) -> float:
    """Return what the total variation usually comes to by chance: mean and one standard deviation."""
    n, m = float(current.sum()), float(reference.sum())
    share = (current + reference) / (n + m)
    variance = dispersion * share * (1 - share) * (1 / n + 1 / m)
    mean = math.sqrt(2 / math.pi) * float(np.sqrt(variance).sum()) / 2
    return mean + math.sqrt((1 - 2 / math.pi) * float(variance.sum())) / 2
