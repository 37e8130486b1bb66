"""The score of the Numenta Anomaly Benchmark, by its published formula.

A window earns the best of its detections: close to 1 at its left edge, falling along a sigmoid to 0 at its
right edge; without any it costs `miss`. A detection outside costs next to nothing just after a window, up to
`alarm` further away. The first 15 % of a stream (of 5,000 rows at most) are ignored.

Source: Lavin and Ahmad, Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark
(2015); NAB 1.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.nab_streams.corpus import Stream
from shipper.detect.fetching.table import Floats, Ints

_STEEPNESS: Final = 5.0
_FAR: Final = 3.0
_PROBATION: Final = 0.15
_PROBATION_CAP: Final = 5000


@dataclass(frozen=True, slots=True)
class Profile:
    """What an alarm outside of windows and a missed window cost."""

    alarm: float
    miss: float


PROFILES: Final[Mapping[str, Profile]] = {
    "standard": Profile(0.11, 1.0),
    "low FP": Profile(0.22, 1.0),
    "low FN": Profile(0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of one stream after probation.

    Attributes:
        scores: anomaly score per row.
        window: number of the window that a row is in; -1: none.
        reward: what a detection at the row is worth, 0..1 inside, -1..0 outside.
        windows: how many are labelled.
    """

    scores: Floats
    window: Ints
    reward: Floats
    windows: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a corpus scores at a threshold: normalised (100 is perfect, 0 is silence), and in plain numbers."""

    score: float
    threshold: float
    found: int
    windows: int
    false_alarms: int


def probation_rows(rows: int) -> int:
    """Return how many rows at the beginning do not count."""
    return math.ceil(min(math.floor(_PROBATION * rows), _PROBATION * _PROBATION_CAP))


def judged(stream: Stream, scores: Floats, windows: Sequence[tuple[int, int]]) -> Judged:
    """Return what each row's detection would be worth."""
    rows = len(stream.times)
    inside, reward = np.full(rows, -1, dtype=np.int64), np.full(rows, -1.0)
    spans = [
        (int(held[0]), int(held[-1]))
        for first, last in windows
        if len(held := np.flatnonzero((stream.times >= first) & (stream.times <= last)))
    ]
    for place, (first, last) in enumerate(spans):
        width = last - first + 1
        inside[first : last + 1] = place
        reward[first : last + 1] = _sigmoid(np.arange(width) / width - 1) / _sigmoid(np.array([-1.0]))
        end = spans[place + 1][0] if place + 1 < len(spans) else rows
        far = (np.arange(last + 1, end) - last) / max(width - 1, 1)
        reward[last + 1 : end] = np.where(far > _FAR, -1.0, _sigmoid(np.minimum(far, _FAR)))
    skip = probation_rows(rows)
    return Judged(scores[skip:], inside[skip:], reward[skip:], len(windows))


def score_at(streams: Sequence[Judged], profile: Profile, threshold: float) -> Result:
    """Score a corpus with every row at or above the threshold as a detection."""
    total, found, alarms = 0.0, 0, 0
    labelled = sum(one.windows for one in streams)
    for one in streams:
        hit = one.scores >= threshold
        outside = hit & (one.window < 0)
        alarms += int(outside.sum())
        total += profile.alarm * float(one.reward[outside].sum())
        for place in np.unique(one.window[one.window >= 0]):
            rewards = one.reward[hit & (one.window == place)]
            found += bool(len(rewards))
            total += float(rewards.max()) if len(rewards) else -profile.miss
    worst, best = -profile.miss * labelled, float(labelled)
    normalised = 100 * (total - worst) / (best - worst) if labelled else math.nan
    return Result(normalised, threshold, found, labelled, alarms)


def best(streams: Sequence[Judged], profile: Profile) -> Result:
    """Score a corpus at the one threshold that suits it best, as NAB does: chosen on the same streams."""
    levels = np.unique(np.concatenate([one.scores for one in streams])) if streams else np.zeros(0)
    if len(levels) > _LEVELS:
        levels = levels[np.unique(np.linspace(0, len(levels) - 1, _LEVELS).astype(int))]
    highest = float(levels[-1]) if len(levels) else 0.0
    tried = [score_at(streams, profile, float(level)) for level in [*levels, np.nextafter(highest, np.inf)]]
    return max(tried, key=lambda one: (one.score, one.threshold))


_LEVELS: Final = 500
"""Thresholds that are tried where there are more scores."""


def _sigmoid(place: Floats) -> Floats:
    result: Floats = 2.0 / (1.0 + np.exp(_STEEPNESS * place)) - 1.0
    return result
