"""A number over time is not what it was: a spike, another level, another variance, a wrong hour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from shipper.detect.detectors.base import Enough, Reference, Score, not_enough
from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.series.alarms import THRESHOLD
from shipper.detect.series.calibration import significance_of
from shipper.detect.series.scoring import Opinion, Scorer
from shipper.detect.series.view import Series

Statistic = Literal["mean", "sum", "events"]
Direction = Literal["both", "up", "down"]

FEWEST_WINDOWS: Final = 48
_NEAR_US: Final = 15 * MINUTE_US
_ENOUGH: Final = Enough(samples=1, baseline_samples=1, baseline_windows=FEWEST_WINDOWS)


@dataclass(frozen=True, slots=True)
class SeriesChange:
    """Any number per window, without a model of it.

    Idea: four views (the value, its time of day, the mean of a while, the size of its steps) each give
    the probability of what they see by the ordinary windows before; they are merged so that one may
    disagree (`shipper.detect.series.scoring`), and the merged evidence is calibrated on made-up noise of ten
    kinds (`shipper.detect.series.calibration`). An anomaly is what a single series would be told of.
    Fails: with fewer than 48 ordinary windows; a season of a week; what is as rare as a fault but
    regular, such as a monthly job; a drift so slow that each window is like those before it; noise whose tail
    grows heavier with time.
    Cost: some ten sorts and searches of the baseline's windows per judged window: CPU 2 ms for 400, 6 ms for 4,000.
    Source: see the views in `shipper.detect.series`; Vovk and Wang (2020) for the merging.
    """

    statistic: Statistic = "mean"
    direction: Direction = "both"
    minimum_change: float = 0.0
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed and expected are in the number's own unit."""
        del level  # the verdict is the caller's; the reported threshold is the past's own extreme
        now, past = self._series(current), self._series(reference.baseline)
        count = current.column("count")[0]
        if not len(now) or count < self.enough.samples * (self.statistic == "mean"):
            return not_enough(count, self.enough.samples, "values in the window")
        need = max(self.enough.baseline_windows, FEWEST_WINDOWS)
        if len(past) < need:
            return not_enough(len(past), need, "baseline windows")
        # A constant series of nothing at all has never shown that it lives.
        if not past.values.any() and not now.values.any():
            return not_enough(0, 1, "baseline windows with a value other than 0")
        both = Series(np.append(past.times, now.times), np.append(past.values, now.values))
        opinion = Scorer(both).opinion(len(past))
        return self._score(both, opinion, int(count))

    def _score(self, both: Series, opinion: Opinion, count: int) -> Score:
        observed, expected = float(both.values[-1]), _expected(both)
        effect = observed - expected
        wanted = {"both": True, "up": effect > 0, "down": effect < 0}[self.direction]
        past = both.values[:-1]
        return Score(
            value=significance_of(opinion.merged),
            effect=effect,
            is_effective=wanted and opinion.merged >= THRESHOLD and abs(effect) >= self.minimum_change,
            observed=observed,
            expected=expected,
            threshold=float(past.max() if effect >= 0 else past.min()),
            count=count,
            have=len(past),
            need=FEWEST_WINDOWS,
            facts={
                "seen_by": opinion.loudest,
                **{f"view.{name}": round(value, 2) for name, value in opinion.views.items()},
            },
        )

    def _series(self, table: Table) -> Series:
        counts, sums = table.column("count"), table.column("sum")
        if self.statistic == "mean":
            known = counts > 0
            return Series(table.times[known], sums[known] / counts[known])
        return Series(table.times, counts if self.statistic == "events" else sums)


def _expected(both: Series) -> float:
    """Return the median of the past at this time of day where two days are known, else of the newest windows."""
    times, past = both.times[:-1], both.values[:-1]
    away = np.abs((times - both.times[-1] + DAY_US // 2) % DAY_US - DAY_US // 2)
    near: Floats = past[away <= _NEAR_US]
    days = len(np.unique(times[away <= _NEAR_US] // DAY_US))
    typical = float(np.median(near if days > 1 else past[-FEWEST_WINDOWS:]))
    return typical if math.isfinite(typical) else 0.0
