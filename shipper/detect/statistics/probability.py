"""Tail probabilities, with nothing but numpy: what the detectors' significance rests on.

All are one-sided upper tails P(X >= x), in [0, 1]. They are accurate to about 1e-10 relative where they
are above 1e-300 and 0.0 below. Sources: Abramowitz and Stegun, Handbook of Mathematical Functions,
6.5 and 26.5 (incomplete gamma and beta functions), evaluated by Lentz's continued fraction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TINY: Final = 1e-300
_EPSILON: Final = 1e-14
_MAX_TERMS: Final = 100_000
_SQRT2: Final = math.sqrt(2)
MAX_SCORE: Final = 300.0
"""Largest significance: beyond it a probability is zero in floating point."""


def significance(probability: float) -> float:
    """Return minus log10 of a probability, 0 for 1 and at most `MAX_SCORE`."""
    if probability <= 10.0**-MAX_SCORE:
        return MAX_SCORE
    return max(0.0, -math.log10(min(1.0, probability)))


def normal_tail(deviations: float) -> float:
    """Return P(Z >= deviations) for the standard normal distribution."""
    return 0.5 * math.erfc(deviations / math.sqrt(2))


def chi_squared_tail(statistic: float, degrees: float) -> float:
    """Return P(X >= statistic) for a chi-squared variable with `degrees` > 0 degrees of freedom."""
    if statistic <= 0:
        return 1.0
    a, x = degrees / 2, statistic / 2
    scale = math.exp(max(-745.0, a * math.log(x) - x - math.lgamma(a)))
    if x < a + 1:
        return min(1.0, max(0.0, 1.0 - scale * _gamma_series(a, x)))
    fraction = _lentz(x + 1 - a, lambda i: (-i * (i - a), x + 2 * i + 1 - a))
    return min(1.0, scale / fraction)


def student_tail(statistic: float, degrees: float) -> float:
    """Return P(T >= statistic) for Student's t with `degrees` > 0 degrees of freedom."""
    half = 0.5 * beta_below(degrees / (degrees + statistic * statistic), degrees / 2, 0.5)
    return half if statistic >= 0 else 1.0 - half


@cache
def student_quantiles(deviations: tuple[float, ...], degrees: float) -> Floats:
    """Return the values of Student's t that are as improbable as normal ones of so many deviations."""
    t = np.concatenate([[0.0], np.geomspace(0.01, 1e7, 400)])
    wanted = np.log([normal_tail(abs(z)) for z in deviations])
    tails = np.log([student_tail(value, degrees) for value in t])
    found: Floats = np.sign(deviations) * np.interp(-wanted, -tails, t)
    found.flags.writeable = False
    return found


def binomial_tail(count: int, trials: int, rate: float) -> float:
    """Return P(K >= count) for `trials` independent events of probability `rate`."""
    if count <= 0:
        return 1.0
    if count > trials or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    return beta_below(rate, count, trials - count + 1)


def binomial_tails(count: int, trials: int, rates: Floats) -> Floats:
    """Return P(K >= count) of `trials` events for each of many rates, to about 1 % of itself.

    Source: Lugannani and Rice, Saddle point approximation for the distribution of the sum of independent
    random variables (1980), with the second continuity correction of Daniels (1987).
    """
    if count <= 0:
        return np.ones_like(rates)
    if count > trials:
        return np.zeros_like(rates)
    p = np.clip(rates, 1e-300, 1 - 1e-12)
    x = min((count - 0.5) / trials, 1 - 1e-9)
    theta = np.log(x / p) - np.log((1 - x) / (1 - p))
    divergence = np.maximum(x * np.log(x / p) + (1 - x) * np.log((1 - x) / (1 - p)), 0.0)
    w = np.sign(theta) * np.sqrt(2 * trials * divergence)
    u = 2 * np.sinh(theta / 2) * math.sqrt(trials * x * (1 - x))
    near = np.abs(w) < 1e-3
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        correction = np.where(near, 0.0, np.exp(-w * w / 2) / math.sqrt(2 * math.pi) * (1 / u - 1 / w))
    found: Floats = np.clip(normal_tails(w) + correction, 0.0, 1.0)
    return found


def normal_tails(deviations: Floats) -> Floats:
    """Return P(Z >= deviations) of each."""
    flat = [0.5 * math.erfc(z / _SQRT2) for z in deviations.ravel().tolist()]
    return np.array(flat).reshape(deviations.shape)


def beta_binomial_tail(count: int, trials: int, a: float, b: float) -> float:
    """Return P(K >= count) where the rate of `trials` events is itself drawn from Beta(a, b).

    Summed term by term from `count` up, so the smallest tails keep their precision; a count at or below
    the mean returns 1.0, which is all that a test for "too many" needs to know.
    """
    if count <= trials * a / (a + b):
        return 1.0
    if count > trials:
        return 0.0
    log_first = (
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + math.lgamma(count + a)
        + math.lgamma(trials - count + b)
        - math.lgamma(trials + a + b)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
    )
    j = np.arange(count, trials, dtype=np.float64)
    log_ratios = np.log((trials - j) / (j + 1)) + np.log((j + a) / (trials - j - 1 + b))
    total = 1.0 + float(np.exp(np.cumsum(log_ratios)).sum())
    return min(1.0, math.exp(max(-745.0, log_first + math.log(total))))


def beta_below(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b): P(X <= x) for Beta(a, b)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(max(-745.0, log_front))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _beta_fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _beta_fraction(1 - x, b, a) / b)


def _gamma_series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for i in range(1, _MAX_TERMS):
        term *= x / (a + i)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _beta_fraction(x: float, a: float, b: float) -> float:
    def term(i: int) -> tuple[float, float]:
        m = i // 2
        if i % 2:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), 1.0
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), 1.0

    return 1.0 / _lentz(1.0, term)


def _lentz(first: float, term: Callable[[int], tuple[float, float]]) -> float:
    """Return first + a1/(b1 + a2/(b2 + ...)) with (a, b) = term(i); the gamma fraction starts at i = 1."""
    value = first if first != 0 else _TINY
    numerator, denominator = value, 0.0
    for i in range(1, _MAX_TERMS):
        a, b = term(i)
        denominator = b + a * denominator
        denominator = 1.0 / (denominator if denominator != 0 else _TINY)
        numerator = b + a / numerator
        numerator = numerator if numerator != 0 else _TINY
        delta = numerator * denominator
        value *= delta
        if abs(delta - 1.0) < _EPSILON:
            break
    return value
