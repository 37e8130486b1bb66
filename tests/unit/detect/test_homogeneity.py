"""Two samples of one population: probabilities that hold for sparse and full bins, small and large samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from shipper.detect.judging.scores import deviations, location_scores, scale_scores, scores_probability
from shipper.detect.statistics.homogeneity import _moments, chi_squared, merged, type_three_tail
from shipper.detect.statistics.hypergeometric import all_new, two_sided, upper_tail

POOLS = {
    "even": np.full(14, 1000),
    "sparse": np.full(500, 3),
    "rare ones": (20_000 / np.arange(1, 501) ** 1.1).astype(int) + 1,
    "mostly one": np.array([9000, 100, 100, 100, 100]),
}


def draws(seed: int, pool: np.ndarray, n: int, count: int) -> np.ndarray:
    """Samples of `n` from the pool."""
    chance = np.random.default_rng(seed)
    return chance.multivariate_hypergeometric(pool, n, size=count, method="marginals").astype(float)


def test_moments_are_those_of_every_possible_draw() -> None:
    """Mean, deviation and skewness equal those over all draws, one by one."""
    pool, n = [3, 1, 4, 2], 4
    values, weights = [], []
    for draw in itertools.product(*(range(count + 1) for count in pool)):
        if sum(draw) == n:
            values.append(sum(x * x / c for x, c in zip(draw, pool, strict=True)))
            weights.append(math.prod(math.comb(c, x) for x, c in zip(draw, pool, strict=True)))
    w, v = np.array(weights) / sum(weights), np.array(values)
    mean = float(w @ v)
    deviation = math.sqrt(float(w @ (v - mean) ** 2))
    found = _moments(pool, n)
    assert found.mean == pytest.approx(mean)
    assert found.deviation == pytest.approx(deviation)
    assert found.skewness == pytest.approx(float(w @ (v - mean) ** 3) / deviation**3)


def test_moments_keep_their_digits_in_large_samples() -> None:
    """With a million on each side the statistic still has the moments of chi-squared."""
    found = _moments([200_000] * 10, 1_000_000)
    assert found.deviation * 4 * 10**6 / (2 * 10**6) * 2 / math.sqrt(18) == pytest.approx(2, rel=1)
    assert found.skewness == pytest.approx(math.sqrt(8 / 9), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("n", [100, 1000])
def test_false_alarms_are_as_promised_at_every_level(name: str, n: int) -> None:
    """Of draws from one pool no more are past a level than the level says."""
    pool = POOLS[name]
    sample, total = draws(5, pool, n, 4000), pool.astype(float)
    tests = {
        "chi": [chi_squared(row, total - row) for row in sample],
        "location": [scores_probability(row, total, location_scores(total)) for row in sample],
        "scale": [scores_probability(row, total, scale_scores(total)) for row in sample],
    }
    for found in tests.values():
        for level in (0.05, 0.01, 0.002):
            assert np.mean(np.array(found) <= level) <= level + 4 * math.sqrt(level / 4000)


@pytest.mark.parametrize(
    ("count", "drawn", "marked", "population"), [(5, 20, 30, 100), (3, 10, 3, 13), (9, 9, 20, 40)]
)
def test_hypergeometric_tails_are_sums_of_all_cases(
    count: int, drawn: int, marked: int, population: int
) -> None:
    """The tail is the number of draws that show as many, of all draws."""
    cases = sum(
        math.comb(marked, x) * math.comb(population - marked, drawn - x)
        for x in range(count, min(drawn, marked) + 1)
        if drawn - x <= population - marked
    )
    expected = cases / math.comb(population, drawn)
    found = upper_tail(count, drawn, marked, population)
    assert found == pytest.approx(expected if count > drawn * marked / population else 1.0)


def test_what_appears_once_is_nothing_and_thrice_is_something() -> None:
    """Three events of one kind in a window of 200 after 5,000 without are one case in 17,000; one is one in 26."""
    assert all_new(1, 200, 5200) == pytest.approx(200 / 5200)
    assert all_new(3, 200, 5200) == pytest.approx(200 * 199 * 198 / (5200 * 5199 * 5198))
    assert all_new(201, 200, 5200) == 0
    assert two_sided(10, 100, 100, 1000) == 1


def test_a_shift_is_more_certain_in_more_events() -> None:
    """The same shares have smaller probabilities in larger samples, down to 1e-100 without failing."""
    shares = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    other = np.array([0.08, 0.18, 0.4, 0.22, 0.12])
    found = []
    for n in (100, 1000, 10_000, 100_000, 1_000_000):
        x, c = np.round(other * n), np.round(shares * n)
        found.append(scores_probability(x, x + c, location_scores(x + c)))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-100
    assert all(0 <= one <= 1 for one in found)


def test_degenerate_counts_are_no_evidence() -> None:
    """One bin, no events, or nothing to compare with: probability one, never an error."""
    nothing, some = np.zeros(3), np.array([5.0, 0, 0])
    assert chi_squared(nothing, some) == chi_squared(some, nothing) == chi_squared(some, some) == 1
    assert scores_probability(some, some * 2, location_scores(some * 2)) == 1
    assert type_three_tail(0.0, 0.0) == pytest.approx(0.5)
    assert deviations(some[None], some * 2, scale_scores(some * 2))[0] == 0


def test_bins_are_merged_by_what_both_samples_have_together() -> None:
    """Which sample has the events does not decide how bins are merged."""
    both = np.array([1.0, 1, 50, 1, 60, 2])
    first = merged(np.array([1.0, 0, 20, 1, 25, 0]), both, 46.0)[1]
    second = merged(np.array([0.0, 1, 26, 0, 17, 2]), both, 46.0)[1]
    assert first.tolist() == second.tolist()
    assert first.sum() == both.sum()
