"""A training run fits its own data only, or not even those."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.earlier import comparable, final_level, known_of
from shipper.detect.curves.noise import blocks_of
from shipper.detect.curves.points import Points, Scale, points_of, since_begun, train_points
from shipper.detect.curves.watched import POINTS_NOW, Watched, early
from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.detectors.divergence import AT_ONCE, BLOCKS, worsening
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.probability import significance, student_tail

_FEWEST: Final = 8
_FEWEST_TRAIN: Final = 5
_FALLING: Final = 0.05
_LEAST_SPREAD: Final = 0.02
_NONE: Final = Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=0.0)
_USUAL: Final = Watched()


@dataclass(frozen=True, slots=True)
class Fitting(FixedStandard):
    """Overfitting while the run goes on; underfitting when it has ended.

    Idea: *overfitting* is two things at once: the validation loss has risen from its best, surely and by more than
    the effect, and the training loss has fallen since. Each has its own test; the less sure of the two counts. *Underfitting*
    is said once, at the end: both losses end above what the last runs of the same kind ended with, by the
    effect and beyond what these runs differ by (the prediction interval of a sample of so many).
    Fails: fewer than 8 points of validation; validation loss that rises while the training loss stands still (that is
    `divergence` of the split `validation`); underfitting with fewer than 5 earlier runs that finished.
    Cost: one pass over the points; one row per earlier run.
    Source: Prechelt, Early stopping - but when? (1998); intersection-union tests: Berger, Multiparameter hypothesis testing (1982).
    """

    watched: Watched = _USUAL
    is_under: bool = False
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the validation loss, expected its best, or that of the earlier runs."""
        said = early(current)
        if said is not None:
            return said
        return self._under(current, reference) if self.is_under else self._over(current, reference)

    def _over(self, current: Table, reference: Reference) -> Score:
        watched = self.watched
        past = reference.baseline
        # A learning rate that is raised changes both losses alike; where it does, the comparison begins anew.
        valid = watched.turned(points_of(past, current, layout.VALIDATION, watched.window_us))
        valid = since_begun(valid, past, current, watched.window_us)
        # By epoch, as the validation, where there is that: it is much smoother than by step.
        by_epoch = points_of(past, current, layout.EPOCH, watched.window_us)
        is_enough = len(by_epoch) >= _FEWEST_TRAIN
        train = watched.turned(by_epoch if is_enough else train_points(past, current, watched.window_us))
        train = since_begun(train, past, current, watched.window_us)
        fewest = max(_FEWEST, watched.points // 2)
        if len(valid) < fewest:
            return not_enough(len(valid), fewest, "points of the run on validation data")
        if not valid.is_now.any() and not train.is_now.any():
            return not_enough(0, 1, POINTS_NOW)
        scale = Scale.of(valid)
        blocks = blocks_of(scale.to(valid.means), BLOCKS)
        found = worsening(blocks)
        best = len(valid) - (len(blocks.means) - found.place - 1) * blocks.size - 1
        falling, fell = _falling(train, float(valid.times[best]))
        height = found.newest - found.best
        best_step, last = int(valid.at[best]), int(valid.at[-1])
        rose = watched.shown(scale.back(found.newest)), watched.shown(scale.back(found.best))
        return Score(
            value=significance(found.probability),
            effect=float(np.expm1(min(height, 700.0))) if scale.is_log else height,
            is_effective=height >= scale.least(watched.change) and falling <= _FALLING,
            observed=rose[0],
            expected=rose[1],
            threshold=watched.shown(scale.back(found.best + scale.least(watched.change))),
            count=len(valid),
            have=len(valid),
            need=_FEWEST,
            facts={
                "step": last,
                "best_step": best_step,
                "metric": watched.name,
                "train_change": fell,
                "words": f"{watched.name} on validation data has risen to {rose[0]:.4g} from {rose[1]:.4g} at step "
                f"{best_step}, while that on training data fell by {fell:.1%}",
            },
        )

    def _under(self, current: Table, reference: Reference) -> Score:
        watched = self.watched
        if current.column(layout.FINISHED)[0] <= 0:
            return _NONE
        earlier = comparable(reference.previous, current, watched.baseline_us)
        levels = [
            final_level(watched.turned(one))
            for one in (
                train_points(reference.baseline, current, watched.window_us),
                points_of(reference.baseline, current, layout.VALIDATION, watched.window_us),
            )
        ]
        known = [
            (level, watched.shown(1.0) * known_of(earlier, name))
            for level, name in zip(levels, ("final.train", "final.validation"), strict=True)
            if level is not None
        ]
        fewest = min((len(past) for _, past in known), default=0)
        if fewest < watched.runs:
            return not_enough(fewest, watched.runs, "earlier runs that finished")
        chances, heights = zip(*(_unusual(level, past) for level, past in known), strict=True)
        height, (level, past) = min(heights), known[-1]
        usual = float(np.median(past))
        return Score(
            value=significance(min(1.0, max(chances) * watched.once)),
            effect=height,
            is_effective=height >= watched.change,
            observed=watched.shown(level),
            expected=watched.shown(usual),
            threshold=watched.shown(usual + watched.change * abs(usual)),
            count=fewest,
            have=fewest,
            need=watched.runs,
            facts={
                "metric": watched.name,
                "runs": fewest,
                "words": f"the run ended with {watched.name} {watched.shown(level):.4g} where the last {fewest} runs had "
                f"{watched.shown(usual):.4g}, on training data no better",
            },
        )


def _falling(points: Points, since_us: float) -> tuple[float, float]:
    """Return the probability that a curve lies as far below its level of a moment by chance, and by which part it does.

    What rose in between and falls again has to be below where it was: both losses leap when a learning rate is raised.
    """
    if len(points) < _FEWEST_TRAIN:
        return 1.0, 0.0
    scale = Scale.of(points)
    blocks = blocks_of(scale.to(points.means), BLOCKS)
    then = len(blocks.means) - 1 - int((points.times > since_us).sum()) // blocks.size
    before = blocks.means[max(0, then - AT_ONCE + 1) : then + 1]
    newest = blocks.means[max(then + 1, len(blocks.means) - AT_ONCE) :]
    if not len(before) or not len(newest):
        return 1.0, 0.0
    fell = float(before.mean() - newest.mean())
    chance = blocks.sureness(fell, len(before), len(newest))
    return chance, (-math.expm1(-fell) if scale.is_log else fell)


def _unusual(level: float, past: np.ndarray) -> tuple[float, float]:
    """Return P(a run ends as high) by earlier runs, and by which part it is higher."""
    if level > 0 and float(past.min()) > 0:
        level, past = math.log(level), np.log(past)
        size = 1.0
    else:
        size = max(float(np.median(np.abs(past))), 1e-300)
    n = len(past)
    spread = max(float(past.std(ddof=1)), _LEAST_SPREAD * size)
    off = level - float(past.mean())
    height = math.expm1(off) if size == 1.0 else off / size
    return student_tail(off / (spread * math.sqrt(1 + 1 / n)), n - 1), height
