"""Scores tell the classes apart less well: the area under the ROC curve became worse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import FEW_EVENTS, Enough, Fact, Reference, Score, not_enough
from shipper.detect.detectors.metric_share import Comparison
from shipper.detect.fetching.label_coverage import Coverage, known_share, settled
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.dispersion import dispersion_of
from shipper.detect.judging.quality_words import AGAINST
from shipper.detect.rules.quality_rule import QualityEffect
from shipper.detect.statistics.confusion import classes_of, shown
from shipper.detect.statistics.probability import significance, student_tail
from shipper.detect.statistics.score_bins import Area, area, hanley_mcneil, placements, shrunk
from shipper.detect.statistics.strata import Stratum, deviation, upper_tail

_ENOUGH: Final = Enough()
_EFFECT: Final = QualityEffect()
_T975_FEW: Final = ((5, 2.57), (10, 2.23), (20, 2.09), (60, 2.0))


@dataclass(frozen=True, slots=True)
class QualityArea:
    """The area under the ROC curve (AUC) against a goal, the previous model version and the cohorts before.

    Idea: a case's placement is the share of the cases of the other class that it stands on the right side of; the mean
    placement is the area. Given how many cases of each class there are, the sum of placements in the
    pool of judged and earlier cases has a permutation distribution, whose tail is a saddlepoint approximation: no
    normal curve, no variance to estimate, and nothing that a change of the classes' shares or of which class is
    labelled first could move. Against a goal, where there is no pool: Student's t of the log odds of the area, with
    the variance that it would have at the goal.
    Fails: an area that stays while the scores mean something else (calibration); classes with fewer cases than the least
    number; delays of labels that depend on the score itself.
    Cost: one pass over the baseline's cohorts; two columns per bin of the score.
    Source: DeLong, DeLong and Clarke-Pearson (1988); Hanley and McNeil (1982); Brunner and Munzel (2000) for the degrees
    of freedom; `shipper.detect.statistics.strata` for the tail.
    """

    positive: str = "1"
    goal: float | None = None
    comparisons: tuple[str, ...] = ("goal", "previous_version", "baseline")
    effect: QualityEffect = _EFFECT
    minimum_coverage: float = 0.8
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are areas, 0..1."""
        del level  # the reported threshold is that of the effect
        baseline = settled(reference.baseline)
        previous = settled(reference.previous) if reference.previous is not None else None
        coverage = Coverage.of(baseline, classes_of((current, baseline)), self.minimum_coverage)
        lacking = coverage.lacking(current) or self._few(current)
        if lacking is not None:
            return lacking
        yes, no = _cases(current)
        observed = area(yes, no)
        found = list(self._compare(current, observed, baseline, previous))
        if not found:
            windows = int((baseline.block("yes").sum(axis=1) > 0).sum())
            if windows < self.enough.baseline_windows:
                return not_enough(windows, self.enough.baseline_windows, "baseline windows")
            have = baseline.block("yes").sum() + baseline.block("no").sum()
            return not_enough(have, self.enough.baseline_samples, "labelled scores in the baseline")
        worst = min(found, key=lambda one: (not one.is_effective, one.probability))
        return self._report(worst, len(found), current, observed)

    def _few(self, current: Table) -> Score | None:
        """Return what the window lacks: the rarer class decides how much is known."""
        yes, no = (float(one.sum()) for one in _cases(current))
        name = shown(self.positive)
        what = f"scored true {name}" if yes <= no else f"scored cases other than {name}"
        few = min(yes, no)
        if few >= self.enough.samples:
            return None
        return not_enough(few, self.enough.samples, f"{what} among the {FEW_EVENTS}")

    def _compare(
        self, current: Table, observed: Area, baseline: Table, previous: Table | None
    ) -> Iterator[Comparison]:
        yes, no = _cases(current)
        if self.goal is not None and "goal" in self.comparisons:
            tail = _below_goal(observed, self.goal, float(yes.sum()), float(no.sum()))
            yield Comparison("goal", tail, self.goal, self.goal - observed.value, observed.value < self.goal)
        for against, table in (("previous_version", previous), ("baseline", baseline)):
            if table is None or against not in self.comparisons or table.block("yes").shape[1] != len(yes):
                continue
            history = table.block("yes"), table.block("no")
            seen = np.minimum(history[0].sum(axis=1), history[1].sum(axis=1)) > 0
            before = [one.sum(axis=0) for one in history]
            fewest = min(float(one.sum()) for one in before)
            if fewest < self.enough.samples or self.enough.lacking(
                self.enough.samples, float(sum(one.sum() for one in before)), int(seen.sum())
            ):
                continue
            expected = area(*before)
            worse = expected.value - observed.value
            tail = _tail((yes, no), (before[0], before[1]), (history[0][seen], history[1][seen]))
            least = self.effect.least(expected.value, is_cost=False)
            yield Comparison(against, tail, expected.value, worse, worse >= least)

    def _report(self, worst: Comparison, tests: int, current: Table, observed: Area) -> Score:
        yes, no = (float(one.sum()) for one in _cases(current))
        low, high = interval(observed, yes, no)
        margin = 0.0 if worst.against == "goal" else self.effect.least(worst.expected, is_cost=False)
        name = shown(self.positive)
        facts: dict[str, Fact] = {
            "measure": "auc",
            "against": worst.against,
            "class": name,
            "interval_low": round(low, 6),
            "interval_high": round(high, 6),
            "cases": int(yes),
            "other_cases": int(no),
            "words": (
                f"AUC of {name} is {observed.value:.3f} (95% interval {low:.3f} to {high:.3f}; {yes:,.0f} true {name}, "
                f"{no:,.0f} others), {AGAINST[worst.against].format(f'{worst.expected:.3f}')}"
            ),
        }
        facts |= known_share(current)
        return Score(
            value=significance(min(1.0, worst.probability * tests)),
            effect=worst.effect,
            is_effective=worst.is_effective,
            observed=observed.value,
            expected=worst.expected,
            threshold=worst.expected - margin,
            count=int(yes + no),
            have=int(min(yes, no)),
            need=self.enough.samples,
            facts=facts,
        )


def _cases(table: Table) -> tuple[Floats, Floats]:
    """Return the scores of a window of one row by bin: of the class, and of the others."""
    yes, no = table.block("yes"), table.block("no")
    return yes.sum(axis=0), no.sum(axis=0)


def _tail(now: tuple[Floats, Floats], before: tuple[Floats, Floats], history: tuple[Floats, Floats]) -> float:
    """Return the probability of placements as low as this if the scores of each class are what they were."""
    yes, no = now[0] + before[0], now[1] + before[1]
    below, above = placements(yes, no)

    def strata(some: Floats, others: Floats) -> tuple[Stratum, Stratum]:
        # A sum that is large where the area is small.
        weight = float(some.sum()) / max(1.0, float(others.sum()))
        return Stratum(some, yes, -below), Stratum(others, no, -above * weight)

    windows = [deviation(strata(some, others)) ** 2 for some, others in zip(*history, strict=True)]
    dispersion = dispersion_of(np.array(windows), 1) if len(windows) >= 2 else 1.0
    return upper_tail(strata(*now), dispersion)


def _below_goal(observed: Area, goal: float, yes: float, no: float) -> float:
    """Return the probability of an area as small if the true one is the goal."""
    if observed.value >= goal:
        return 1.0
    goal = min(goal, 1 - 0.5 / (min(yes, no) + 1))
    variance = max(observed.variance, hanley_mcneil(goal, yes, no))
    value = shrunk(observed.value, yes, no)
    apart = math.log(goal / (1 - goal)) - math.log(value / (1 - value))
    return student_tail(apart * goal * (1 - goal) / math.sqrt(variance), max(2.0, min(yes, no) - 1))


def interval(found: Area, yes: float, no: float) -> tuple[float, float]:
    """Return the 95 % interval of an area, symmetric in its log odds."""
    value = shrunk(found.value, yes, no)
    degrees = max(2.0, min(yes, no) - 1)
    quantile = next((t for most, t in _T975_FEW if degrees <= most), 1.96)
    half = quantile * math.sqrt(found.variance) / (value * (1 - value))
    middle = math.log(value / (1 - value))
    return 1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle))
