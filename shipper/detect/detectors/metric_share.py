"""A measure that is a share of labelled predictions (accuracy) became worse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.detectors.base import FEW_LABELS, Enough, Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.share import ShareModel, in_blocks, windows_since
from shipper.detect.judging.wandering import Prior
from shipper.detect.statistics.probability import binomial_tail, significance

_WILSON_Z = 1.959963984540054
"""Two-sided 95 %: the interval that is shown; the verdict rests on the test."""


class Comparison(NamedTuple):
    """One thing that the window was compared with; the effect is positive where it is worse."""

    against: str
    probability: float
    expected: float
    effect: float
    is_effective: bool


_ENOUGH: Final = Enough()


@dataclass(frozen=True, slots=True)
class MetricShare:
    """A share of good outcomes against a goal, the previous model version and its own past.

    Idea: one-sided tests on the number of bad outcomes. Against the goal it is the exact binomial tail;
    against the previous version and the baseline the beta-binomial tail, which knows both sample sizes
    (see `shipper.detect.judging.share`). The most significant comparison whose effect is past the minimum counts.
    Windows are cohorts of prediction time; labels come late, so a window is judged only once it has
    the label coverage that older windows reach (times `minimum_coverage`): a young cohort, whose first
    labels may be the odd ones, raises nothing.
    Fails: labels whose lateness depends on the outcome even at that coverage; a goal set beyond what the
    model ever reached (it alarms at once, rightly).
    Cost: one pass over the baseline's windows; columns `labels`, `good` and, where coverage is asked for,
    `predictions`.
    Source: Wilson, Probable inference, the law of succession, and statistical inference (1927), for the
    interval shown; Skellam (1948) for the tail.
    """

    goal: float | None = None
    minimum_change: float = 0.05
    minimum_coverage: float = 0.8
    higher_is_better: bool = True
    comparisons: tuple[str, ...] = ("goal", "previous_version", "baseline")
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "share"
    can_pool: ClassVar[bool] = True
    is_calibrated: ClassVar[bool] = True
    has_few_events: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are shares of good outcomes."""
        del level  # the reported threshold is that of the effect
        total = current.column("labels")[0]
        if total < self.enough.samples:
            return not_enough(total, self.enough.samples, FEW_LABELS)
        covered = self._lacking_coverage(current, reference.baseline)
        if covered is not None:
            return covered
        bad = float(self._bad(current)[0])
        results = list(self._compare(current, bad, reference))
        if not results:
            windows = int((reference.baseline.column("labels") > 0).sum())
            if windows < self.enough.baseline_windows:
                return not_enough(windows, self.enough.baseline_windows, "baseline windows")
            have = reference.baseline.column("labels").sum()
            return not_enough(have, self.enough.baseline_samples, "baseline labels")
        worst = min(results, key=lambda result: (not result.is_effective, result.probability))
        return self._report(worst, len(results), bad, total, current)

    def _report(self, worst: Comparison, tests: int, bad: float, total: float, current: Table) -> Score:
        observed = current.column("good")[0] / total
        low, high = wilson(observed, total)
        predictions = current.column("predictions")[0]
        margin = 0.0 if worst.against == "goal" else self.minimum_change
        return Score(
            value=significance(min(1.0, worst.probability * tests)),
            effect=worst.effect,
            is_effective=worst.is_effective,
            observed=observed,
            expected=worst.expected,
            threshold=worst.expected - margin if self.higher_is_better else worst.expected + margin,
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts={
                "against": worst.against,
                "interval_low": round(low, 6),
                "interval_high": round(high, 6),
                "bad_outcomes": int(bad),
                **({"label_coverage": round(total / predictions, 4)} if predictions else {}),
            },
        )

    def _bad(self, table: Table) -> Floats:
        good, labels = table.column("good"), table.column("labels")
        return labels - good if self.higher_is_better else good

    def _lacking_coverage(self, current: Table, baseline: Table) -> Score | None:
        predictions = current.column("predictions")[0]
        past = baseline.column("predictions")
        if predictions <= 0:
            return None
        usual = 1.0
        if (past > 0).any():
            reached = baseline.column("labels")[past > 0] / past[past > 0]
            place = 3 * (len(reached) - 1) // 4
            usual = min(1.0, float(np.partition(reached, place)[place]))
        need = math.ceil(self.minimum_coverage * usual * predictions)
        labels = current.column("labels")[0]
        return not_enough(labels, need, "labels of the window's predictions") if labels < need else None

    def _compare(self, current: Table, bad: float, reference: Reference) -> Iterator[Comparison]:
        total = current.column("labels")[0]
        share = bad / total
        if self.goal is not None and "goal" in self.comparisons:
            allowed = 1 - self.goal if self.higher_is_better else self.goal
            tail = binomial_tail(math.ceil(bad), math.ceil(total), allowed)
            yield Comparison("goal", tail, self.goal, share - allowed, share > allowed)
        tables = {"previous_version": reference.previous, "baseline": reference.baseline}
        for against, table in tables.items():
            if table is None or against not in self.comparisons:
                continue
            bad_before, before = self._bad(table), table.column("labels")
            if self.enough.lacking(total, float(before.sum()), int((before > 0).sum())) is not None:
                continue
            blocks = in_blocks(bad_before, before, total)
            is_blocked = len(blocks[0]) < int((before > 0).sum())
            lag = windows_since(current, table) if against == "baseline" and not is_blocked else 0
            prior = Prior(lag=lag, kin=self._kin(tables, against, total), is_steady=True)
            model = ShareModel.of(*blocks, prior)
            worse = share - model.rate
            expected = 1 - model.rate if self.higher_is_better else model.rate
            is_effective = worse >= self.minimum_change
            tail = model.tail(bad, total) if is_effective else model.rough_tail(bad, total)
            yield Comparison(against, tail, expected, worse, is_effective)

    def _kin(
        self, tables: Mapping[str, Table | None], against: str, total: float
    ) -> tuple[Floats, Floats] | None:
        """Return the windows of the other version: they tell how far accuracy wanders, also where it is another one."""
        (other,) = (table for name, table in tables.items() if name != against)
        if other is None or not len(other):
            return None
        return in_blocks(self._bad(other), other.column("labels"), total)


def wilson(share: float, total: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share seen in `total` > 0 events."""
    share = min(1.0, max(0.0, share))  # damaged counts may say more good ones than there are
    z2 = _WILSON_Z**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _WILSON_Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)
