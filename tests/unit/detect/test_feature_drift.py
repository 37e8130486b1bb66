"""How far a feature moved, what shows it, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from shipper.detect.fetching.bins import QUANTILES, edges_of
from shipper.detect.judging.dispersion import counts_dispersion
from shipper.detect.judging.feature_drift import Feature, FeatureDrift, compare, with_distances
from shipper.detect.statistics.discovery import adjusted, any_moved
from shipper.detect.statistics.distance import (
    beyond_chance,
    jensen_shannon,
    kolmogorov_smirnov,
    kolmogorov_tail,
    psi,
    total_variation,
    wasserstein,
)

SAME = np.array([100.0, 200, 400, 200, 100])


def drift(current: list[float], reference: list[float], *, categories: bool = False) -> FeatureDrift:
    """Compare two histograms without history."""
    now, before = np.array(current), np.array(reference)
    parts = tuple(str(place) for place in range(len(now)))
    feature = Feature("x", now, before, before[None], parts, categories, (0, 0), np.zeros(1))
    return with_distances(compare(feature), feature)


def test_equal_shares_are_no_distance() -> None:
    """Every measure is 0 where nothing moved, whatever the sizes."""
    for measure in (psi, jensen_shannon, kolmogorov_smirnov, wasserstein, total_variation):
        assert measure(SAME / 10, SAME) == pytest.approx(0, abs=1e-12)


def test_distances_are_what_their_definitions_say() -> None:
    """All mass on the other end: 1 for shares, half the ranks for Wasserstein's distance over two equal halves."""
    left, right = np.array([1e6, 0.0]), np.array([0.0, 1e6])
    assert kolmogorov_smirnov(left, right) == total_variation(left, right) == 1
    assert jensen_shannon(left, right) == pytest.approx(1, abs=1e-3)
    halves = np.array([5e5, 5e5])
    assert wasserstein(right, halves) == pytest.approx(0.25)
    assert beyond_chance(0.05, 0.03) == pytest.approx(0.04)
    assert beyond_chance(0.02, 0.03) == 0
    assert kolmogorov_tail(1.36 / np.sqrt(5000), 10_000, 10_000) == pytest.approx(0.05, abs=0.003)


def test_the_test_that_found_it_is_named() -> None:
    """A shift, a spread, a new category and missing values are told apart."""
    assert drift([50, 150, 400, 250, 150], [1000, 2000, 4000, 2000, 1000]).by == "location"
    assert drift([130, 210, 320, 210, 130], [1000, 2000, 4000, 2000, 1000]).by == "scale"
    found = drift([48, 48, 4], [4900, 5100, 0], categories=True)
    assert (found.by, found.grown) == ("one category", "2")
    now, nothing = np.array([80.0, 80]), np.zeros(1)
    feature = Feature("x", now, SAME[:2] * 10, SAME[None, :2], ("0", "1"), False, (40, 10), nothing)
    missing = with_distances(compare(feature), feature)
    assert (missing.by, missing.grown) == ("missing", "missing")
    assert missing.missing == pytest.approx(0.2)


def test_all_missing_is_a_drift_and_no_error() -> None:
    """A feature that vanished altogether is found by its missing values."""
    found = compare(
        Feature("x", np.zeros(2), SAME[:2], SAME[None, :2], ("0", "1"), False, (200, 0), np.zeros(1))
    )
    assert found.by == "missing"
    assert found.moved > 0.9
    assert found.probability < 1e-20


def test_clumps_are_measured_and_one_odd_window_does_not_hide_the_next() -> None:
    """Windows that vary three times as much as chance are believed; one window of many that drifted is not."""
    chance = np.random.default_rng(3)
    calm = chance.multinomial(400, [0.25] * 4, size=24).astype(float)
    assert counts_dispersion(calm) < 1.4
    clumped = 3 * chance.multinomial(133, [0.25] * 4, size=24).astype(float)
    assert 2 < counts_dispersion(clumped) < 5.5
    odd = calm.copy()
    odd[-1] = [100, 10, 10, 280]
    assert counts_dispersion(odd) < 2


def test_a_value_that_many_share_has_a_bin_of_its_own() -> None:
    """Zeros are told from small values; a small reference has no outer percentiles; nothing else than numbers is an edge."""
    quantiles = [0.0] * 7 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert len(QUANTILES) == len(quantiles)
    edges = edges_of(quantiles, 10_000)
    assert edges[:3] == (0.0, float(np.nextafter(0.0, 1.0)), 1.0)
    assert edges_of(quantiles, 100)[-1] == 4.0
    assert edges_of([float("nan")] * 13, 10_000) == ()
    assert len(edges_of([7.0] * 13, 10_000)) == 2


def test_the_alarm_is_bonferroni_s_and_the_list_benjamini_and_hochberg_s() -> None:
    """Whether any moved holds under every dependence; which are named is the less strict."""
    found = [0.001, 0.012, 0.013, 0.9]
    assert any_moved(min(found), len(found)) == pytest.approx(0.004)
    assert adjusted(found) == pytest.approx([0.004, 0.013 * 4 / 3, 0.013 * 4 / 3, 0.9])
    assert any_moved(0.5, 3) == 1
