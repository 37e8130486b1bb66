"""What the probability of a test becomes where windows differ by more than chance, as the baseline's own windows show.

Each ordinary window is compared with all before it, as the judged one is: its chi-squared statistic says how far off such
an expectation has been. Inputs that wander, burst, come in clumps or follow the hour give larger statistics than chance. What is
beyond chance is a noncentrality: the square of a Student-distributed excess, in one direction. Neither its scale nor its
degrees of freedom nor how it grows with the size of a window (not at all for clumps, with the root of it for
levels that wander) is known, so all are averaged over, each weighed by how well it explains the past. Few windows leave wide
tails; where windows show no more than chance, the exact test of the window stays what it is, but for what so
many windows could not have shown. Windows that follow each other say less than independent ones, so the likelihood is
tempered by their correlation.

Sources: recursive residuals, Brown, Durbin and Evans, Techniques for testing the constancy of regression relationships
(1975); the plain form of this, F and t with the windows' degrees in place of chi-squared and normal, McCullagh and Nelder, Generalized
linear models (1989), 4.5 and 9.2; averaging over what is unknown, Geisser, Predictive inference (1993); effective number of
correlated observations of a variance, Bayley and Hammersley (1946); the noncentral curve, Abdel-Aty, Approximate formulae for the
percentage points and the probability integral of the non-central chi-squared distribution (1954).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Self

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.middle import median
from shipper.detect.statistics.probability import normal_tail, normal_tails, student_quantiles

_SCALES: Final = (0.4, 0.6, 0.9, 1.3, 2.0, 3.0, 4.5, 7.0, 11.0, 17.0, 26.0, 40.0)
"""Standard deviations of the excess, in those that chance has in a window of middle size."""
_SCALE_WEIGHTS: Final = (0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01, 0.007, 0.003)
_DEGREES: Final = (5.0, 8.0, 30.0)
_DEGREE_WEIGHTS: Final = (0.1, 0.5, 0.4)
_ONLY_CHANCE: Final = 0.99
"""Belief, before any window is seen, that there is no excess at all."""

_GROWTHS: Final = (0.0, 0.5, 1.0)
_GROWTH_WEIGHTS: Final = (0.6, 0.3, 0.1)
"""Power of a window's size that the square of the excess grows with, beside chance; windows of different sizes tell."""

_MOST_WINDOWS: Final = 200
_LEAST_TRUST: Final = 0.25
_FEWEST_EXPECTED: Final = 5.0
_NOTHING: Final = 1e-12
"""Beliefs below this change no verdict."""


@dataclass(frozen=True, slots=True)
class Past:
    """How far off the windows of a baseline were, each from all before it.

    Attributes:
        statistics: chi-squared statistics, in order of time.
        degrees: their degrees of freedom.
        sizes: n m / (n + m) of each window of n events and m before it; chance goes with its inverse.
        before: windows before each.
    """

    statistics: Floats
    degrees: int
    sizes: Floats
    before: Floats

    @classmethod
    def of_scores(cls, history: Floats, scores: Floats) -> Self:
        """Learn from the mean scores of windows by bins."""
        n = history.sum(axis=1)
        return cls._of_means(history @ scores, history @ scores**2, n)

    @classmethod
    def of_share(cls, counts: Floats, sizes: Floats) -> Self:
        """Learn from the share of some events among all of each window."""
        return cls._of_means(counts, counts, sizes)

    @classmethod
    def _of_means(cls, sums: Floats, squares: Floats, n: Floats) -> Self:
        kept = n > 0
        sums, squares, n = sums[kept], squares[kept], n[kept]
        if len(n) < 2:
            return cls(np.zeros(0), 1, np.zeros(0), np.zeros(0))
        total = n.sum()
        variance = float(squares.sum() / total - (sums.sum() / total) ** 2)
        m = np.cumsum(n)[:-1]
        apart = sums[1:] / n[1:] - np.cumsum(sums)[:-1] / m
        sizes = n[1:] * m / (n[1:] + m)
        found = np.sign(apart) * apart**2 * sizes / variance if variance > 1e-12 else np.zeros(len(m))
        return cls(found, 1, sizes, np.arange(1.0, len(n)))

    @classmethod
    def of_counts(cls, history: Floats) -> Self:
        """Learn from the shares of all bins; those that are sparse in a window are taken together."""
        history = history[history.sum(axis=1) > 0]
        if len(history) < 2:
            return cls(np.zeros(0), 1, np.zeros(0), np.zeros(0))
        expected = history.sum(axis=0) / len(history)
        order = np.argsort(expected, kind="stable")
        bins = np.minimum(
            (np.cumsum(expected[order]) / _FEWEST_EXPECTED).astype(np.int64),
            max(0, int(expected.sum() / _FEWEST_EXPECTED) - 1),
        )
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        history = np.add.reduceat(history[:, order], starts, axis=1)
        n = history.sum(axis=1)
        before = np.cumsum(history, axis=0)[:-1]
        m = np.cumsum(n)[:-1]
        sizes = n[1:] * m / (n[1:] + m)
        pooled = (history.sum(axis=0) / n.sum())[None, :]
        apart = history[1:] / n[1:, None] - before / m[:, None]
        found = (apart**2 / np.maximum(pooled, 1e-12)).sum(axis=1) * sizes
        return cls(found, max(1, history.shape[1] - 1), sizes, np.arange(1.0, len(n)))

    def widened(self, exact: float, statistic: float, degrees: int, size: float) -> float:
        """Return the probability of a window's statistic where it may have an excess, too; at least `exact`.

        Args:
            exact: the probability if there is none.
            statistic, degrees: chi-squared, of the judged window.
            size: n m / (n + m) of the judged window and of what it is compared with.
        """
        if len(self.statistics) < 1 or exact >= 0.5:
            return exact
        chance, weights, middle = _learnt(
            self.statistics.tobytes(), self.degrees, self.sizes.tobytes(), self.before.tobytes()
        )
        windows = len(self.statistics) + 1
        nodes, mass, scales, growths = _nodes(fine=True)
        factor = (1 + 1 / windows) * (size / middle) ** growths
        some = weights > max(1e-3 * exact, _NOTHING)
        excess = (scales**2 * factor)[some, None] * nodes[some] ** 2
        tails = _noncentral_tails(statistic, degrees, excess) @ mass
        return min(1.0, max(exact, chance * exact + float(weights[some] @ tails)))


@lru_cache(maxsize=128)
def _learnt(
    statistics_bytes: bytes, degrees: int, sizes_bytes: bytes, before_bytes: bytes
) -> tuple[float, Floats, float]:
    """Return the belief that there is nothing but chance, that in each kind of excess, and the middle size."""
    signed, sizes, before = (
        np.frombuffer(part)[-_MOST_WINDOWS:] for part in (statistics_bytes, sizes_bytes, before_bytes)
    )
    middle = median(sizes)
    nodes, mass, scales, growths = _nodes(fine=False)
    factor = (1 + 1 / before)[None, :] * (sizes / middle)[None, :] ** growths[:, None]
    excess = scales[:, None, None] ** 2 * nodes[:, :, None] ** 2 * factor[:, None, :]
    observed = np.maximum(np.abs(signed), 1e-9)
    each = np.einsum("j,pji->pi", mass, _noncentral_densities(observed, degrees, excess))
    none = _noncentral_densities(observed, degrees, np.zeros((1, 1, 1)))[0, 0]
    # What not even the widest explains says nothing about which is right.
    logs = np.log(np.maximum(each, 1e-280)) - np.log(np.maximum(none, 1e-280))
    odds = _prior() * np.exp(np.clip(logs.sum(axis=1) * _trust(signed, degrees), -600, 600))
    total = _ONLY_CHANCE + float(odds.sum())
    return _ONLY_CHANCE / total, odds / total, middle


def _trust(signed: Floats, degrees: int) -> float:
    """Return what part of its weight a window keeps, by how alike neighbours are."""
    if len(signed) < 4:
        return 1.0
    off = np.sign(signed) * np.sqrt(np.abs(signed)) if degrees == 1 else np.sqrt(signed)
    off = off - (0.0 if degrees == 1 else off.mean())
    alone = float(off @ off)
    alike = float(off[1:] @ off[:-1]) / alone if alone > 0 else 0.0
    alike = min(0.95, alike) if alike > 2 / math.sqrt(len(off)) else 0.0
    return max(_LEAST_TRUST, (1 - alike**2) / (1 + alike**2))


def _noncentral_densities(statistics: Floats, degrees: int, excess: Floats) -> Floats:
    """Return the density of a chi-squared statistic with so many degrees and noncentralities `excess`."""
    if degrees == 1:
        z, shift = np.sqrt(statistics), np.sqrt(excess)
        found: Floats = np.exp(-((z - shift) ** 2) / 2) + np.exp(-((z + shift) ** 2) / 2)
        return found
    mean = degrees + excess
    spread = 2 / 9 * (1 + excess / mean) / mean
    root = np.cbrt(statistics / mean)
    return np.asarray(np.exp(-((root - 1 + spread) ** 2) / (2 * spread)) / np.sqrt(spread) * root)


def _noncentral_tails(statistic: float, degrees: int, excess: Floats) -> Floats:
    """Return P(X >= statistic) for each noncentrality."""
    if degrees == 1:
        z, shift = math.sqrt(statistic), np.sqrt(excess)
        return normal_tails(z - shift) + normal_tails(z + shift)
    mean = degrees + excess
    spread = 2 / 9 * (1 + excess / mean) / mean
    return normal_tails((np.cbrt(statistic / mean) - 1 + spread) / np.sqrt(spread))


@cache
def _prior() -> Floats:
    weights = np.multiply.outer(_SCALE_WEIGHTS, _DEGREE_WEIGHTS)
    found = np.multiply.outer(weights, _GROWTH_WEIGHTS).ravel()
    return np.asarray(found * (1 - _ONLY_CHANCE) / float(found.sum()))


@cache
def _nodes(*, fine: bool) -> tuple[Floats, Floats, Floats, Floats]:
    """Return sizes of the excess at quantiles, for each kind of it, their weights; scale and growth of each kind."""
    edges = np.linspace(0, 7, 71) if fine else np.array([0, 0.3, 0.6, 1, 1.4, 1.8, 2.3, 2.9, 3.6, 4.6])
    above = 2 * np.array([normal_tail(float(edge)) for edge in edges])
    mass = above - np.append(above[1:], 0.0)
    middle = np.append((edges[1:] + edges[:-1]) / 2, edges[-1] + 0.1)
    kinds = [(s, d, g) for s in _SCALES for d in _DEGREES for g in _GROWTHS]
    student = {d: student_quantiles(tuple(middle), d) * math.sqrt((d - 2) / d) for d in _DEGREES}
    scales, growths = np.array([kind[0] for kind in kinds]), np.array([kind[2] for kind in kinds])
    return np.array([student[kind[1]] for kind in kinds]), mass, scales, growths
