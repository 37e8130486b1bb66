"""How far a share wanders from window to window where nothing is wrong, and what the next window may then show.

Counts of real systems are not binomial: the log odds of the share move with the hour, with load, with who happens to
ask, sometimes in bursts. They are taken to be Student-distributed around their mean. Neither its scale nor its
degrees of freedom are known, so both are averaged over, each weighed by how well it explains the baseline's
own windows. A few windows leave wide tails, a quiet week narrows them, one with bursts makes them heavy. Windows that
follow each other say less than independent ones: the likelihood is tempered by their correlation.

Sources: Student-t random effects, Pinheiro, Liu and Wu, Efficient algorithms for robust estimation in linear
mixed-effects models (2001); averaging over what is unknown, Geisser, Predictive inference (1993); the power of the
likelihood, Bissiri, Holmes and Walker, A general framework for updating belief distributions (2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Self

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import binomial_tails, normal_tail, student_quantiles

_SCALES: Final = (0.0, 0.03, 0.06, 0.1, 0.15, 0.22, 0.32, 0.46, 0.7, 1.0)
_SCALE_WEIGHTS: Final = (0.2, 0.13, 0.14, 0.15, 0.14, 0.11, 0.07, 0.04, 0.015, 0.005)
_STEADY_WEIGHTS: Final = (0.25, 0.2, 0.2, 0.15, 0.1, 0.06, 0.03, 0.008, 0.002, 0.0)
"""Of the quality of a model: it is the mean over a mix of cases, and does not follow the state of machines as errors do."""

_DEGREES: Final = (5.0, 8.0, 30.0)
_DEGREE_WEIGHTS: Final = (0.1, 0.5, 0.4)
_MOST_WINDOWS: Final = 600
"""Of more windows every second, third ... is looked at: they tell little that is new."""

_LOCAL: Final = 12
"""Windows whose mean is the level that those after them are expected at."""

_GAMMA_DEVIATIONS: Final = np.array([-1.5, 0.0, 1.5, 3.0, 4.5])
_GAMMA_WEIGHTS: Final = np.array([0.22662, 0.54675, 0.21439, 0.01218, 0.0000440])
SHIFTS: Final[Floats] = np.concatenate(
    [-np.geomspace(15, 0.5, 12), np.linspace(-0.45, 1.95, 49), np.geomspace(2.0, 16.0, 24)]
)
"""Shifts at which shares are known: logs of the factors of the odds, or whatever else a link is given for."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a share beside the counts of its own windows.

    Attributes:
        link: the share at each of `SHIFTS`, ascending, where something else than the odds shifts (a duration, of
            which the share beyond a limit is looked at); None: the odds.
        lag: how many windows after the last of the baseline the judged one lies: its level is expected to be that of
            the hour before the lag, and the past says how far off such expectations are. 0: the mean of all.
        kin: bad and all events per window of something akin, which say how far shares wander around their own mean.
        is_steady: such shares wander little by nature; windows that show otherwise are believed all the same.
    """

    link: Floats | None = None
    lag: int = 0
    kin: tuple[Floats, Floats] | None = None
    is_steady: bool = False


NO_PRIOR: Final = Prior()


@dataclass(frozen=True, slots=True)
class Wandering:
    """What the windows of a baseline say of the share that the next one will have.

    Attributes:
        rates: shares that it may have.
        weights: how probable each is.
    """

    rates: Floats
    weights: Floats

    @classmethod
    def of(cls, bad: Floats, total: Floats, prior: Prior = NO_PRIOR) -> Self:
        """Learn from one pair of counts per window, in order of time, none of them without events."""
        link, kin = prior.link, prior.kin
        return cls(
            *_learnt(
                bad.tobytes(),
                total.tobytes(),
                None if link is None else link.tobytes(),
                prior.lag,
                None if kin is None else (kin[0].tobytes(), kin[1].tobytes()),
                is_steady=prior.is_steady,
            )
        )

    def tail(self, count: int, trials: int) -> float:
        """Return the probability that a window of `trials` events has `count` or more bad ones."""
        found = float(np.dot(binomial_tails(count, trials, self.rates), self.weights))
        return min(1.0, found)


@lru_cache(maxsize=64)
def _learnt(
    bad_bytes: bytes,
    total_bytes: bytes,
    link_bytes: bytes | None,
    lag: int,
    kin_bytes: tuple[bytes, bytes] | None,
    *,
    is_steady: bool,
) -> tuple[Floats, Floats]:
    """Return rates and weights; the looks at one window, and windows of one fault, share their baseline."""
    bad, total, log_odds = _read(bad_bytes, total_bytes)
    if link_bytes is not None:
        share = np.clip(np.frombuffer(link_bytes), 1e-9, 1 - 1e-9)
        log_odds = np.log(share / (1 - share))
    levels = _levels(bad, total, log_odds, lag)
    likelihood = _explains(bad, total, log_odds, levels[:-1], is_shift=link_bytes is None)
    if kin_bytes is not None:
        likelihood = likelihood + _explains_kin(*kin_bytes)
    weights = _noise_weights(likelihood, _prior(is_steady=is_steady))
    # How far the odds move with the shift, around no shift at all.
    slope = float(np.interp(0.2, SHIFTS, log_odds) - np.interp(-0.2, SHIFTS, log_odds)) / 0.4
    weights = _blurred(weights, float(bad.sum()) + 0.5, max(slope, 0.2))
    kept = weights > 0
    odds = np.interp(SHIFTS[kept] + levels[-1], SHIFTS, log_odds)
    return 1 / (1 + np.exp(-odds)), weights[kept]


def _read(bad_bytes: bytes, total_bytes: bytes) -> tuple[Floats, Floats, Floats]:
    """Return bad and all events per window, and the log odds of their share at each of `SHIFTS`."""
    total = np.frombuffer(total_bytes)
    bad = np.clip(np.frombuffer(bad_bytes), 0.0, total)  # damaged counts must not end a run
    k, n = float(bad.sum()), float(total.sum())
    return bad, total, math.log((k + 0.5) / (n - k + 0.5)) + SHIFTS


def _levels(bad: Floats, total: Floats, log_odds: Floats, lag: int) -> Floats:
    """Return the shift that each window, and the judged one after them, is expected at: 0, or that of the hour before the lag."""
    levels = np.zeros(len(bad) + 1)
    if lag < 1 or len(bad) < lag + 2 * _LOCAL:
        return levels
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (bad, total)]
    ends = np.arange(_LOCAL, len(bad) + 2 - lag)
    k, n = (part[ends] - part[ends - _LOCAL] for part in sums)
    # The whole baseline counts as much as two events, so that an hour without bad ones is not a share of none.
    share = float(bad.sum() + 0.5) / float(total.sum() + 1)
    k, n = k + 2 * share, n + 2
    found = np.interp(np.log(k / (n - k)), log_odds, SHIFTS)
    levels[_LOCAL + lag - 1 :] = found
    return levels


def _explains(bad: Floats, total: Floats, log_odds: Floats, levels: Floats, *, is_shift: bool) -> Floats:
    """Return how well each pair of scale and degrees explains the windows: logs of likelihoods.

    Args:
        bad, total, log_odds, levels: see `_learnt`.
        is_shift: the log odds are a constant and the shift.
    """
    if not len(bad):
        return np.zeros(len(_SCALES) * len(_DEGREES))
    z, mass, _ = _nodes()
    step = max(1, len(bad) // _MOST_WINDOWS)
    some, of, around = bad[::-step], total[::-step], levels[::-step]
    shifts = around[:, None] + z.ravel() if levels.any() else z.reshape(1, -1)
    if is_shift:
        odds = np.clip(shifts, SHIFTS[0], SHIFTS[-1]) + (log_odds[0] - SHIFTS[0])
    else:
        odds = np.interp(shifts, SHIFTS, log_odds)
    logs = some[:, None] * odds - of[:, None] * np.log1p(np.exp(odds))
    # Each window relative to its best, so that nothing underflows.
    logs -= logs.max(axis=1, keepdims=True)
    each = np.exp(logs).reshape(len(some), *z.shape) @ mass
    weight = _tempering(some, of, float(bad.sum() / total.sum()))
    found: Floats = np.log(np.maximum(each, 1e-300)).sum(axis=0) * weight
    return found


def _explains_kin(bad_bytes: bytes, total_bytes: bytes) -> Floats:
    """Return the same for the windows of something akin, around their own mean."""
    bad, total, log_odds = _read(bad_bytes, total_bytes)
    return _explains(bad, total, log_odds, np.zeros(len(bad)), is_shift=True)


def _noise_weights(likelihood: Floats, prior: Floats) -> Floats:
    """Return how probable each of `SHIFTS` is as the noise of a window around its level."""
    _, _, on_grid = _nodes()
    post = prior * np.exp(likelihood - likelihood.max())
    found: Floats = (post / post.sum()) @ on_grid
    return found


def _blurred(weights: Floats, bad: float, slope: float) -> Floats:
    """Return the weights when the mean is only known from so many bad events (Wilson and Hilferty's gamma quantiles)."""
    cube = 1 - 1 / (9 * bad) + _GAMMA_DEVIATIONS / (3 * math.sqrt(bad))
    found = np.zeros(len(SHIFTS))
    for move, weight in zip(np.log(np.maximum(cube, 0.05) ** 3), _GAMMA_WEIGHTS, strict=True):
        found += weight * _spread(SHIFTS + move / slope, weights)
    return found


def _spread(values: Floats, weights: Floats) -> Floats:
    """Return the weights of values as weights of the two points of the grid around each."""
    values = np.clip(values, SHIFTS[0], SHIFTS[-1])
    right = np.clip(np.searchsorted(SHIFTS, values), 1, len(SHIFTS) - 1)
    part = (values - SHIFTS[right - 1]) / (SHIFTS[right] - SHIFTS[right - 1])
    found = np.zeros(len(SHIFTS))
    np.add.at(found, right, weights * part)
    np.add.at(found, right - 1, weights * (1 - part))
    return found


def _tempering(bad: Floats, total: Floats, rate: float) -> float:
    """Return what part of its weight a window keeps, 0.4 .. 1, by how alike neighbours are."""
    if len(bad) < 3 or rate <= 0 or rate >= 1:
        return 1.0
    off = (bad - total * rate) / np.sqrt(total * rate * (1 - rate))
    together, alone = float((off[1:] * off[:-1]).mean()), float((off**2).mean())
    excess = max(alone - 1, 1e-9)
    alike = min(0.95, max(0.0, together / excess)) if together > 2 / math.sqrt(len(bad)) else 0.0
    return max(0.4, (1 - alike**2) / (1 + alike**2))


@cache
def _prior(*, is_steady: bool) -> Floats:
    """Return how probable each pair of scale and degrees is before any data; a scale of 0 has one pair."""
    found = np.outer(_STEADY_WEIGHTS if is_steady else _SCALE_WEIGHTS, _DEGREE_WEIGHTS).ravel()
    found.flags.writeable = False
    return found


@cache
def _nodes() -> tuple[Floats, Floats, Floats]:
    """Return noise at quantiles (pairs of scale and degrees by quantiles), their weights, and each pair on the grid."""
    edges = np.concatenate([np.linspace(-5, -1, 5), np.linspace(-0.5, 2, 6), np.linspace(2.5, 6, 8)])
    coarse, mass = _quantiles(edges)
    fine, fine_mass = _quantiles(np.linspace(-6, 7, 131))
    on_grid = np.array([_spread(row, fine_mass) for row in fine])
    return coarse, mass, on_grid


def _quantiles(edges: Floats) -> tuple[Floats, Floats]:
    middle = (edges[1:] + edges[:-1]) / 2
    above = np.array([normal_tail(float(edge)) for edge in edges])
    mass = above[:-1] - above[1:]
    mass[0], mass[-1] = mass[0] + 1 - above[0], mass[-1] + above[-1]
    values = [
        scale * math.sqrt((degrees - 2) / degrees) * row
        for scale in _SCALES
        for degrees, row in ((degrees, student_quantiles(tuple(middle), degrees)) for degrees in _DEGREES)
    ]
    return np.clip(np.array(values), -15, 15), mass
