"""Tail probabilities against sums done the slow way."""

from __future__ import annotations

import math

import pytest

from shipper.detect.statistics.probability import (
    MAX_SCORE,
    beta_below,
    beta_binomial_tail,
    binomial_tail,
    chi_squared_tail,
    significance,
    student_tail,
)


@pytest.mark.parametrize(("n", "p"), [(10, 0.5), (40, 0.05), (300, 0.2)])
def test_binomial_tail_is_the_sum_of_its_terms(n: int, p: float) -> None:
    """The continued fraction agrees with adding up the probabilities."""
    for count in range(n + 1):
        exact = math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(count, n + 1))
        assert binomial_tail(count, n, p) == pytest.approx(exact, rel=1e-9)


def test_binomial_tail_at_its_ends() -> None:
    """Nothing or more is certain; more than all is impossible; so are events of probability 0."""
    assert binomial_tail(0, 5, 0.1) == 1.0
    assert binomial_tail(6, 5, 0.1) == 0.0
    assert binomial_tail(1, 5, 0.0) == 0.0
    assert binomial_tail(5, 5, 1.0) == 1.0


def test_beta_binomial_tail_is_the_sum_of_its_terms() -> None:
    """Above its mean the tail agrees with adding up the probabilities; below it is 1."""
    n, a, b = 60, 0.7, 40.0

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    terms = [math.comb(n, k) * math.exp(log_beta(k + a, n - k + b) - log_beta(a, b)) for k in range(n + 1)]
    for count in range(2, n + 1):
        assert beta_binomial_tail(count, n, a, b) == pytest.approx(math.fsum(terms[count:]), rel=1e-9)
    assert beta_binomial_tail(1, n, a, b) == 1.0
    assert beta_binomial_tail(n + 1, n, a, b) == 0.0


def test_beta_binomial_approaches_the_binomial() -> None:
    """With a rate that is known for certain the two are the same."""
    assert beta_binomial_tail(12, 100, 5e8, 95e8) == pytest.approx(binomial_tail(12, 100, 0.05), rel=1e-4)


@pytest.mark.parametrize(
    ("statistic", "degrees", "expected"),
    [
        (3.841458820694124, 1, 0.05),
        (18.307038053275146, 10, 0.05),
        (29.58829844507442, 10, 0.001),
        (0.0, 4, 1.0),
    ],
)
def test_chi_squared_tail_at_tabled_values(statistic: float, degrees: int, expected: float) -> None:
    """The quantiles that every table prints have their probabilities."""
    assert chi_squared_tail(statistic, degrees) == pytest.approx(expected, rel=1e-9)


def test_chi_squared_tail_with_two_degrees_is_exponential() -> None:
    """For two degrees of freedom the tail is exp(-x/2), down to the smallest numbers."""
    for statistic in (0.1, 1.0, 10.0, 100.0, 1000.0):
        assert chi_squared_tail(statistic, 2) == pytest.approx(math.exp(-statistic / 2), rel=1e-9)


@pytest.mark.parametrize(
    ("statistic", "degrees", "expected"),
    [(6.313751514675043, 1, 0.05), (2.5706, 5, 0.025), (1.959964, 1e7, 0.025), (-2.5706, 5, 0.975)],
)
def test_student_tail_at_tabled_values(statistic: float, degrees: float, expected: float) -> None:
    """The quantiles that every table prints have their probabilities."""
    assert student_tail(statistic, degrees) == pytest.approx(expected, rel=1e-4)


def test_beta_below_is_symmetric() -> None:
    """I_x(a, b) + I_1-x(b, a) = 1."""
    for x in (0.01, 0.3, 0.5, 0.9):
        assert beta_below(x, 3.0, 7.5) + beta_below(1 - x, 7.5, 3.0) == pytest.approx(1.0, abs=1e-12)
    assert (beta_below(0.0, 1, 1), beta_below(1.0, 1, 1)) == (0.0, 1.0)


def test_significance_is_capped() -> None:
    """A probability of zero has the largest significance, certainty has none."""
    assert significance(0.0) == MAX_SCORE
    assert significance(1.0) == 0.0
    assert significance(0.001) == pytest.approx(3.0)
