"""Do two samples over bins come from one population? Tails that hold for full and for nearly empty bins.

All tests are conditional on what both samples have together: under the null the judged sample is a random
draw from the pool, so counts over bins are multivariate hypergeometric. Nothing is estimated, and the
asymptotic chi-squared distribution, which promises one false alarm in 10,000 and gives many where bins are sparse, is not used:

- `chi_squared` has the first three moments of that draw exactly and Pearson's type III curve through them;
- `scores` (location, scale) is a saddlepoint approximation, exact to a few percent of the probability itself far
  into the tail, also where most values are tied.

Sources: Haldane, The mean and variance of chi-squared when used as a test of homogeneity (1940); Mielke and
Berry, Permutation methods (2001), for the type III curve; Robinson, Saddlepoint approximations for
permutation tests (1982) and Skovgaard, Saddlepoint expansions for conditional distributions (1987).
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import chi_squared_tail, normal_tail

FEWEST_EXPECTED: Final = 1.0
"""Bins in which the smaller sample expects fewer are judged together with their neighbours."""

_DIGITS: Final = 60
_FOURTH: Final = (1, 7, 6, 1)
_SIXTH: Final = (1, 31, 90, 65, 15, 1)
"""x**4 and x**6 in falling factorials (Stirling numbers of the second kind), from the first on."""


class Moments(NamedTuple):
    """Of the sum over bins of x**2 / c."""

    mean: float
    deviation: float
    skewness: float


def chi_squared(current: Floats, reference: Floats, dispersion: float = 1.0) -> float:
    """Return the probability of a chi-squared statistic at least as large, for whole counts.

    Args:
        current, reference: counts per bin; bins that follow each other are merged where they are sparse.
        dispersion: by how much counts vary more than chance does; 1 or more.
    """
    x, c = merged(current, current + reference, float(min(current.sum(), reference.sum())))
    n, total = float(x.sum()), float(c.sum())
    if len(c) < 2 or n <= 0 or n >= total:
        return 1.0
    # The statistic less what it has with equal shares, in 1/dispersion of which chance alone has a part.
    least = n * n / total
    found = float(np.sum((x - c * (n / total)) ** 2 / c)) / dispersion
    ordinary, degrees = found * total / (n * (total - n)) * total, len(c) - 1
    if ordinary <= degrees + math.sqrt(2 * degrees):  # nothing to look at closer
        return chi_squared_tail(ordinary, degrees)
    moments = _moments([int(count) for count in c], int(n))
    if moments.deviation <= 0:
        return 1.0
    return type_three_tail((found + least - moments.mean) / moments.deviation, moments.skewness)


def statistic_of(current: Floats, reference: Floats) -> tuple[float, int]:
    """Return Pearson's statistic over the bins that `chi_squared` judges, and its degrees of freedom; 0 and 1 without two bins."""
    x, c = merged(current, current + reference, float(min(current.sum(), reference.sum())))
    n, total = float(x.sum()), float(c.sum())
    if len(c) < 2 or n <= 0 or n >= total:
        return 0.0, 1
    off = float(np.sum((x - c * (n / total)) ** 2 / c))
    return off * total / (n * (total - n)) * total, len(c) - 1


def type_three_tail(deviations: float, skewness: float) -> float:
    """Return P(Z >= deviations) on the standardised gamma curve of this skewness (Pearson's type III)."""
    if skewness < 1e-4:
        return normal_tail(deviations)
    shape = 4 / skewness**2
    statistic = 2 * shape + deviations * 2 * math.sqrt(shape)
    return chi_squared_tail(statistic, 2 * shape)


def merged(current: Floats, both: Floats, smaller: float) -> tuple[Floats, Floats]:
    """Return counts of one and of both samples with sparse bins merged, by what both have together only.

    What decides is the same however the pool is dealt, so the choice of bins takes nothing from the test.
    """
    need = FEWEST_EXPECTED * float(both.sum()) / max(1.0, smaller)
    if not (both < need).any():
        return current, both
    found: list[list[float]] = []
    open_x = open_c = 0.0
    for x, c in zip(current, both, strict=True):
        open_x, open_c = open_x + x, open_c + c
        if open_c >= need:
            found.append([open_x, open_c])
            open_x = open_c = 0.0
    if open_c > 0:
        if found:
            found[-1][0] += open_x
            found[-1][1] += open_c
        else:
            found.append([open_x, open_c])
    table = np.array(found).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _moments(c: list[int], n: int) -> Moments:
    """Return the exact moments of sum(x**2 / c), x multivariate hypergeometric: n drawn of c.

    From E[(x_i)_a (x_j)_b] = (n)_(a+b) / (N)_(a+b) (c_i)_a (c_j)_b in falling factorials. The mean is a million
    times the deviation where samples are large, hence the long decimals.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        k, total = Decimal(len(c)), Decimal(sum(c))
        s2, s3 = Decimal(sum(v**2 for v in c)), Decimal(sum(v**3 for v in c))
        i1 = sum((1 / Decimal(v) for v in c), Decimal(0))
        i2 = sum((1 / Decimal(v * v) for v in c), Decimal(0))
        r = [Decimal(1)]
        for j in range(6):
            r.append(r[-1] * (n - j) / (total - j) if total > j else Decimal(0))
        # Sums over bins of (c)_a/c, of products of two and of three of them, and of (c)_b over c**2 and c**3.
        one = {1: k, 2: total - k}
        squares = s2 - 2 * total + k
        two = {2: k, 3: total - k, 4: squares}
        three = {3: k, 4: total - k, 5: squares, 6: s3 - 3 * s2 + 3 * total - k}
        fourth = (i1, k - i1, total - 3 * k + 2 * i1, s2 - 6 * total + 11 * k - 6 * i1)
        fourth_twice = (
            k - i1,
            total - 2 * k + i1,
            s2 - 4 * total + 5 * k - 2 * i1,
            s3 - 7 * s2 + 17 * total - 17 * k + 6 * i1,
        )
        sixth = (
            i2,
            i1 - i2,
            k - 3 * i1 + 2 * i2,
            total - 6 * k + 11 * i1 - 6 * i2,
            s2 - 10 * total + 35 * k - 50 * i1 + 24 * i2,
            s3 - 15 * s2 + 85 * total - 225 * k + 274 * i1 - 120 * i2,
        )
        first = r[1] * one[1] + r[2] * one[2]
        second = sum((r[a + b] * (one[a] * one[b] - two[a + b]) for a in (1, 2) for b in (1, 2)), Decimal(0))
        second += sum(w * r[b + 1] * fourth[b] for b, w in enumerate(_FOURTH))
        third = sum((w * r[b + 1] * sixth[b] for b, w in enumerate(_SIXTH)), Decimal(0))
        for b, w in enumerate(_FOURTH):
            third += 3 * w * r[b + 2] * (fourth[b] * one[1] - fourth[b])
            third += 3 * w * r[b + 3] * (fourth[b] * one[2] - fourth_twice[b])
        for a in (1, 2):
            for b in (1, 2):
                for d in (1, 2):
                    apart = one[a] * one[b] * one[d] + 2 * three[a + b + d]
                    apart -= two[a + b] * one[d] + two[a + d] * one[b] + two[b + d] * one[a]
                    third += r[a + b + d] * apart
        variance = second - first**2
        if variance <= 0:
            return Moments(float(first), 0.0, 0.0)
        central = third - 3 * first * second + 2 * first**3
        return Moments(float(first), float(variance.sqrt()), float(central / (variance * variance.sqrt())))
