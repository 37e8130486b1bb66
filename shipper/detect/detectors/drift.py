"""Inputs (or outputs) of a model are distributed differently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.detectors.base import Enough, Fact, Reference, Score
from shipper.detect.probability import chi_squared_tail, significance
from shipper.detect.table import Floats, Table

MISSING: Final = "missing"
"""Part of a feature's block that counts the events without a value."""

_SHOWN_FEATURES: Final = 10
_FEWEST_PER_BIN: Final = 5.0


class FeatureDrift(NamedTuple):
    """How far one feature moved.

    Its effect, the probability of that by chance, the shares of missing values, and the bin that grew most.
    """

    feature: str
    psi: float
    probability: float
    missing: float
    missing_expected: float
    grown: str


_ENOUGH: Final = Enough(samples=100, baseline_samples=400, baseline_windows=3)


@dataclass(frozen=True, slots=True)
class Drift:
    """Each feature's histogram against the baseline's; a missing value is a bin of its own.

    Idea: the population stability index (PSI) says how far a histogram moved, less what chance alone
    moves at these sample sizes; a chi-squared test of homogeneity says whether chance explains it. Its
    statistic is divided by the dispersion of the baseline's own windows, so that inputs which always
    come in clumps (a user at a time) are not taken for drift. Benjamini and Hochberg's procedure covers
    the number of features. The bins are quantiles of the feature's first windows, cut in Elasticsearch.
    Fails: changes of the relation between features that leave each alone unmoved; changes inside a
    bin, above all the outer ones; a feature that follows the hour of the day more than the baseline shows.
    Cost: features x bins per baseline window; one block `<feature>/<bin>` per feature, and `events`.
    Source: Karakoulas, Empirical validation of retail credit-scoring models (2004), for PSI; Rao and
    Scott (1981) for the correction by dispersion; Benjamini and Hochberg (1995).
    """

    minimum_psi: float = 0.2
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "psi"
    can_pool: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed and effect are the PSI of the feature that moved most."""
        baseline = reference.baseline
        events = baseline.column("events")
        total = current.column("events")[0]
        lacking = self.enough.lacking(total, float(events.sum()), int((events > 0).sum()))
        if lacking is not None:
            return lacking
        names = [block for block in current.blocks if block != "events"]
        moved = _adjusted([feature_drift(name, current, baseline) for name in names])
        if not moved:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=self.minimum_psi, count=int(total))
        worst = min(moved, key=lambda one: (one.psi < self.minimum_psi, one.probability, -one.psi))
        standing_out = [one for one in moved if one.psi >= self.minimum_psi and one.probability <= level]
        standing_out.sort(key=lambda one: -one.psi)
        return Score(
            value=significance(worst.probability),
            effect=worst.psi,
            is_effective=worst.psi >= self.minimum_psi,
            observed=worst.psi,
            expected=0.0,
            threshold=self.minimum_psi,
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts=_facts(worst, standing_out, len(moved)),
            suspects=tuple(one.feature for one in standing_out),
        )


def feature_drift(name: str, current: Table, baseline: Table) -> FeatureDrift:
    """Compare one feature's bins; the probability is not yet adjusted for the number of features."""
    bins, history = current.block(name)[0], baseline.block(name)
    pooled = history.sum(axis=0)
    n, m = float(bins.sum()), float(pooled.sum())
    if n <= 0 or m <= 0:
        return FeatureDrift(name, 0.0, 1.0, 0.0, 0.0, "")
    statistic, degrees = _homogeneity(bins, pooled)
    statistic /= _dispersion(history, pooled)
    parts = current.parts(name)
    where = parts.index(MISSING) if MISSING in parts else None
    return FeatureDrift(
        name,
        _psi(bins, pooled),
        chi_squared_tail(statistic, degrees) if degrees else 1.0,
        float(bins[where] / n) if where is not None else 0.0,
        float(pooled[where] / m) if where is not None else 0.0,
        parts[int(np.argmax(bins / n - pooled / m))],
    )


def _psi(bins: Floats, pooled: Floats) -> float:
    """Return the population stability index less its expectation under no change, at least 0."""
    seen = (bins > 0) | (pooled > 0)
    p, q = pooled[seen] + 0.5, bins[seen] + 0.5
    p, q = p / p.sum(), q / q.sum()
    by_chance = (int(seen.sum()) - 1) * (1 / bins.sum() + 1 / pooled.sum())
    return max(0.0, float(np.sum((q - p) * np.log(q / p))) - float(by_chance))


def _homogeneity(bins: Floats, pooled: Floats) -> tuple[float, int]:
    """Return the chi-squared statistic of two samples over bins, and its degrees of freedom."""
    n, m = bins.sum(), pooled.sum()
    expected = (bins + pooled) * n / (n + m)
    # Bins too rare for the approximation are judged together; one that filled up stands for itself.
    rare = np.maximum(expected, bins) < _FEWEST_PER_BIN
    if rare.any():
        bins = np.append(bins[~rare], bins[rare].sum())
        pooled = np.append(pooled[~rare], pooled[rare].sum())
    both = bins + pooled
    bins, pooled, both = bins[both > 0], pooled[both > 0], both[both > 0]
    e_bins, e_pooled = both * n / (n + m), both * m / (n + m)
    statistic = np.sum((bins - e_bins) ** 2 / e_bins) + np.sum((pooled - e_pooled) ** 2 / e_pooled)
    return float(statistic), len(both) - 1


def _dispersion(history: Floats, pooled: Floats) -> float:
    """Return by how much the baseline's windows vary more than chance; at least 1.

    The mean of their statistics per degree of freedom, with one standard error added as a guard.
    """
    history = history[history.sum(axis=1) > 0]
    totals, m = history.sum(axis=1), float(pooled.sum())
    if len(history) < 2:
        return 1.0
    rare = pooled / m * totals.mean() < _FEWEST_PER_BIN
    if rare.any():
        history = np.column_stack((history[:, ~rare], history[:, rare].sum(axis=1)))
        pooled = np.append(pooled[~rare], pooled[rare].sum())
    history, pooled = history[:, pooled > 0], pooled[pooled > 0]
    expected = totals[:, None] * pooled / m
    # A window is part of the whole that it is compared with, which takes n/m from its variance.
    own = np.maximum(1e-9, 1 - totals / m)[:, None]
    degrees = len(history) * (len(pooled) - 1)
    if degrees == 0:
        return 1.0
    statistic = float(np.sum((history - expected) ** 2 / (expected * own)))
    return max(1.0, statistic / degrees + math.sqrt(2 / degrees))


def _adjusted(moved: list[FeatureDrift]) -> list[FeatureDrift]:
    """Return the same with Benjamini and Hochberg's adjusted probabilities."""
    order = sorted(range(len(moved)), key=lambda i: -moved[i].probability)
    adjusted, lowest = list(moved), 1.0
    for rank_from_top, i in enumerate(order):
        rank = len(moved) - rank_from_top
        lowest = min(lowest, moved[i].probability * len(moved) / rank)
        adjusted[i] = moved[i]._replace(probability=lowest)
    return adjusted


def _facts(worst: FeatureDrift, standing_out: list[FeatureDrift], tested: int) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "feature": worst.feature,
        "grown_bin": worst.grown,
        "features_tested": tested,
        "features_moved": len(standing_out),
        "missing_share": round(worst.missing, 4),
        "missing_share_expected": round(worst.missing_expected, 4),
    }
    for one in standing_out[:_SHOWN_FEATURES]:
        facts[f"drift.{one.feature}"] = (
            f"psi {one.psi:.3f}, missing {one.missing:.1%} against {one.missing_expected:.1%}"
        )
    return facts
