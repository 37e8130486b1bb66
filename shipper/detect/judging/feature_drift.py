"""One feature's histogram against its reference: how far it moved, and whether chance explains it."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.judging.scores import deviations, location_scores, scale_scores, scores_probability
from shipper.detect.statistics.distance import (
    beyond_chance,
    jensen_shannon,
    kolmogorov_smirnov,
    kolmogorov_tail,
    psi,
    total_variation,
    usual_kolmogorov_smirnov,
    usual_total_variation,
    wasserstein,
)
from shipper.detect.statistics.homogeneity import chi_squared
from shipper.detect.statistics.hypergeometric import two_sided, upper_tail

_NUMERIC_WEIGHTS: Final = {"location": 0.4, "scale": 0.2, "shape": 0.2, "missing": 0.2}
_CATEGORICAL_WEIGHTS: Final = {"shares": 0.6, "one category": 0.4}
"""Parts of the level that each test of a feature may spend."""

_CANDIDATES: Final = 5
_DOUBTFUL: Final = 1.5
_MOST_OF_ONE: Final = 6.0
_PRIOR_DEGREES: Final = 10.0
_USUAL: Final = 1.13
"""What |z| comes to at most, five times of six, where only chance is at work; as for Kolmogorov's distribution."""


class Feature(NamedTuple):
    """Counts of one feature: of the judged window, of its reference, and of the ordinary windows that show how much it varies.

    Bins are ordered unless it `is_categorical`; `missing` are counted apart from bins where it is numeric.
    """

    name: str
    current: Floats
    reference: Floats
    history: Floats
    parts: tuple[str, ...]
    is_categorical: bool
    missing: tuple[float, float]
    """Events without a value: in the window, in the reference."""
    missing_history: Floats


class FeatureDrift(NamedTuple):
    """How far one feature moved.

    `moved` is the share of its values that sit elsewhere, beyond what chance usually shows; `probability`
    that of all this if nothing changed; `by` the test that says so; `grown` the bin that grew most.
    """

    feature: str
    moved: float
    probability: float
    by: str = ""
    psi: float = 0.0
    js: float = 0.0
    ks: float = 0.0
    ks_probability: float = 1.0
    wasserstein: float = 0.0
    missing: float = 0.0
    missing_expected: float = 0.0
    grown: str = ""


def compare(feature: Feature) -> FeatureDrift:
    """Compare a feature with its reference; the probability covers all tests made of this feature."""
    n, m = float(feature.current.sum()), float(feature.reference.sum())
    absent, absent_before = feature.missing
    total, total_before = n + absent, m + absent_before
    shares = (absent / total if total else 0.0, absent_before / total_before if total_before else 0.0)
    if total <= 0 or total_before <= 0:
        return FeatureDrift(feature.name, 0.0, 1.0)
    tests: dict[str, float] = {}
    moved = 0.0
    if not feature.is_categorical:
        tests["missing"], moved = _missing(feature, total, total_before)
    if n <= 0 or m <= 0:
        probability, by = _combined(tests, _NUMERIC_WEIGHTS)
        return FeatureDrift(
            feature.name,
            moved,
            probability,
            by,
            missing=shares[0],
            missing_expected=shares[1],
            grown="missing",
        )
    if feature.is_categorical:
        tests, elsewhere = _categorical(feature)
    else:
        found, elsewhere = _numeric(feature)
        tests |= found
    probability, by = _combined(tests, _CATEGORICAL_WEIGHTS if feature.is_categorical else _NUMERIC_WEIGHTS)
    ks = 0.0 if feature.is_categorical else kolmogorov_smirnov(feature.current, feature.reference)
    growth = feature.current / n - feature.reference / m
    grown = feature.parts[int(np.argmax(growth))]
    return FeatureDrift(
        feature.name,
        max(moved, elsewhere),
        probability,
        by,
        psi=psi(feature.current, feature.reference),
        js=jensen_shannon(feature.current, feature.reference),
        ks=ks,
        ks_probability=1.0 if feature.is_categorical else kolmogorov_tail(ks, n, m),
        wasserstein=0.0 if feature.is_categorical else wasserstein(feature.current, feature.reference),
        missing=shares[0],
        missing_expected=shares[1],
        grown="missing" if shares[0] - shares[1] > growth.max() else grown,
    )


def _combined(tests: dict[str, float], weights: dict[str, float]) -> tuple[float, str]:
    """Return the smallest probability by its weight (Bonferroni with unequal parts), and whose it is."""
    return min((min(1.0, p / weights[name]), name) for name, p in tests.items())


def _missing(feature: Feature, total: float, total_before: float) -> tuple[float, float]:
    absent, absent_before = feature.missing
    both, everything = absent + absent_before, total + total_before
    if both <= 0 or both >= everything:
        return 1.0, 0.0
    share = both / everything
    sd = math.sqrt(share * (1 - share) * (1 / total + 1 / total_before))
    sizes = feature.history.sum(axis=1) + feature.missing_history
    dispersion = _share_dispersion(feature.missing_history, sizes)
    apart = abs(absent / total - absent_before / total_before)
    shrunk = absent_before / total_before * total
    count = shrunk + (absent - shrunk) / math.sqrt(dispersion)
    count = math.floor(count) if absent > shrunk else math.ceil(count)
    probability = two_sided(int(count), int(total), int(both), int(everything))
    return probability, beyond_chance(apart, _USUAL * sd * math.sqrt(dispersion))


def _numeric(feature: Feature) -> tuple[dict[str, float], float]:
    current, reference = feature.current, feature.reference
    both = current + reference
    tests = {"shape": chi_squared(current, reference, counts_dispersion(feature.history))}
    dispersion = 1.0
    for name, scores in (("location", location_scores(both)), ("scale", scale_scores(both))):
        spread = _scores_dispersion(feature.history, scores)
        tests[name] = scores_probability(current, both, scores, spread)
        dispersion = max(dispersion, spread)
    n, m = float(current.sum()), float(reference.sum())
    usual = usual_kolmogorov_smirnov(n, m, dispersion)
    return tests, beyond_chance(kolmogorov_smirnov(current, reference), usual)


def _categorical(feature: Feature) -> tuple[dict[str, float], float]:
    current, reference = feature.current, feature.reference
    dispersion = counts_dispersion(feature.history)
    order = np.argsort(current + reference, kind="stable")
    tests = {
        "shares": chi_squared(current[order], reference[order], dispersion),
        "one category": _one_category(current, reference, dispersion),
    }
    usual = usual_total_variation(current, reference, dispersion)
    spread = beyond_chance(total_variation(current, reference), usual)
    return tests, max(spread, _largest_growth(current, reference, dispersion))


def _largest_growth(current: Floats, reference: Floats, dispersion: float) -> float:
    """Return by how much the share of one category grew beyond chance: among hundreds, one is lost in their sum."""
    n, m = float(current.sum()), float(reference.sum())
    share = (current + reference) / (n + m)
    apart = np.maximum(0.0, current / n - reference / m)
    # The largest of as many deviations as there are categories is what chance shows.
    usual = math.sqrt(2 * math.log(max(2, len(share)))) * np.sqrt(
        dispersion * share * (1 - share) * (1 / n + 1 / m)
    )
    return math.sqrt(max(0.0, float((apart**2 - usual**2).max(initial=0.0))))


def _one_category(current: Floats, reference: Floats, dispersion: float) -> float:
    """Return the probability that some category grew as much as the one that grew most, exactly; for each of all of them."""
    both = current + reference
    n, total = float(current.sum()), float(both.sum())
    expected = both * n / total
    excess = (current - expected) / np.sqrt(np.maximum(expected, 1e-9))
    lowest = 1.0
    for place in np.argsort(-excess, kind="stable")[:_CANDIDATES]:
        if excess[place] <= 0:
            break
        count = math.floor(expected[place] + (current[place] - expected[place]) / math.sqrt(dispersion))
        lowest = min(lowest, upper_tail(count, int(n), int(both[place]), int(total)))
    return min(1.0, lowest * int((both > 0).sum()))


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


def _scores_dispersion(history: Floats, scores: Floats) -> float:
    history = history[history.sum(axis=1) > 0]
    if len(history) < 2:
        return 1.0
    pooled = history.sum(axis=0)
    return dispersion_of(deviations(history, pooled, scores) ** 2, 1)


def _share_dispersion(counts: Floats, sizes: Floats) -> float:
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
    kept = float(np.minimum(ratios, _MOST_OF_ONE * float(np.median(ratios))).mean())
    known = degrees * len(ratios)
    found = (_PRIOR_DEGREES + known * kept) / (_PRIOR_DEGREES + known)
    error = math.sqrt(2 / (_PRIOR_DEGREES + known))
    return max(1.0, found) if found <= 1 + _DOUBTFUL * error else found * (1 + error)
