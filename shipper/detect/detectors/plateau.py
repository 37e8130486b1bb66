"""A training run goes on and gets no better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from shipper.detect.curves.noise import blocks_of
from shipper.detect.curves.points import Points, Scale
from shipper.detect.curves.watched import Watched, judged_points
from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.probability import significance

_BLOCKS: Final = 60
_STRETCH: Final = 0.5
"""Part of the run, by steps, in which nothing may have improved."""
_USUAL: Final = Watched(change=0.02)


@dataclass(frozen=True, slots=True)
class Plateau(FixedStandard):
    """The second half of all steps so far brought no improvement that is worth it.

    Idea: the last half is cut into up to 60 blocks, and these into thirds, of which none may differ from another; noise is what
    neighbouring blocks differ by. The test is one of equivalence: it is improbable that they differ by as much as the
    least effect (2 %) and noise hides it. So too much noise is "unclear", and never "plateau". Half of the run,
    because a curve that falls ever more slowly (a power law) still gains in each doubling.
    Fails: a run that converged early and goes on is one, healthy or not; what only a later drop of the learning rate would cure; a
    run whose steps do not advance (`stalled`); cycles longer than half of the run.
    Cost: one pass over the points.
    Source: Schuirmann, A comparison of the two one-sided tests procedure (1987), of which this is the side that matters.
    """

    watched: Watched = _USUAL
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the last third's mean, expected what it should have reached."""
        watched = self.watched
        points = judged_points(watched, reference.baseline, current)
        if isinstance(points, Score):
            return points
        first, last = float(points.at[0]), float(points.at[-1])
        half = points.take(points.at >= last - _STRETCH * (last - first))
        if len(half) < watched.points or len(points) < 2 * watched.points or last <= first:
            return not_enough(min(len(points), 2 * len(half)), 2 * watched.points, "points at new steps")
        return self._told(half, Scale.of(points), len(points))

    def _told(self, half: Points, scale: Scale, have: int) -> Score:
        """Judge the second half of a run's points."""
        watched, last = self.watched, int(half.at[-1])
        blocks = blocks_of(scale.to(half.means), _BLOCKS)
        third = max(1, len(blocks.means) // 3)
        thirds = [
            float(one.mean())
            for one in (blocks.means[:third], blocks.means[third:-third], blocks.means[-third:])
        ]
        before, after = thirds[0], thirds[-1]
        gained, least = before - after, scale.least(watched.change)
        # What goes up is no plateau, and neither is what went up on the way and comes down again.
        width = max(thirds) - min(thirds)
        since = int(half.at[0])
        return Score(
            value=significance(blocks.sureness(least - width, third, third)),
            effect=gained,
            is_effective=width < least,
            observed=watched.shown(scale.back(after)),
            expected=watched.shown(scale.back(before - least)),
            threshold=watched.shown(scale.back(before - least)),
            count=len(half),
            have=have,
            need=2 * watched.points,
            facts={
                "step": last,
                "since_step": since,
                "metric": watched.name,
                "words": f"{watched.name} has not become better by {watched.change:.1%} since step {since}: it is "
                f"{watched.shown(scale.back(after)):.4g} at step {last}, {watched.shown(scale.back(before)):.4g} before",
            },
        )
