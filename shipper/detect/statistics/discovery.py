"""Many features, one window: which of them moved, and whether any did.

Two questions, two procedures. *Whether* to raise an alarm at all rests on Bonferroni's bound: the budget of false
alarms holds whatever the features have to do with each other (a feature and its logarithm, one-hot columns). *Which*
features to name is Benjamini and Hochberg's: of those named, at most the level are wrong on average, under the
positive dependence that features of one population have. Benjamini and Yekutieli's form needs no such
assumption, but its first step is stricter than Bonferroni's by the factor 1 + 1/2 + ... + 1/F, and so would miss alarms and guard
nothing that the bound does not guard.
Sources: Benjamini and Hochberg, Controlling the false discovery rate (1995); Benjamini and Yekutieli (2001).
"""

from __future__ import annotations

from collections.abc import Sequence


def any_moved(smallest: float, tests: int) -> float:
    """Return the probability that any of so many tests shows one as small by chance, whatever their dependence."""
    return min(1.0, smallest * tests)


def adjusted(probabilities: Sequence[float]) -> list[float]:
    """Return Benjamini and Hochberg's adjusted probabilities, in the same order."""
    order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    found, lowest = [1.0] * len(probabilities), 1.0
    for from_top, place in enumerate(order):
        rank = len(probabilities) - from_top
        lowest = min(lowest, probabilities[place] * len(probabilities) / rank)
        found[place] = lowest
    return found
