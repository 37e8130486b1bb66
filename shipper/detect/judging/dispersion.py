"""By how much the histograms of ordinary windows vary more than chance makes them: what effects are told beyond.

The mean of their chi-squared statistics per degree of freedom (McCullagh and Nelder, Generalized linear models, 1989, 4.5).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.judging.scores import deviations
from shipper.detect.statistics.middle import median

_DOUBTFUL: Final = 1.5
_MOST_OF_ONE: Final = 6.0
_PRIOR_DEGREES: Final = 10.0


def counts_dispersion(history: Floats) -> float:
    """Return by how much the histograms of ordinary windows vary more than chance makes them; at least 1.

    The mean of their chi-squared statistics per degree of freedom: inputs that come in clumps (a user at a time),
    or follow the hour, are not taken for drift.
    """
    history = history[history.sum(axis=1) > 0]
    if len(history) < 2:
        return 1.0
    sizes, pooled = history.sum(axis=1), history.sum(axis=0)
    m = float(pooled.sum())
    history, pooled = history[:, pooled > 0], pooled[pooled > 0]
    expected = sizes[:, None] * pooled / m
    # A window is part of the whole that it is compared with, which takes n/m from its variance.
    own = np.maximum(1e-9, 1 - sizes / m)
    if len(pooled) < 2:
        return 1.0
    return dispersion_of(((history - expected) ** 2 / expected).sum(axis=1) / own, len(pooled) - 1)


def scores_dispersion(history: Floats, scores: Floats) -> float:
    """Return by how much the mean scores of ordinary windows vary more than chance makes them; at least 1."""
    history = history[history.sum(axis=1) > 0]
    if len(history) < 2:
        return 1.0
    pooled = history.sum(axis=0)
    return dispersion_of(deviations(history, pooled, scores) ** 2, 1)


def share_dispersion(counts: Floats, sizes: Floats) -> float:
    """Return by how much a share varies from window to window more than chance makes it; at least 1."""
    seen = sizes > 0
    counts, sizes = counts[seen], sizes[seen]
    share = float(counts.sum() / sizes.sum()) if len(sizes) else 0.0
    if len(sizes) < 2 or share <= 0 or share >= 1:
        return 1.0
    variance = sizes * share * (1 - share) * np.maximum(1e-9, 1 - sizes / sizes.sum())
    return dispersion_of((counts - sizes * share) ** 2 / variance, 1)


def dispersion_of(statistics: Floats, degrees: int) -> float:
    """Return the dispersion that the windows' chi-squared statistics show; at least 1.

    A handful of windows says little: until there are more, the belief that there is no clumping weighs as much as ten.
    What chance alone explains is not widened further. Where there is more, it is only known to within its standard error, which
    is added: the threshold must hold for the dispersion that is there, not for a lucky estimate of it. One
    window that stands out (a drift that was not certain yet) must not hide the next: none counts for more than
    `_MOST_OF_ONE` times the middle one.
    """
    ratios = statistics / degrees
    kept = float(np.minimum(ratios, _MOST_OF_ONE * median(ratios)).mean())
    known = degrees * len(ratios)
    found = (_PRIOR_DEGREES + known * kept) / (_PRIOR_DEGREES + known)
    error = math.sqrt(2 / (_PRIOR_DEGREES + known))
    return max(1.0, found) if found <= 1 + _DOUBTFUL * error else found * (1 + error)
