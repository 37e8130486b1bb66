"""Mean cost of a prediction, or the mean over classes of precision, recall, F1 or false-negative rate, became worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import FEW_EVENTS, Enough, Fact, Reference, Score, not_enough
from shipper.detect.detectors.metric_share import Comparison
from shipper.detect.fetching.label_coverage import Coverage, known_share, settled
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.dispersion import dispersion_of
from shipper.detect.judging.quality_words import AGAINST, about, percent
from shipper.detect.judging.scores import deviations, scores_probability
from shipper.detect.rules.quality_rule import Name, QualityEffect
from shipper.detect.statistics.confusion import classes_of, confusion, shown, stored
from shipper.detect.statistics.probability import significance
from shipper.detect.statistics.tilting import mean_interval, mean_tail

_ENOUGH: Final = Enough()
_EFFECT: Final = QualityEffect()
_NO_COSTS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QualityMean:
    """A mean over labelled predictions, of costs or of what each adds to a macro average, against goal, version and past.

    Idea: a cost is a number per cell of the confusion matrix; its mean is compared with that of the cohorts before by the
    permutation distribution of a sum of scores (`shipper.detect.judging.scores`), which is right for a few costly mistakes among
    thousands as well, and with a goal by the tilted saddlepoint of `shipper.detect.statistics.tilting`. A macro
    average is treated the same way through its first-order expansion: each cell counts for what one more
    prediction in it does to the average. Labels still to come are taken to prove the model right.
    Fails: macro averages over classes of a handful of cases, whose expansion is coarse; costs that depend on more than
    the two classes.
    Cost: K x K columns per cohort.
    Source: Robinson (1982) for the tail; Efron, Nonparametric standard errors and confidence intervals (1981); the
    infinitesimal jackknife, Jaeckel (1972), for the expansion.

    Attributes:
        measure: `cost`, or a measure of one class of which the mean over classes is taken.
        costs: cost by true and predicted class; 0 where none is stated.
    """

    measure: Name = "cost"
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: _NO_COSTS)
    goal: float | None = None
    comparisons: tuple[str, ...] = ("goal", "previous_version", "baseline")
    effect: QualityEffect = _EFFECT
    minimum_coverage: float = 0.8
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are costs per prediction, or the average."""
        del level  # the reported threshold is that of the effect
        baseline = settled(reference.baseline)
        previous = settled(reference.previous) if reference.previous is not None else None
        classes = classes_of(one for one in (current, baseline, previous) if one is not None)
        coverage = Coverage.of(baseline, classes, self.minimum_coverage)
        lacking = coverage.lacking(current)
        if lacking is not None:
            return lacking
        now = confusion(current, classes)[0]
        if now.sum() < self.enough.samples:
            return not_enough(now.sum(), self.enough.samples, f"labelled {FEW_EVENTS}")
        at_best = now + np.diag(coverage.outstanding(current))
        known = {"previous_version": previous, "baseline": baseline}
        found = list(self._compare(at_best, known, classes))
        if not found:
            cells = confusion(baseline, classes).sum(axis=(1, 2))
            windows = int((cells > 0).sum())
            if windows < self.enough.baseline_windows:
                return not_enough(windows, self.enough.baseline_windows, "baseline windows")
            return not_enough(cells.sum(), self.enough.baseline_samples, "labels in the baseline")
        worst = min(found, key=lambda one: (not one.is_effective, one.probability))
        return self._report(
            worst, len(found), current, now, confusion(baseline, classes).sum(axis=0), classes
        )

    def _compare(
        self, now: Floats, known: Mapping[str, Table | None], classes: tuple[str, ...]
    ) -> Iterator[Comparison]:
        sign = 1.0 if self._is_lower_better else -1.0
        observed = self._value(now, classes)
        if self.goal is not None and "goal" in self.comparisons:
            values = sign * self._each(now, classes).ravel()
            counts, size = now.ravel(), float(now.sum())
            tail = mean_tail(values, counts, size, sign * self.goal, float(values @ counts) / size)
            worse = sign * (observed - self.goal)
            yield Comparison("goal", tail, self.goal, worse, worse > 0)
        for against, table in known.items():
            if table is None or against not in self.comparisons:
                continue
            history = confusion(table, classes)
            sizes = history.sum(axis=(1, 2))
            if self.enough.lacking(self.enough.samples, float(sizes.sum()), int((sizes > 0).sum())):
                continue
            before = history.sum(axis=0)
            expected = self._value(before, classes, of=now)
            worse = sign * (observed - expected)
            matters = worse >= self.effect.least(expected, is_cost=self.measure == "cost")
            tail = self._tail(now, history, classes, sign)
            yield Comparison(against, tail, expected, worse, matters)

    def _tail(self, now: Floats, history: Floats, classes: tuple[str, ...], sign: float) -> float:
        """Return the probability of a mean as bad if the cohort is a draw of all predictions."""
        both = now + history.sum(axis=0)
        scores = sign * self._each(both, classes).ravel()
        rows = history.reshape(len(history), -1)
        rows = rows[rows.sum(axis=1) > 0]
        squares = deviations(rows, both.ravel(), scores) ** 2
        dispersion = dispersion_of(squares, 1) if len(rows) >= 2 else 1.0
        off = deviations(now.reshape(1, -1), both.ravel(), scores)[0]
        if off <= 0:
            return 1.0
        return scores_probability(now.ravel(), both.ravel(), scores, dispersion) / 2

    @property
    def _is_lower_better(self) -> bool:
        return self.measure in ("cost", "false_negative_rate")

    def _each(self, cells: Floats, classes: tuple[str, ...]) -> Floats:
        """Return what one prediction of each cell counts for; the mean of it over `cells` is the value."""
        if self.measure == "cost":
            return np.array(
                [[_cost(self.costs, true, predicted) for predicted in classes] for true in classes],
                dtype=float,
            )
        true, predicted, hits = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
        seen = np.flatnonzero(self._cases(cells) > 0)
        total = cells.sum()
        found = np.zeros_like(cells)
        for place in seen:
            hit, row, column = np.zeros_like(cells), np.zeros_like(cells), np.zeros_like(cells)
            hit[place, place], row[place, :], column[:, place] = 1.0, 1.0, 1.0
            if self.measure == "precision":
                part, of, base = hit, column, predicted[place]
            elif self.measure == "f1":
                part, of, base = 2 * hit, row + column, true[place] + predicted[place]
            else:
                part, of, base = hit, row, true[place]
            value = part[place, place] * hits[place] / base
            found += value + (part - value * of) * total / base
        found /= max(1, len(seen))
        return 1 - found if self.measure == "false_negative_rate" else found

    def _cases(self, cells: Floats) -> Floats:
        true, predicted = cells.sum(axis=1), cells.sum(axis=0)
        found: Floats = {"precision": predicted, "f1": true + predicted}.get(self.measure, true)
        return found

    def _value(self, cells: Floats, classes: tuple[str, ...], *, of: Floats | None = None) -> float:
        """Return the measure of some cells; of those classes alone that `of` has cases of."""
        if self.measure == "cost":
            return float((cells * self._each(cells, classes)).sum() / cells.sum())
        cases, hits = self._cases(cells), np.diag(cells)
        seen = (cases > 0) & (self._cases(cells if of is None else of) > 0)
        if not seen.any():
            return 0.0
        value = float((hits * (2 if self.measure == "f1" else 1))[seen] @ (1 / cases[seen]) / seen.sum())
        return 1 - value if self.measure == "false_negative_rate" else value

    def _report(
        self,
        worst: Comparison,
        tests: int,
        current: Table,
        now: Floats,
        before: Floats,
        classes: tuple[str, ...],
    ) -> Score:
        observed, total = self._value(now, classes), float(now.sum())
        low = high = observed
        if worst.is_effective:  # else nobody asks, and it takes a while
            low, high = mean_interval(self._each(now, classes).ravel(), now.ravel())
        is_cost = self.measure == "cost"
        low, high = (low, high) if is_cost else (max(0.0, low), min(1.0, high))
        text = (lambda value: f"{value:.4g}") if is_cost else percent
        what = about(self.measure, classes=0 if is_cost else int((self._cases(now) > 0).sum()))
        margin = 0.0 if worst.against == "goal" else self.effect.least(worst.expected, is_cost=is_cost)
        facts: dict[str, Fact] = {
            "measure": self.measure if is_cost else f"macro {self.measure}",
            "against": worst.against,
            "interval_low": round(low, 6),
            "interval_high": round(high, 6),
            "cases": int(total),
            "words": (
                f"{what} is {text(observed)} (95% interval {text(low)} to {text(high)}; {total:,.0f} labelled), "
                f"{AGAINST[worst.against].format(text(worst.expected))}"
            ),
            **self._confused(now, before, classes),
            **known_share(current),
        }
        return Score(
            value=significance(min(1.0, worst.probability * tests)),
            effect=worst.effect,
            is_effective=worst.is_effective,
            observed=observed,
            expected=worst.expected,
            threshold=worst.expected + (margin if self._is_lower_better else -margin),
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts=facts,
        )

    def _confused(self, now: Floats, before: Floats, classes: tuple[str, ...]) -> dict[str, Fact]:
        """Return the classes of the mistake whose part in the worsening is the largest."""
        growth = now / now.sum() - before / max(1.0, before.sum())
        growth = growth * self._each(now, classes) if self.measure == "cost" else growth
        growth[np.eye(len(classes), dtype=np.bool_)] = -np.inf
        true, predicted = np.unravel_index(int(np.argmax(growth)), growth.shape)
        if now[true, predicted] <= 0 or true == predicted:
            return {}
        return {"actual": shown(classes[true]), "predicted": shown(classes[predicted])}


def _cost(costs: Mapping[str, Mapping[str, float]], true: str, predicted: str) -> float:
    for name, row in costs.items():
        if stored(name) == true:
            return next((cost for other, cost in row.items() if stored(other) == predicted), 0.0)
    return 0.0
