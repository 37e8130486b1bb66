"""A measure of a training run is outside of where it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves.earlier import BAND, BINS, LENGTH, comparable, known_of
from shipper.detect.curves.points import Points, chosen_points
from shipper.detect.curves.watched import Watched, early, step_of
from shipper.detect.detectors.base import Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.probability import MAX_SCORE, significance, student_tail

_LEAST_SPREAD: Final = 0.02
_SOME: Final = 3
_USUAL: Final = Watched(change=0.5)


@dataclass(frozen=True, slots=True)
class MetricBand:
    """A value beyond given bounds, or a level that no earlier run had at this part of its steps.

    Idea: *given* bounds are what somebody knows; a value beyond them is a fact, and so one is enough. *Learnt* ones: the steps of the
    earlier runs that finished are cut into twentieths; the mean of this window's points is compared with the means of these runs in
    the same twentieth and its neighbours (by the median length of them), by the prediction interval of a sample of so many, on both
    sides; it has to be outside of all three.
    Fails: learnt, with fewer than 5 earlier runs; beyond their length; with another schedule in the same experiment; one value that is
    off while the window's mean is not (`loss_spike` with this field).
    Cost: one pass over the window's points; twenty numbers per earlier run.
    Source: Student's prediction interval; Shewhart, Economic control of quality (1931), for bands.

    Attributes:
        band: least and most value; None: learnt.
    """

    watched: Watched = _USUAL
    band: tuple[float | None, float | None] | None = None
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the value, or mean, that is furthest out."""
        said = early(current)
        if said is not None:
            return said
        past = reference.baseline
        points = chosen_points(past, current, self.watched.window_us, self.watched.split)
        seen = len(points)
        points = points.take(points.is_now)
        if not len(points):
            return not_enough(0, 1, f"points of {self.watched.name} in the window")
        if self.band is not None:
            return self._given(points, current, self.band, seen)
        return self._learnt(points, comparable(reference.previous, current, self.watched.baseline_us))

    def _given(
        self, points: Points, current: Table, band: tuple[float | None, float | None], seen: int
    ) -> Score:
        least = -math.inf if band[0] is None else band[0]
        most = math.inf if band[1] is None else band[1]
        above, below = float(points.highs.max()) - most, least - float(points.lows.min())
        is_above = above >= below
        place = int(np.argmax(points.highs) if is_above else np.argmin(points.lows))
        value = float((points.highs if is_above else points.lows)[place])
        bound = most if is_above else least
        outside = max(above, below) > 0
        if not outside and seen < _SOME:
            return not_enough(seen, _SOME, f"points of {self.watched.name}")
        step = step_of(points, place, current) if is_above else int(points.at[place])
        return Score(
            value=MAX_SCORE if outside else 0.0,
            effect=abs(value - bound) if math.isfinite(bound) else 0.0,
            is_effective=outside,
            observed=value,
            expected=bound if math.isfinite(bound) else value,
            threshold=bound if math.isfinite(bound) else value,
            count=int(points.counts.sum()),
            have=seen,
            need=_SOME,
            facts={
                "step": step,
                "metric": self.watched.name,
                "words": f"{self.watched.name} is {value:.4g} at step {step}, {'above' if is_above else 'below'} {bound:.4g}",
            },
        )

    def _learnt(self, points: Points, earlier: Table) -> Score:
        watched = self.watched
        lengths = known_of(earlier, LENGTH)
        if len(lengths) < watched.runs:
            return not_enough(len(lengths), watched.runs, "earlier runs that finished")
        length = float(np.median(lengths))
        step = float(points.at.max())
        place = int(step / length * BINS) if length > 0 else BINS
        if place >= BINS:
            return not_enough(0, watched.runs, f"earlier runs with a step {int(step)}")
        # Within a twentieth and from one to the next a schedule may change; the nearest of the three counts.
        near = earlier.block(BAND)[:, max(0, place - 1) : place + 2].T
        bands = [one[np.isfinite(one)] for one in near if np.isfinite(one).sum() >= watched.runs]
        past = earlier.block(BAND)[:, place]
        past = past[np.isfinite(past)]
        if len(past) < watched.runs:
            return not_enough(len(past), watched.runs, "earlier runs with values at this part of their steps")
        mean = float((points.means * points.counts).sum() / points.counts.sum())
        chance, usual, off = max(
            (_off(mean, one) for one in bands), key=lambda found: (found[0], -abs(found[2]))
        )
        # Each twentieth of a run's steps is one test of its own, whatever the number of windows that it takes.
        return Score(
            value=significance(min(1.0, chance * BINS * watched.once)),
            effect=abs(off),
            is_effective=abs(off) >= watched.change,
            observed=mean,
            expected=usual,
            threshold=usual * (1 + watched.change) if off >= 0 else usual / (1 + watched.change),
            count=int(points.counts.sum()),
            have=len(past),
            need=watched.runs,
            facts={
                "step": int(step),
                "metric": watched.name,
                "words": f"{watched.name} is {mean:.4g} at step {int(step)}, {len(past)} earlier runs had {usual:.4g} there",
            },
        )


def _off(mean: float, past: Floats) -> tuple[float, float, float]:
    """Return the two-sided P(as far off), the median of the past, and the relative distance from it."""
    is_log = mean > 0 and float(past.min()) > 0
    usual = float(np.median(past))
    values, seen = (np.log(past), math.log(mean)) if is_log else (past, mean)
    size = 1.0 if is_log else max(float(np.median(np.abs(past))), 1e-300)
    spread = max(float(values.std(ddof=1)), _LEAST_SPREAD * size)
    off = seen - float(np.median(values))
    chance = 2 * student_tail(abs(off) / (spread * math.sqrt(1 + 1 / len(values))), len(values) - 1)
    relative = math.copysign(math.expm1(min(abs(off), 700.0)), off) if is_log else off / size
    return min(1.0, chance), usual, relative
