"""Inputs (or outputs, or labels) of a model are distributed differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import Enough, Fact, Reference, Score, not_enough
from shipper.detect.fetching.table import Table
from shipper.detect.judging.feature_drift import Feature, FeatureDrift, compare, with_distances
from shipper.detect.statistics.discovery import adjusted, any_moved
from shipper.detect.statistics.probability import significance

MISSING: Final = "missing"
"""Part of a feature's block that counts the events without a value."""

OTHER: Final = "other"
"""Part of a categorical feature's block that counts the values without a bin of their own."""

MINIMUM_MOVED: Final = 0.02
"""Default minimum effect: one event in fifty sits elsewhere. A shift by 0.05 standard deviations moves as many."""

MOST_PROBABLE: Final = 1e-3
"""Default of the largest probability by chance, over all tests of all features of a window."""

_SHOWN_FEATURES: Final = 10

_ENOUGH: Final = Enough(samples=100, baseline_samples=400, baseline_windows=3)


@dataclass(frozen=True, slots=True)
class Drift:
    """Each feature's histogram against a reference: the baseline, a fixed one, or what the model was trained on.

    Idea: tests that are exact in small and sparse samples and find small shifts in large ones (ranks for
    location and scale, a chi-squared statistic with its exact moments for the rest, the hypergeometric tail
    of single categories and of missing values) share a feature's level; Bonferroni's bound covers the number
    of features, Benjamini and Hochberg's procedure says which are named. Beside significance
    stands the effect: the largest difference of cumulative shares (numeric) or the share of values in other
    bins (categorical), beyond what chance usually shows. How far ordinary windows went beyond chance, each compared
    with those before it, widens the tails (`shipper.detect.judging.excess`), so that inputs which come in clumps (a user at a
    time), wander, burst or follow the hour are no drift.
    Fails: changes of the relation between features that leave each alone unmoved; changes inside a bin,
    above all beyond the first and last percentile; a feature that follows the hour of the day more than the baseline shows; shifts
    that depend on more than 500 categories, which are one bin.
    Cost: features x bins per baseline window; one block `<feature>/<bin>` per feature, and `events`.
    Source: `shipper.detect.statistics.homogeneity`, `shipper.detect.judging.scores` and `shipper.detect.statistics.discovery` name theirs,
    `shipper.detect.judging.excess` those of the tails.

    Attributes:
        minimum_moved: least share of values that sit elsewhere, 0..1.
        minimum_psi: least population stability index as well, beyond what chance gives.
        probability: a window is past its level only if it is less probable than this, too.
        has_own_reference: compare with `Reference.previous`; the baseline then only shows what varies.
    """

    minimum_moved: float = MINIMUM_MOVED
    enough: Enough = _ENOUGH
    minimum_psi: float = 0.0
    probability: float = MOST_PROBABLE
    has_own_reference: bool = False
    unit: ClassVar[str] = "moved"
    can_pool: ClassVar[bool] = True
    is_learnt: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed and effect are what the feature that stands out most moved by."""
        history = reference.baseline
        against = reference.previous if self.has_own_reference else history
        total = current.column("events")[0]
        lacking = self._lacking(total, against)
        if lacking is not None or against is None:
            return lacking or not_enough(0, 1, "reference")
        names = [block for block in current.blocks if block != "events" and block in against.blocks]
        known = against.summed()
        features = [feature_of(name, current, known, history) for name in names]
        moved = [compare(feature, self.minimum_moved) for feature in features]
        if not moved:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=self.minimum_moved, count=int(total))
        return self._report(moved, features, int(total), level)

    def _lacking(self, total: float, against: Table | None) -> Score | None:
        if against is None:
            return not_enough(0, 1, "reference of its own")
        events = against.column("events")
        windows = len(events) if self.has_own_reference else int((events > 0).sum())
        need = (
            Enough(self.enough.samples, self.enough.baseline_samples, 1)
            if self.has_own_reference
            else self.enough
        )
        return need.lacking(total, float(events.sum()), windows)

    def _report(self, moved: list[FeatureDrift], features: list[Feature], total: int, level: float) -> Score:
        worst = min(moved, key=lambda one: (not self._matters(one), one.probability, -one.moved, one.feature))
        probability = any_moved(worst.probability, len(moved))
        # The test's own bound: past the level only if past the bound as well.
        stretch = max(1.0, level / self.probability)
        named = [
            one
            for one, chance in zip(moved, adjusted([one.probability for one in moved]), strict=True)
            if self._matters(one) and chance * stretch <= level
        ]
        named.sort(key=lambda one: (-one.moved, one.feature))
        return Score(
            value=significance(min(1.0, probability * stretch)),
            effect=worst.moved,
            is_effective=self._matters(worst),
            observed=worst.moved,
            expected=0.0,
            threshold=self.minimum_moved,
            count=total,
            have=total,
            need=self.enough.samples,
            facts=_facts(with_distances(worst, features[moved.index(worst)]), named, len(moved)),
            suspects=tuple(one.feature for one in named),
        )

    def _matters(self, one: FeatureDrift) -> bool:
        return one.moved >= self.minimum_moved and one.psi >= self.minimum_psi


def feature_of(name: str, current: Table, against: Table, history: Table) -> Feature:
    """Return the counts of one feature, those that are compared rounded to whole events; missing values apart where it is numeric.

    Args:
        name: the feature.
        current: one row, the judged window.
        against: one row, the sum of what it is compared with.
        history: the ordinary windows that show how much it varies.
    """
    parts = current.parts(name)
    is_categorical = OTHER in parts
    bins, before = current.block(name)[0].round(), against.block(name)[0].round()
    known = before
    if against.names is not current.names and against.parts(name) != parts:
        known = np.zeros(len(parts))
        for part, count in zip(against.parts(name), before, strict=True):
            if part in parts:
                known[parts.index(part)] = count
    past = history.block(name)
    if past.shape[1] != len(parts):
        past = np.zeros((0, len(parts)))
    if is_categorical or MISSING not in parts:
        nothing = np.zeros(len(past))
        return Feature(name, bins, known, past, parts, is_categorical, (0.0, 0.0), nothing)
    where = parts.index(MISSING)
    kept = [place for place in range(len(parts)) if place != where]
    return Feature(
        name, bins[kept], known[kept], past[:, kept], tuple(parts[place] for place in kept), False,
        (float(bins[where]), float(known[where])), past[:, where],
    )  # fmt: skip


def _facts(worst: FeatureDrift, named: list[FeatureDrift], tested: int) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "feature": worst.feature,
        "grown_bin": worst.grown,
        "test": worst.by,
        "features_tested": tested,
        "features_moved": len(named),
        "psi": round(worst.psi, 4),
        "jensen_shannon": round(worst.js, 4),
        "kolmogorov_smirnov": round(worst.ks, 4),
        "kolmogorov_smirnov_probability": worst.ks_probability,
        "wasserstein_ranks": round(worst.wasserstein, 4),
        "missing_share": round(worst.missing, 4),
        "missing_share_expected": round(worst.missing_expected, 4),
    }
    for one in named[:_SHOWN_FEATURES]:
        facts[f"drift.{one.feature}"] = (
            f"{one.moved:.1%} elsewhere, psi {one.psi:.3f}, missing {one.missing:.1%} against {one.missing_expected:.1%}"
        )
    return facts
