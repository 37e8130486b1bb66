"""One feature's histogram against its reference: how far it moved, and whether chance explains it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.judging.blocks import block_starts
from shipper.detect.judging.dispersion import counts_dispersion, scores_dispersion, share_dispersion
from shipper.detect.judging.excess import Past
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
from shipper.detect.statistics.homogeneity import chi_squared, statistic_of
from shipper.detect.statistics.hypergeometric import two_sided, upper_tail
from shipper.detect.statistics.probability import chi_squared_tail

_NUMERIC_WEIGHTS: Final = {"location": 0.4, "scale": 0.2, "shape": 0.2, "missing": 0.2}
_CATEGORICAL_WEIGHTS: Final = {"shape": 0.6, "one category": 0.4}
"""Parts of the level that each test of a feature may spend."""

_CANDIDATES: Final = 5
_FEWEST_BLOCKS: Final = 20
_PLAIN: Final = 0.01
"""Probabilities above this decide nothing, so it is not looked at how much further ordinary windows go."""

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


def compare(feature: Feature, least: float = 0.0) -> FeatureDrift:
    """Compare a feature with its reference; the probability covers all tests made of this feature.

    Args:
        feature: its counts.
        least: where fewer values sit elsewhere, the probability is that of chance alone: it decides nothing.
    """
    absent, absent_before = feature.missing
    total = float(feature.current.sum()) + absent
    total_before = float(feature.reference.sum()) + absent_before
    if total <= 0 or total_before <= 0:
        return FeatureDrift(feature.name, 0.0, 1.0)
    tests, moved = _tested(feature, total, total_before, is_widened=False)
    is_far = moved >= least  # else what ordinary windows do would only take from it
    if is_far:
        feature = _with_blocks(feature, total)
        tests, moved = _tested(feature, total, total_before, is_widened=True)
    probability, by = _combined(feature, tests, is_widened=moved >= least)
    return FeatureDrift(
        feature.name, moved, probability, by,
        psi=psi(feature.current, feature.reference) if is_far and _has_values(feature) else 0.0,
        missing=absent / total, missing_expected=absent_before / total_before,
    )  # fmt: skip


def _has_values(feature: Feature) -> bool:
    return bool(feature.current.any() and feature.reference.any())


def _tested(
    feature: Feature, total: float, total_before: float, *, is_widened: bool
) -> tuple[dict[str, Test], float]:
    """Return what the tests say, and how far the feature moved.

    Beyond what ordinary windows do if `is_widened`, else the quick look: as if those went no further than chance.
    """
    tests: dict[str, Test] = {}
    moved, dispersion = 0.0, 1.0
    if not feature.is_categorical:
        tests["missing"], moved = _missing(feature, total, total_before, is_widened=is_widened)
    if not _has_values(feature):
        return tests, moved
    if is_widened:
        found, dispersion = _categorical(feature) if feature.is_categorical else _numeric(feature)
        tests |= found
    else:
        tests["shape"] = Test(chi_squared_tail(*statistic_of(feature.current, feature.reference)))
    return tests, max(moved, _elsewhere(feature, dispersion))


def _with_blocks(feature: Feature, total: float) -> Feature:
    """Return the feature with as many windows of its history taken together as make up one of the judged size.

    How far an hour goes astray is told by hours; ten minutes say it only if it is known how alike they are. Enough blocks
    must be left to tell anything.
    """
    sizes = feature.history.sum(axis=1) + feature.missing_history
    starts = block_starts(sizes, total, _FEWEST_BLOCKS)
    if starts is None:
        return feature
    return feature._replace(
        history=np.add.reduceat(feature.history, starts, axis=0),
        missing_history=np.add.reduceat(feature.missing_history, starts),
    )


def with_distances(found: FeatureDrift, feature: Feature) -> FeatureDrift:
    """Return what is told of a feature beside its probability: distances of the two histograms, and the bin that grew most."""
    current, reference = feature.current, feature.reference
    n, m = float(current.sum()), float(reference.sum())
    if n <= 0 or m <= 0:
        return found._replace(grown="missing")
    growth = current / n - reference / m
    most = int(np.argmax(growth))
    is_missing = found.missing - found.missing_expected > growth[most]
    found = found._replace(
        psi=psi(current, reference),
        js=jensen_shannon(current, reference),
        grown="missing" if is_missing else feature.parts[most],
    )
    if feature.is_categorical:
        return found
    ks = kolmogorov_smirnov(current, reference)
    apart = wasserstein(current, reference)
    return found._replace(ks=ks, ks_probability=kolmogorov_tail(ks, n, m), wasserstein=apart)


class Test(NamedTuple):
    """The exact probability of a test, and what tells how much further ordinary windows go than chance.

    `statistic` is chi-squared with `degrees`; `size` is n m / (n + m); `past` is only looked at where it matters;
    `times` as many tests were made, of which this one says most.
    """

    exact: float
    statistic: float = 0.0
    degrees: int = 1
    size: float = 1.0
    past: Callable[[], Past] | None = None
    times: int = 1

    @property
    def probability(self) -> float:
        """Return the probability given what ordinary windows do."""
        if self.past is None or self.exact * self.times > _PLAIN:
            return min(1.0, self.exact * self.times)
        found = self.past().widened(self.exact, self.statistic, self.degrees, self.size)
        return min(1.0, found * self.times)


def _combined(feature: Feature, tests: dict[str, Test], *, is_widened: bool) -> tuple[float, str]:
    """Return the smallest probability by its weight (Bonferroni with unequal parts), and whose it is."""
    weights = _CATEGORICAL_WEIGHTS if feature.is_categorical else _NUMERIC_WEIGHTS
    return min(
        (min(1.0, (test.probability if is_widened else test.exact * test.times) / weights[name]), name)
        for name, test in tests.items()
    )


def _missing(feature: Feature, total: float, total_before: float, *, is_widened: bool) -> tuple[Test, float]:
    absent, absent_before = feature.missing
    both, everything = absent + absent_before, total + total_before
    if both <= 0 or both >= everything:
        return Test(1.0), 0.0
    share = both / everything
    variance = share * (1 - share) * (1 / total + 1 / total_before)
    apart = abs(absent / total - absent_before / total_before)
    exact = two_sided(int(absent), int(total), int(both), int(everything))
    if not is_widened:
        return Test(exact), beyond_chance(apart, _USUAL * math.sqrt(variance))
    sizes = feature.history.sum(axis=1) + feature.missing_history
    dispersion = share_dispersion(feature.missing_history, sizes)
    test = Test(
        exact, apart**2 / variance, 1, total * total_before / everything,
        lambda: Past.of_share(feature.missing_history, sizes),
    )  # fmt: skip
    return test, beyond_chance(apart, _USUAL * math.sqrt(variance * dispersion))


def _numeric(feature: Feature) -> tuple[dict[str, Test], float]:
    current, reference = feature.current, feature.reference
    both = current + reference
    n, m = float(current.sum()), float(reference.sum())
    size = n * m / (n + m)
    tests = {"shape": _shares_test(feature, size)}
    dispersion = 1.0
    for name, scores in (("location", location_scores(both)), ("scale", scale_scores(both))):
        dispersion = max(dispersion, scores_dispersion(feature.history, scores))
        off = float(deviations(current[None, :], both, scores)[0])
        tests[name] = Test(
            scores_probability(current, both, scores), off**2, 1, size,
            partial(Past.of_scores, feature.history, scores),
        )  # fmt: skip
    return tests, dispersion


def _shares_test(feature: Feature, size: float) -> Test:
    current, reference = feature.current, feature.reference
    if feature.is_categorical:
        order = np.argsort(current + reference, kind="stable")
        current, reference = current[order], reference[order]
    statistic, degrees = statistic_of(current, reference)
    exact = chi_squared(current, reference)
    return Test(exact, statistic, degrees, size, lambda: Past.of_counts(feature.history))


def _categorical(feature: Feature) -> tuple[dict[str, Test], float]:
    current, reference = feature.current, feature.reference
    n, m = float(current.sum()), float(reference.sum())
    size = n * m / (n + m)
    tests = {"shape": _shares_test(feature, size), "one category": _one_category(feature, size)}
    return tests, counts_dispersion(feature.history)


def _elsewhere(feature: Feature, dispersion: float) -> float:
    """Return the share of the values that sit elsewhere, beyond what chance and so much dispersion usually show."""
    current, reference = feature.current, feature.reference
    if feature.is_categorical:
        usual = usual_total_variation(current, reference, dispersion)
        spread = beyond_chance(total_variation(current, reference), usual)
        return max(spread, _largest_growth(current, reference, dispersion))
    usual = usual_kolmogorov_smirnov(float(current.sum()), float(reference.sum()), dispersion)
    return beyond_chance(kolmogorov_smirnov(current, reference), usual)


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


def _one_category(feature: Feature, size: float) -> Test:
    """Return the test that some category grew as much as the one that grew most, exactly; for each of all of them."""
    current, both = feature.current, feature.current + feature.reference
    n, total = float(current.sum()), float(both.sum())
    expected = both * n / total
    excess = (current - expected) / np.sqrt(np.maximum(expected, 1e-9))
    tried = int((both > 0).sum())
    lowest = Test(1.0)
    for place in np.argsort(-excess, kind="stable")[:_CANDIDATES]:
        if excess[place] <= 0:
            break
        exact = upper_tail(int(current[place]), int(n), int(both[place]), int(total))
        if exact < lowest.exact:
            share = both[place] / total
            off = (current[place] - expected[place]) ** 2 / (
                max(share * (1 - share), 1e-12) * n * (total - n) / total
            )
            past = partial(Past.of_share, feature.history[:, place], feature.history.sum(axis=1))
            lowest = Test(exact, float(off), 1, size, past)
    return lowest._replace(times=tried)
