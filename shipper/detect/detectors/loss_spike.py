"""A training run's loss leaps up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.noise import bends_of, beyond, deviation_of
from shipper.detect.curves.points import Points, Scale
from shipper.detect.curves.watched import Watched, judged_points, step_of
from shipper.detect.detectors.base import Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.series.tail import TOP_SHARE, tail_probability
from shipper.detect.statistics.probability import significance

_BEFORE: Final = 32
"""Points before one whose median says what it should be."""
_FEWEST_BEFORE: Final = 5
_BACK_WITHIN: Final = (3, 40)
_BACK_SHARE: Final = 0.03
"""A spike is back within this part of the points so far (3 to 40); what stays up is another level: `divergence`."""
_PLENTY: Final = 200
"""With so many points the shape of their tail can be seen, too."""
_BELIEVED: Final = 5
"""As many peaks count as the belief that they are about as large as points lie off their neighbours, ..."""
_LEAST_PEAK: Final = 0.02
"""... and so large at least, on the scale."""
_FIRST: Final = 5
_FAR: Final = 1.0
"""Relative progress since the beginning below which nothing much can be lost."""


class _Candidate(NamedTuple):
    place: int
    height: float
    probability: float
    is_collapse: bool


_USUAL: Final = Watched(change=0.5)


@dataclass(frozen=True, slots=True)
class LossSpike:
    """A point far above those before it and back soon after, or a run that lost all it had learnt.

    Idea: a peak is what a point (the highest value of a part of a window) has, on a logarithmic scale, above the median of the 32
    before it, of the 5 before it, and the lowest of those just behind it, whichever is least: a level that is raised and
    stays (curricula, warm restarts) makes none. How high a peak may be is learnt from the same run: the largest tenth of its past
    peaks has an exponential tail, whose mean is known from so many only, and from the belief that points lie off
    their neighbours by about as much; from 200 points on the tail may be heavier. A spike has to come back half of the way. Two
    points in a row at the level of the run's beginning, from which it had come down to half, need not come back:
    the run has collapsed. A start, an earlier step or a raised learning rate begins anew.
    Fails: a spike in the first 10 points; a run that spikes all the time, where it is ordinary; a rise that stays and
    does not reach the beginning's level (`divergence`); the last point of a run.
    Cost: one pass over the points with a running median of 32.
    Source: Lomax (1954), see `shipper.detect.curves.noise`; Pickands (1975), see `shipper.detect.series.tail`; one-sided, since falling is what a loss is for.
    """

    watched: Watched = _USUAL
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the highest value, expected the median before it; effect is relative."""
        watched = self.watched
        points = judged_points(watched, reference.baseline, current)
        if isinstance(points, Score):
            return points
        if len(points) <= watched.points:
            return not_enough(len(points), watched.points + 1, "points of the run")
        scale = Scale.of(points)
        has_begun = bool((reference.baseline.column(layout.STARTS) > 0).any())
        beginning = float(np.median(scale.to(points.means[:_FIRST]))) if has_begun else np.inf
        found, tested = self._candidates(points, scale, watched.points, beginning)
        middle = float(np.median(scale.to(points.means)[:-1][-_BEFORE:]))
        worst = min(found, key=lambda one: (one.probability, one.place), default=None)
        if worst is None:
            highest = scale.back(float(scale.to(points.highs[points.is_now]).max()))
            return Score(
                0.0, 0.0, observed=watched.shown(highest), expected=watched.shown(scale.back(middle)),
                threshold=watched.shown(scale.back(middle + scale.least(watched.change))), count=len(points),
            )  # fmt: skip
        return self._told(points, scale, worst, tested, step_of(points, worst.place, current))

    def _told(self, points: Points, scale: Scale, worst: _Candidate, tested: int, step: int) -> Score:
        watched, seen = self.watched, float(points.highs[worst.place])
        expected = scale.back(float(scale.to(points.highs[worst.place : worst.place + 1])[0]) - worst.height)
        effect = float(np.expm1(min(worst.height, 700.0))) if scale.is_log else worst.height
        what = "has lost all that was learnt: it is" if worst.is_collapse else "leaps to"
        return Score(
            value=significance(min(1.0, worst.probability * tested)),
            effect=effect,
            is_effective=worst.height >= scale.least(watched.change),
            observed=watched.shown(seen),
            expected=watched.shown(expected),
            threshold=watched.shown(
                scale.back(scale.to(np.array([expected]))[0] + scale.least(watched.change))
            ),
            count=len(points),
            have=len(points),
            need=watched.points + 1,
            facts={
                "step": step,
                "metric": watched.name,
                "words": f"{watched.name} {what} {watched.shown(seen):.4g} at step {step}, "
                f"{watched.shown(expected):.4g} was expected",
            },
        )

    @staticmethod
    def _candidates(
        points: Points, scale: Scale, fewest: int, beginning: float
    ) -> tuple[list[_Candidate], int]:
        peaks = _peaks(scale.to(points.means), scale.to(points.highs))
        means, medians = peaks.means, peaks.medians
        now = np.flatnonzero(points.is_now)
        found: list[_Candidate] = []
        for place in range(max(fewest, int(now[0]) - peaks.within), len(points)):
            height = float(peaks.excess[place])
            if height <= 0:
                continue
            after = means[place + 1 : place + 1 + peaks.within]
            back = np.flatnonzero(after <= medians[place] + height / 2)
            is_back = len(back) > 0 and bool(points.is_now[place + 1 + int(back[0])])
            # Two points in a row as bad as the beginning, from which the run had come far.
            is_collapse = (
                len(back) == 0
                and place + 1 < len(points)
                and bool(points.is_now[place + 1])
                and min(means[place], means[place + 1]) >= beginning >= medians[place] + scale.least(_FAR)
            )
            if is_back or is_collapse:
                sizes = peaks.prominence if is_back else peaks.excess
                past = np.maximum(sizes[_FEWEST_BEFORE:place], 0.0)
                probability = _unusual(float(sizes[place]), past, means[:place])
                found.append(_Candidate(place, height, probability, is_collapse))
        return found, max(1, len(now))


class _Peaks(NamedTuple):
    """What each point is among its neighbours, on the scale.

    Attributes:
        means: of the points; `medians`: of those before each, what it should be.
        excess: how far the highest value of a point lies above that.
        prominence: how far above that and above what comes just behind it, `within` so many points.
    """

    means: Floats
    medians: Floats
    excess: Floats
    prominence: Floats
    within: int


def _peaks(means: Floats, highs: Floats) -> _Peaks:
    # After a leap to another level, which is no spike, the older points say nothing any more.
    medians = np.maximum(_medians(means, _BEFORE), _medians(means, _FEWEST_BEFORE))
    within = min(max(_BACK_WITHIN[0], int(_BACK_SHARE * len(means))), _BACK_WITHIN[1])
    excess = highs - medians
    return _Peaks(means, medians, excess, np.minimum(excess, highs - _lowest_after(means, within)), within)


def _unusual(size: float, past: Floats, means: Floats) -> float:
    """Return about P(a peak of this size) by those of the past (0: none), and by how far points lie off their neighbours."""
    noise = deviation_of(bends_of(means)) / math.sqrt(6)
    probability = beyond(size, past, prior=max(_LEAST_PEAK, noise), believed=_BELIEVED)
    # Its shape can be seen only where there is a tail.
    is_seen = np.count_nonzero(past) >= _PLENTY * TOP_SHARE
    return max(probability, tail_probability(size, past)) if len(past) >= _PLENTY and is_seen else probability


def _lowest_after(values: Floats, within: int) -> Floats:
    """Return for each point the lowest of up to `within` behind it; the point itself where it is the last."""
    padded = np.concatenate([values[1:], np.full(within, np.inf)])
    lowest: Floats = np.lib.stride_tricks.sliding_window_view(padded, within)[: len(values)].min(axis=1)
    return np.where(np.isinf(lowest), values, lowest)


def _medians(values: Floats, most: int) -> Floats:
    """Return for each point the median of up to `most` before it; itself where there are fewer than 5."""
    found = values.copy()
    for place in range(_FEWEST_BEFORE, min(most, len(values))):
        found[place] = np.median(values[:place])
    if len(values) > most:
        windows = np.lib.stride_tricks.sliding_window_view(values[:-1], most)
        found[most:] = np.median(windows, axis=1)
    return found
