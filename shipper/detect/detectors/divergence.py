"""A training run gets worse and does not come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves.noise import Blocks, blocks_of
from shipper.detect.curves.points import Points, Scale
from shipper.detect.curves.watched import Watched, judged_points
from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.probability import significance

BLOCKS: Final = 40
AT_ONCE: Final = 3
"""Blocks that are taken together: the newest, and the best so far."""

_RISING: Final = 0.01
_FEWEST_RAISED: Final = 2
_FAR: Final = 2.0
"""Relative rise from the best below which nothing much is lost."""
_FIRST: Final = 3
_LOST: Final = 0.5
"""Part of the progress that harder data or a restarted learning rate do not cost."""
_USUAL: Final = Watched(change=0.2)


@dataclass(frozen=True, slots=True)
class Worsening:
    """How the newest blocks compare with the best ones.

    Attributes:
        best, newest: means, on the scale.
        place: block in the middle of the best.
        probability: that the newest are as much worse by chance, whichever blocks had been the best.
    """

    best: float
    newest: float
    place: int
    probability: float


def worsening(blocks: Blocks) -> Worsening:
    """Compare the newest three blocks with the best three in a row before them."""
    means = np.convolve(blocks.means, np.ones(AT_ONCE) / AT_ONCE, mode="valid")
    before = means[:-AT_ONCE]
    place = int(np.argmin(before))
    best, newest = float(before[place]), float(means[-1])
    # The best of many is good by luck, too: Bonferroni over all that could have been it.
    chance = blocks.sureness(newest - best, AT_ONCE, AT_ONCE) * len(before)
    return Worsening(best, newest, place + AT_ONCE // 2, min(1.0, chance))


@dataclass(frozen=True, slots=True)
class Divergence(FixedStandard):
    """The newest points are worse than the best so far, surely and by much, and still on their way up.

    Idea: up to 40 blocks of points since the run last began; the newest three against the best three, with the noise that
    neighbouring blocks show. What leapt to another level and goes on from there (a curriculum, a warm restart whose rate is
    not logged) is no divergence: of the part that lies above half of the rise the second half has to be above the
    first, or the newest three times the best and above half of the way back to the beginning (on a logarithmic scale).
    Fails: the first 20 points; a rise that came at once and costs less than half of the progress; slow worsening by less than the
    effect.
    Cost: one pass over the points.
    Source: von Neumann (1941) for noise by differences; Student's t with half as many degrees of freedom as there are differences.
    """

    watched: Watched = _USUAL
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the newest mean, expected the best; effect is relative."""
        watched = self.watched
        points = judged_points(watched, reference.baseline, current)
        if isinstance(points, Score):
            return points
        if len(points) < watched.points:
            return not_enough(len(points), watched.points, "points of the run")
        scale = Scale.of(points)
        blocks = blocks_of(scale.to(points.means), BLOCKS)
        found = worsening(blocks)
        height = found.newest - found.best
        return Score(
            value=significance(found.probability),
            effect=float(np.expm1(min(height, 700.0))) if scale.is_log else height,
            is_effective=height >= scale.least(watched.change)
            and is_rising(blocks, found, scale.least(_FAR)),
            observed=watched.shown(scale.back(found.newest)),
            expected=watched.shown(scale.back(found.best)),
            threshold=watched.shown(scale.back(found.best + scale.least(watched.change))),
            count=len(points),
            have=len(points),
            need=watched.points,
            facts=told(watched, points, scale, blocks, found),
        )


def is_rising(blocks: Blocks, found: Worsening, far: float) -> bool:
    """Return whether the curve goes on upwards after it has risen, or has lost half of what it had learnt, `far` at least."""
    lost = max(far, _LOST * (float(blocks.means[:_FIRST].max()) - found.best))
    # Most of the newest blocks are up, not one of them alone by a leap.
    usual = float(np.median(blocks.means[-AT_ONCE:]))
    if found.place >= _FIRST and found.newest - found.best >= lost and usual - found.best >= lost / 2:
        return True
    # What leapt to another level is flat or falls from there; only that part is looked at.
    above = blocks.means >= (found.best + found.newest) / 2
    # The first block above may hold some of what was before.
    first = int(np.argmax(above[found.place + 1 :])) + found.place + 2
    half = (len(above) - first) // 2
    if half < _FEWEST_RAISED:
        return False
    part = blocks.means[-2 * half :].copy()
    # Harder data twice in a row rise by leaps, too: without the largest one the rest has to go up by itself.
    leap = int(np.argmax(np.diff(part))) + 1
    part[leap:] -= max(0.0, float(part[leap] - part[leap - 1]))
    return blocks.sureness(float(part[half:].mean() - part[:half].mean()), half, half) <= _RISING


def told(
    watched: Watched, points: Points, scale: Scale, blocks: Blocks, found: Worsening
) -> dict[str, str | int]:
    """Return steps and the sentence."""
    best_step = int(points.at[len(points) - (len(blocks.means) - found.place - 1) * blocks.size - 1])
    last = int(points.at[-1])
    return {
        "step": last,
        "best_step": best_step,
        "metric": watched.name,
        "words": f"{watched.name} has risen to {watched.shown(scale.back(found.newest)):.4g} at step {last} "
        f"from {watched.shown(scale.back(found.best)):.4g} at step {best_step}",
    }
