"""A training run's loss leaps up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.noise import beyond
from shipper.detect.curves.points import Points, Scale
from shipper.detect.curves.watched import Watched, judged_points, step_of
from shipper.detect.detectors.base import Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.series.tail import tail_probability
from shipper.detect.statistics.probability import significance

_BEFORE: Final = 32
"""Points before one whose median says what it should be."""
_FEWEST_BEFORE: Final = 5
_BACK_WITHIN: Final = (3, 40)
_BACK_SHARE: Final = 0.03
"""A spike is back within this part of the points so far (3 to 40); what stays up is another level: `divergence`."""
_PLENTY: Final = 200
"""With so many points the shape of their tail can be seen, too."""
_PRIOR: Final = 0.02
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

    Idea: each point (the highest value of a part of a window) is compared, on a logarithmic scale, with the median of the 32
    before it. How far above that a point may lie is learnt from the same run: the largest tenth of its own past
    excesses has an exponential tail, whose mean is known from so many only; from 200 points on it may be heavier. A spike has to
    come back half of the way soon: curricula and warm restarts raise the level, and that is none. Two points in a row at the level
    of the run's beginning, from which it had come down to half, need not come back: the run has collapsed. A
    start, an earlier step or a raised learning rate begins anew.
    Fails: a spike in the first 20 points; a run that spikes all the time, where it is ordinary; a rise that stays and
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
        means, highs = scale.to(points.means), scale.to(points.highs)
        medians = _medians(means)
        excess = highs - medians
        now = np.flatnonzero(points.is_now)
        first = int(now[0])
        found: list[_Candidate] = []
        for place in range(max(fewest, first - _BACK_WITHIN[1]), len(points)):
            height = float(excess[place])
            if height <= 0:
                continue
            within = min(max(_BACK_WITHIN[0], int(_BACK_SHARE * place)), _BACK_WITHIN[1])
            after = means[place + 1 : place + 1 + within]
            back = np.flatnonzero(after <= medians[place] + height / 2)
            is_back = len(back) > 0 and bool(points.is_now[place + 1 + int(back[0])])
            # Two points in a row as bad as the beginning, from which the run had come far.
            is_collapse = (
                len(back) == 0
                and place + 1 < len(points)
                and bool(points.is_now[place + 1])
                and min(means[place], means[place + 1]) >= beginning >= medians[place] + scale.least(_FAR)
            )
            if not (is_back or is_collapse):
                continue
            usual = excess[_FEWEST_BEFORE:place]
            probability = beyond(height, usual, prior=_PRIOR)
            if len(usual) >= _PLENTY:
                probability = max(probability, tail_probability(height, usual))
            found.append(_Candidate(place, height, probability, is_collapse))
        return found, max(1, len(now))


def _medians(values: Floats) -> Floats:
    """Return for each point the median of up to 32 before it; itself where there are fewer than 5."""
    found = values.copy()
    for place in range(_FEWEST_BEFORE, min(_BEFORE, len(values))):
        found[place] = np.median(values[:place])
    if len(values) > _BEFORE:
        windows = np.lib.stride_tricks.sliding_window_view(values[:-1], _BEFORE)
        found[_BEFORE:] = np.median(windows, axis=1)
    return found
