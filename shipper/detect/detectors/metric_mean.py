"""A measure that is a number (F1, loss, a rate of some kind) became worse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from shipper.detect.detectors.base import Enough, Reference, Score, not_enough
from shipper.detect.detectors.metric_share import Comparison
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.share import ShareModel
from shipper.detect.statistics.probability import binomial_tail, significance, student_tail

_ROUNDING: Final = 1e-9
_FEWEST_WINDOWS: Final = 3
"""A spread is not learnt from fewer."""


_ENOUGH: Final = Enough(samples=1, baseline_samples=8, baseline_windows=8)


@dataclass(frozen=True, slots=True)
class MetricMean:
    """The mean of a number per window against a goal, the previous model version and its own past.

    Idea: a number in 0..1 with its sample size beside it (`ml.sample.size`) is tested as a share, so that
    one evaluation can be compared with one other. Else the means of ordinary windows are a sample, and a
    new one is judged by Student's prediction interval, which widens when there are few. A goal missed
    without a known sample size is a fact and counts as certain.
    Fails: F1 and AUC are not shares, so their significance is approximate; a number with a trend or a daily
    course (its spread then hides changes); heavy tails make the significance of the interval too strong.
    Cost: one pass over the baseline's windows; columns `count`, `sum` and, where known, `size`.
    Source: Hahn, Factors for calculating two-sided prediction intervals (1969).
    """

    goal: float | None = None
    minimum_change: float = 0.05
    higher_is_better: bool = True
    comparisons: tuple[str, ...] = ("goal", "previous_version", "baseline")
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are means."""
        del level  # the reported threshold is that of the effect
        count = current.column("count")[0]
        if count < self.enough.samples:
            return not_enough(count, self.enough.samples, "values in the window")
        observed = float(current.column("sum")[0] / count)
        results = list(self._compare(observed, current.column("size")[0], reference))
        if not results:
            have = len(_means(reference.baseline))
            return not_enough(have, max(self.enough.baseline_windows, _FEWEST_WINDOWS), "baseline windows")
        worst = min(results, key=lambda result: (not result.is_effective, result.probability))
        margin = 0.0 if worst.against == "goal" else self.minimum_change
        return Score(
            value=significance(min(1.0, worst.probability * len(results))),
            effect=worst.effect,
            is_effective=worst.is_effective,
            observed=observed,
            expected=worst.expected,
            threshold=worst.expected - margin if self.higher_is_better else worst.expected + margin,
            count=int(count),
            have=int(count),
            need=self.enough.samples,
            facts={"against": worst.against},
        )

    def _compare(self, observed: float, size: float, reference: Reference) -> Iterator[Comparison]:
        sign = -1.0 if self.higher_is_better else 1.0
        if self.goal is not None and "goal" in self.comparisons:
            worse = sign * (observed - self.goal)
            yield Comparison("goal", self._miss(observed, size), self.goal, worse, worse > 0)
        tables = {"previous_version": reference.previous, "baseline": reference.baseline}
        for against, table in tables.items():
            if table is None or against not in self.comparisons:
                continue
            found = self._as_share(observed, size, table) or self._as_number(observed, table)
            if found is not None:
                tail, expected = found
                worse = sign * (observed - expected)
                yield Comparison(against, tail, expected, worse, worse >= self.minimum_change)

    def _as_share(self, observed: float, size: float, table: Table) -> tuple[float, float] | None:
        """Return probability and expectation where every number is a share of a known sample size."""
        means, sizes = _means(table), table.column("size")[table.column("count") > 0]
        is_share = 0 <= observed <= 1 and bool(((means >= 0) & (means <= 1)).all())
        if not is_share or size <= 0 or bool((sizes <= 0).any()) or not len(means):
            return None
        if len(means) < self.enough.baseline_windows or sizes.sum() < self.enough.baseline_samples:
            return None
        bad = 1 - means if self.higher_is_better else means
        model = ShareModel.of(bad * sizes, sizes)
        seen = (1 - observed if self.higher_is_better else observed) * size
        # Evaluations are few and far between: how they wander is not learnt from one or two of them.
        return model.rough_tail(seen - _ROUNDING, size), float((means * sizes).sum() / sizes.sum())

    def _as_number(self, observed: float, table: Table) -> tuple[float, float] | None:
        """Return probability and expectation by Student's prediction interval of a window's mean."""
        means = _means(table)
        if len(means) < max(self.enough.baseline_windows, _FEWEST_WINDOWS):
            return None
        expected = float(means.mean())
        worse = expected - observed if self.higher_is_better else observed - expected
        spread = float(means.std(ddof=1)) * math.sqrt(1 + 1 / len(means))
        # A constant past has no spread to measure by; rounding alone must not look like a change.
        spread = max(spread, _ROUNDING * max(1.0, abs(expected)))
        return student_tail(worse / spread, len(means) - 1), expected

    def _miss(self, observed: float, size: float) -> float:
        goal = self.goal if self.goal is not None else 0.0
        if size <= 0 or not (0 <= observed <= 1 and 0 <= goal <= 1):
            return 0.0
        bad, allowed = (1 - observed, 1 - goal) if self.higher_is_better else (observed, goal)
        return binomial_tail(math.ceil(bad * size - _ROUNDING), math.ceil(size), allowed)


def _means(table: Table) -> Floats:
    count = table.column("count")
    return table.column("sum")[count > 0] / count[count > 0]
