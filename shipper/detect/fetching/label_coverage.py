"""How many labels of a cohort are in, and what those that are not could still change.

Labels come late, and which come first is no accident: a chargeback proves a fraud in days, that there was none takes a
month. Two safeguards keep a young cohort from looking worse than it is, whichever class its labels prefer:

- a cohort is judged only once it has the label coverage of settled cohorts (times a minimum), overall and among the
  predictions of each class: precision depends on the labels of those few predictions, not on all;
- the labels that are still to come by that measure are all taken to prove the model right. A cohort is worse only if it is
  worse even so.

Cohorts of the baseline that are not settled themselves are left out; they would teach what early labels look like.
What this cannot know: whether labels that settled cohorts never got are like those that they have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shipper.detect.detectors.base import Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.confusion import by_class, shown

_BLOCKS: Final = 8
_SETTLED: Final = 0.9
_ENOUGH_PREDICTIONS: Final = 20.0
"""Fewer predictions of a class have no coverage of their own."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of predictions that settled cohorts have labels for: of all, and by predicted class.

    Attributes:
        classes: predicted classes, in the order of `of_class`.
        overall: of all predictions, 0..1; 1 where nothing is known.
        of_class: by class; that of all where a class has few predictions.
        minimum: part of it that a cohort must reach to be judged.
    """

    classes: tuple[str, ...]
    overall: float
    of_class: Floats
    minimum: float

    @classmethod
    def of(cls, baseline: Table, classes: tuple[str, ...], minimum: float) -> Self:
        """Learn from the baseline's settled cohorts."""
        asked, labels = by_class(baseline, "asked", classes), by_class(baseline, "labelled", classes)
        predictions = baseline.column("predictions")
        with_predictions = predictions > 0
        overall = _ratio(baseline.column("labels")[with_predictions].sum(), predictions.sum(), 1.0)
        each = [
            _ratio(found, some, overall) if some >= _ENOUGH_PREDICTIONS else overall
            for found, some in zip(labels[with_predictions].sum(axis=0), asked.sum(axis=0), strict=True)
        ]
        return cls(classes, overall, np.array(each), minimum)

    def lacking(self, current: Table) -> Score | None:
        """Return what a cohort lacks before it can be judged, or None."""
        asked, labels = (
            by_class(current, "asked", self.classes)[0],
            by_class(current, "labelled", self.classes)[0],
        )
        total = float(current.column("predictions")[0])
        of_all = (
            self.overall,
            total,
            float(current.column("labels")[0]),
            "labels of the cohort's predictions",
        )
        wanted = [of_all] + [
            (share, some, found, f"labels of the cohort's predictions of {shown(name)}")
            for share, some, found, name in zip(self.of_class, asked, labels, self.classes, strict=True)
            if some >= _ENOUGH_PREDICTIONS
        ]
        for share, some, found, what in wanted:
            need = math.ceil(self.minimum * share * some - 1e-9)
            if total > 0 and found < need:
                return not_enough(found, need, what)
        return None

    def outstanding(self, current: Table) -> Floats:
        """Return the labels still to come, by predicted class, in events as the cells count them."""
        labels = by_class(current, "labelled", self.classes)[0]
        asked = by_class(current, "asked", self.classes)[0]
        worth = _ratio(current.block("cells")[0].sum(), current.column("labels")[0], 1.0)
        missing: Floats = np.maximum(0.0, self.of_class * asked - labels) * worth
        return missing


def settled(baseline: Table) -> Table:
    """Return the baseline without its newest cohorts that still wait for labels which older ones have."""
    predictions, labels = baseline.column("predictions"), baseline.column("labels")
    if not (predictions > 0).any() or len(baseline) < 2:
        return baseline
    edges = np.unique(np.linspace(0, len(baseline), min(_BLOCKS, len(baseline)) + 1).astype(int))
    asked = np.add.reduceat(predictions, edges[:-1])
    shares = np.divide(np.add.reduceat(labels, edges[:-1]), asked, out=np.zeros(len(asked)), where=asked > 0)
    older = edges[max(1, len(shares) // 2)]
    usual = _ratio(labels[:older].sum(), predictions[:older].sum(), 0.0)
    kept = len(shares)
    while kept > 1 and shares[kept - 1] < _SETTLED * usual:
        kept -= 1
    return baseline.take(slice(0, int(edges[kept])))


def known_share(current: Table) -> dict[str, float]:
    """Return the share of a cohort's predictions that have their label, as a fact; nothing where it is not asked for."""
    predictions = float(current.column("predictions")[0])
    return (
        {"label_coverage": round(float(current.column("labels")[0]) / predictions, 4)} if predictions else {}
    )


def _ratio(some: float, whole: float, otherwise: float) -> float:
    return min(1.0, float(some) / float(whole)) if whole > 0 else otherwise
