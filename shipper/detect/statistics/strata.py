"""Sums of scores over several strata, each a draw without replacement of its own pool, with saddlepoint tails.

The area under a ROC curve compares cases of two classes. If nothing changed but how many there are of each, the
judged cases of a class are a random draw of all cases of that class: given the numbers, the sum of scores over both
classes has a permutation distribution, and its tail is the double saddlepoint of `shipper.detect.judging.scores` with
one count condition per stratum.
Sources: Robinson, Saddlepoint approximations for permutation tests (1982); Skovgaard (1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import normal_tail

_STEPS: Final = 60
_PLAIN: Final = 1.5
_STEEPEST: Final = 2000.0


class Stratum(NamedTuple):
    """Counts per bin of the judged sample and of the pool that holds it, and what a case of each bin counts for."""

    current: Floats
    pool: Floats
    scores: Floats


def deviation(strata: Sequence[Stratum]) -> float:
    """Return by how many standard deviations the sum of scores is above what the pools expect; 0 without spread."""
    off, variance = _moments(strata)
    return off / math.sqrt(variance) if variance > 0 else 0.0


def upper_tail(strata: Sequence[Stratum], dispersion: float = 1.0) -> float:
    """Return the probability of a sum of scores at least as large, if each sample is a draw of its pool.

    Args:
        strata: the samples.
        dispersion: by how much the sum varies more than chance makes it; 1 or more.
    """
    off, variance = _moments(strata)
    off /= math.sqrt(dispersion)
    if variance <= 0 or off <= 0:
        return 1.0
    z = off / math.sqrt(variance)
    if z < _PLAIN:
        return normal_tail(z)
    size = max(float(np.abs(one.scores).max()) for one in strata)
    parts = [_Part.of(one, size) for one in strata]
    parts = [part for part in parts if part.n > 0 and part.n < part.total]
    tilt = _solve(parts, off / size)
    if tilt is None:
        return normal_tail(z)
    w2, k11 = 2 * tilt * off / size, 0.0
    determinant = 0.0
    for part in parts:
        a = part.condition(tilt)
        share = part.share(a, tilt)
        weights = part.c * share * (1 - share)
        k00, k01 = float(weights.sum()), float(weights @ part.s)
        k11 += float(weights @ part.s**2) - (k01 * k01 / k00 if k00 > 0 else 0.0)
        determinant += math.log(k00) - math.log(part.total * part.p * (1 - part.p))
        w2 += 2 * (a * part.n - part.cumulant(a, tilt))
    if w2 <= 0 or k11 <= 0:
        return normal_tail(z)
    w, u = math.sqrt(w2), tilt * math.sqrt(k11) * math.exp(determinant / 2)
    density = math.exp(-w2 / 2) / math.sqrt(2 * math.pi) if w2 < 1400 else 0.0
    return min(1.0, max(0.0, normal_tail(w) + density * (1 / u - 1 / w)))


class _Part(NamedTuple):
    """One stratum with scores centred on its pool and divided by the largest of all."""

    c: Floats
    s: Floats
    n: float
    total: float

    @classmethod
    def of(cls, stratum: Stratum, size: float) -> _Part:
        seen = stratum.pool > 0
        c, s = stratum.pool[seen], stratum.scores[seen]
        total = float(c.sum())
        return cls(c, (s - float(c @ s) / total) / size, float(stratum.current.sum()), total)

    @property
    def p(self) -> float:
        return self.n / self.total

    def share(self, a: float, tilt: float) -> Floats:
        """Return the share of each bin's cases that is drawn under a tilt."""
        odds = np.clip(math.log(self.p / (1 - self.p)) + a + tilt * self.s, -700, 700)
        drawn: Floats = 1 / (1 + np.exp(-odds))
        return drawn

    def condition(self, tilt: float) -> float:
        """Return the constant under which as many are drawn as were, by Newton's steps inside a bracket."""
        low = -float((tilt * self.s).max()) - 1
        high = -float((tilt * self.s).min()) + 1
        a = 0.0
        for _ in range(_STEPS):
            share = self.share(a, tilt)
            off = float(self.c @ share) - self.n
            if abs(off) <= 1e-10 * self.n:
                break
            low, high = (a, high) if off < 0 else (low, a)
            slope = float(self.c @ (share * (1 - share)))
            a = a - off / slope if slope > 0 else low
            if not low < a < high:
                a = (low + high) / 2
        return a

    def sums(self, tilt: float) -> tuple[float, float]:
        """Return the expected sum of scores under a tilt, and its slope: its variance given the count."""
        share = self.share(self.condition(tilt), tilt)
        weights = self.c * share * (1 - share)
        k00, k01 = float(weights.sum()), float(weights @ self.s)
        slope = float(weights @ self.s**2) - (k01 * k01 / k00 if k00 > 0 else 0.0)
        return float((self.c * self.s) @ share), slope

    def cumulant(self, a: float, tilt: float) -> float:
        p = self.p
        return float(self.c @ np.logaddexp(math.log1p(-p), math.log(p) + a + tilt * self.s))


def _moments(strata: Sequence[Stratum]) -> tuple[float, float]:
    """Return how far the sum is above its expectation, and its variance."""
    off = variance = 0.0
    for current, pool, scores in strata:
        n, total = float(current.sum()), float(pool.sum())
        if total <= 1 or n <= 0:
            continue
        mean = float(pool @ scores) / total
        off += float(current @ scores) - n * mean
        variance += float(pool @ (scores - mean) ** 2) / total * n * (total - n) / (total - 1)
    return off, variance


def _solve(parts: Sequence[_Part], off: float) -> float | None:
    """Return the tilt under which the sum is as wanted; None where no draw can show it."""

    low, high, tilt = 0.0, _STEEPEST, 1.0
    for _ in range(_STEPS):
        found = [part.sums(tilt) for part in parts]
        apart = sum(one[0] for one in found) - off
        if abs(apart) <= 1e-9 * off:
            return tilt
        low, high = (tilt, high) if apart < 0 else (low, tilt)
        slope = sum(one[1] for one in found)
        tilt = tilt - apart / slope if slope > 0 else high
        if not low < tilt < high:
            tilt = (low + high) / 2
        if low > _STEEPEST / 2:
            return None
    return tilt
