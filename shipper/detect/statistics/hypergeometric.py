"""Exact tails for two samples of one population: what chance deals to the one, given what both have together.

If nothing changed, which of the N = n + m events fell into the judged window is a random draw of n without
replacement. A count of x among them is then hypergeometric whatever the true share, so these probabilities hold for
ten events as for a million, without any approximation.
Source: Fisher, The logic of inductive inference (1935).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

_FARTHEST: Final = 12.0
"""Standard deviations behind the first term after which nothing is left that counts."""


def upper_tail(count: int, drawn: int, marked: int, population: int) -> float:
    """Return P(X >= count), X the marked ones among `drawn` of `population` of which `marked` are.

    Relative error about 1e-10; a count at or below the mean may return 1.0, which is all that a test for "too
    many" needs to know.
    """
    if count <= drawn * marked / population:
        return 1.0
    most = min(drawn, marked)
    if count > most:
        return 0.0
    unmarked = population - marked
    log_first = (
        _log_choose(marked, count) + _log_choose(unmarked, drawn - count) - _log_choose(population, drawn)
    )
    if count == most:
        return min(1.0, math.exp(max(-745.0, log_first)))
    spread = math.sqrt(drawn * (marked / population) * (1 - marked / population)) + 1
    last = min(most, count + math.ceil(_FARTHEST * spread) + 40)
    j = np.arange(count, last, dtype=np.float64)
    ratios = (
        np.log(marked - j)
        - np.log(j + 1)
        + np.log(drawn - j)
        - np.log(np.maximum(unmarked - drawn + j + 1, 1e-300))
    )
    total = 1.0 + float(np.exp(np.cumsum(ratios)).sum())
    return min(1.0, math.exp(max(-745.0, log_first + math.log(total))))


def two_sided(count: int, drawn: int, marked: int, population: int) -> float:
    """Return twice the smaller tail, at most 1: the count is unusually high or unusually low."""
    high = upper_tail(count, drawn, marked, population)
    low = upper_tail(drawn - count, drawn, population - marked, population)
    return min(1.0, 2 * min(high, low))


def all_new(count: int, drawn: int, population: int) -> float:
    """Return P(all of `count` given events lie among the `drawn` of `population`).

    It is the probability that something seen `count` times was seen in the judged window only, and that the
    `count` largest values of all are all in it.
    """
    if count <= 0:
        return 1.0
    if count > drawn:
        return 0.0
    return min(1.0, math.exp(max(-745.0, _log_choose(drawn, count) - _log_choose(population, count))))


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
