"""Precision, recall, F1, false-negative rate or accuracy became worse: measures that are shares of counted predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.detectors.base import FEW_EVENTS, Enough, Fact, Reference, Score, not_enough
from shipper.detect.detectors.metric_share import wilson
from shipper.detect.fetching.label_coverage import Coverage, known_share, settled
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.quality_words import AGAINST, about, percent
from shipper.detect.judging.share import ShareModel
from shipper.detect.rules.quality_rule import Name, QualityEffect
from shipper.detect.statistics.confusion import OTHERS, classes_of, confusion, shown
from shipper.detect.statistics.probability import binomial_tail, significance

_ALL: Final = ""
_FEW: Final = {
    "accuracy": f"labelled {FEW_EVENTS}",
    "precision": f"labelled predictions of {{name}} among the {FEW_EVENTS}",
    "f1": f"true or predicted {{name}} among the {FEW_EVENTS}",
}
_FEW_TRUE: Final = f"true {{name}} among the {FEW_EVENTS}"

_ENOUGH: Final = Enough()
_EFFECT: Final = QualityEffect()


class _Found(NamedTuple):
    """One class against one thing; values in the measure's own unit, effect positive where it is worse."""

    name: str
    against: str
    probability: float
    observed: float
    expected: float
    effect: float
    is_effective: bool
    bad: float
    total: float


@dataclass(frozen=True, slots=True)
class QualityShare:
    """Shares of a confusion matrix against a goal, the previous model version and the cohorts before.

    Idea: each of these measures says how many of some predictions are bad. Precision: wrong ones of those predicted as the
    class; recall and false-negative rate: missed ones of the true ones; accuracy: wrong ones of all. F1 is 2J / (1 + J) where J is the
    share of hits among all cases that are true or predicted or both; so a test of J, which is a share, is an exact test
    of F1. Against a goal: binomial tail; against cohorts: the beta-binomial tail of `shipper.detect.judging.share`, which knows
    both sample sizes and how much the share wanders by itself. Without a class each is tested, under Bonferroni's
    bound. Labels that are still to come are taken to prove the model right (`shipper.detect.fetching.label_coverage`), the
    value that is told is that of the labels that are in.
    Fails: labels that are given only where the model said yes (recall then is that of the labelled); a share that follows the hour
    more than the baseline shows; classes too rare to reach the least number in twelve windows.
    Cost: one pass over the baseline's cohorts; K x K columns.
    Source: Wilson (1927) for the interval, through the transformation for F1; Skellam (1948) for the tail.
    """

    measure: Name = "precision"
    positive: str | None = None
    goal: float | None = None
    comparisons: tuple[str, ...] = ("goal", "previous_version", "baseline")
    effect: QualityEffect = _EFFECT
    minimum_coverage: float = 0.8
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "share"
    can_pool: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are in the measure's unit, 0..1."""
        del level  # the reported threshold is that of the effect
        baseline = settled(reference.baseline)
        previous = settled(reference.previous) if reference.previous is not None else None
        tables = [one for one in (current, baseline, previous) if one is not None]
        classes = classes_of(tables)
        coverage = Coverage.of(baseline, classes, self.minimum_coverage)
        lacking = coverage.lacking(current)
        if lacking is not None:
            return lacking
        names = self._names(classes)
        counts = {name: self._counts(current, classes, name) for name in names}
        largest = max(counts, key=lambda name: counts[name][1].sum(), default=None)
        total = float(counts[largest][1].sum()) if largest is not None else 0.0
        if largest is None or total < self.enough.samples:
            what = _FEW.get(self.measure, _FEW_TRUE).format(name=shown(self.positive or "a class"))
            return not_enough(total, self.enough.samples, what)
        to_come = dict(zip(classes, coverage.outstanding(current), strict=True))
        known = {"previous_version": previous, "baseline": baseline}
        found = [
            one
            for name in names
            if counts[name][1].sum() >= self.enough.samples
            for one in self._compare(name, counts[name], to_come, known, classes)
        ]
        if not found:
            return self._no_past(baseline, classes, largest)
        worst = min(found, key=lambda one: (not one.is_effective, one.probability, one.name))
        return self._report(worst, len(found), current, baseline, classes)

    def _names(self, classes: tuple[str, ...]) -> list[str]:
        if self.measure == "accuracy":
            return [_ALL]
        if self.positive is not None:
            return [self.positive]
        return [name for name in classes if name != OTHERS]

    def _counts(self, table: Table, classes: tuple[str, ...], name: str) -> tuple[Floats, Floats]:
        """Return bad and all cases of a class, per row."""
        cells = confusion(table, classes)
        if name == _ALL:
            total: Floats = cells.sum(axis=(1, 2))
            return total - np.trace(cells, axis1=1, axis2=2), total
        if name not in classes:
            return np.zeros(len(table)), np.zeros(len(table))
        place = classes.index(name)
        hits = cells[:, place, place]
        wrong, missed = cells[:, :, place].sum(axis=1) - hits, cells[:, place, :].sum(axis=1) - hits
        bad = {"precision": wrong, "f1": wrong + missed}.get(self.measure, missed)
        return bad, bad + hits

    def _compare(
        self,
        name: str,
        counts: tuple[Floats, Floats],
        to_come: dict[str, float],
        known: dict[str, Table | None],
        classes: tuple[str, ...],
    ) -> Iterator[_Found]:
        bad, seen = float(counts[0][0]), float(counts[1][0])
        total = seen + (sum(to_come.values()) if name == _ALL else to_come.get(name, 0.0))
        observed, at_best = self._value(1 - bad / seen), self._value(1 - bad / total)
        if self.goal is not None and "goal" in self.comparisons:
            allowed = 1 - self._share(self.goal)
            tail = binomial_tail(math.ceil(bad - 1e-9), math.ceil(total - 1e-9), allowed)
            worse = self._worse(at_best, self.goal)
            yield _Found(name, "goal", tail, observed, self.goal, worse, worse > 0, bad, seen)
        for against, table in known.items():
            if table is None or against not in self.comparisons:
                continue
            model = ShareModel.of(*self._counts(table, classes, name))
            if self.enough.lacking(total, model.total, model.windows) is not None:
                continue
            expected = self._value(1 - model.rate)
            worse = self._worse(at_best, expected)
            matters = worse >= self.effect.least(expected, is_cost=False)
            yield _Found(name, against, model.tail(bad, total), observed, expected, worse, matters, bad, seen)

    def _value(self, hits: float) -> float:
        """Return the measure for a share of good cases."""
        if self.measure == "f1":
            return 2 * hits / (1 + hits)
        return 1 - hits if self.measure == "false_negative_rate" else hits

    def _share(self, value: float) -> float:
        """Return the share of good cases for a value of the measure."""
        if self.measure == "f1":
            return value / (2 - value)
        return 1 - value if self.measure == "false_negative_rate" else value

    def _worse(self, observed: float, expected: float) -> float:
        return observed - expected if self.measure == "false_negative_rate" else expected - observed

    def _no_past(self, baseline: Table, classes: tuple[str, ...], name: str) -> Score:
        total = self._counts(baseline, classes, name)[1]
        windows = int((total > 0).sum())
        if windows < self.enough.baseline_windows:
            return not_enough(windows, self.enough.baseline_windows, "baseline windows")
        return not_enough(total.sum(), self.enough.baseline_samples, "labelled cases in the baseline")

    def _report(
        self, worst: _Found, tests: int, current: Table, baseline: Table, classes: tuple[str, ...]
    ) -> Score:
        low, high = sorted(self._value(one) for one in wilson(1 - worst.bad / worst.total, worst.total))
        margin = 0.0 if worst.against == "goal" else self.effect.least(worst.expected, is_cost=False)
        sign = 1.0 if self.measure == "false_negative_rate" else -1.0
        facts: dict[str, Fact] = {
            "measure": self.measure,
            "against": worst.against,
            "interval_low": round(low, 6),
            "interval_high": round(high, 6),
            "bad_outcomes": int(worst.bad),
            "cases": int(worst.total),
        }
        if worst.name:
            facts["class"] = shown(worst.name)
        facts |= known_share(current)
        confused = self._confused(worst, current, baseline, classes)
        facts |= confused
        facts["words"] = (
            f"{about(self.measure, shown(worst.name))} is {percent(worst.observed)} "
            f"(95% interval {percent(low)} to {percent(high)}; {self._cases(worst)}), "
            f"{AGAINST[worst.against].format(percent(worst.expected))}"
        )
        return Score(
            value=significance(min(1.0, worst.probability * tests)),
            effect=worst.effect,
            is_effective=worst.is_effective,
            observed=worst.observed,
            expected=worst.expected,
            threshold=worst.expected + sign * margin,
            count=int(worst.total),
            have=int(worst.total),
            need=self.enough.samples,
            facts=facts,
        )

    def _cases(self, worst: _Found) -> str:
        name, good, total = shown(worst.name), f"{worst.total - worst.bad:,.0f}", f"{worst.total:,.0f}"
        return {
            "accuracy": f"{good} of {total} labelled predictions were right",
            "precision": f"{good} of {total} labelled predictions of {name} were right",
            "f1": f"{good} hits, {worst.bad:,.0f} wrong or missed",
        }.get(self.measure, f"{worst.bad:,.0f} of {total} true {name} were missed")

    def _confused(
        self, worst: _Found, current: Table, baseline: Table, classes: tuple[str, ...]
    ) -> dict[str, Fact]:
        """Return the true and the predicted class of the mistake that grew most among those that count."""
        now, before = confusion(current, classes)[0], confusion(baseline, classes).sum(axis=0)
        counts = ~np.eye(len(classes), dtype=np.bool_)
        if worst.name:
            place = classes.index(worst.name)
            of_class = np.zeros_like(counts)
            if self.measure in ("precision", "f1"):
                of_class[:, place] = True
            if self.measure != "precision":
                of_class[place, :] = True
            counts &= of_class
        growth = np.where(counts, now / now.sum() - before / max(1.0, before.sum()), -np.inf)
        true, predicted = np.unravel_index(int(np.argmax(growth)), growth.shape)
        if now[true, predicted] <= 0:
            return {}
        return {"actual": shown(classes[true]), "predicted": shown(classes[predicted])}
