"""A resource is used beyond its band, or will soon be full."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves.noise import blocks_of
from shipper.detect.detectors.base import FEW_EVENTS, Enough, FixedStandard, Reference, Score, not_enough
from shipper.detect.event_time.window import HOUR_US
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.probability import significance, student_tail

_RECENT: Final = 48
"""Windows that tell where it is going."""
_ENOUGH: Final = Enough(samples=1, baseline_samples=1, baseline_windows=12)
_REPEATED: Final = 0.5
_SURELY: Final = 4.0
"""Standard deviations above which a height is another one."""


@dataclass(frozen=True, slots=True)
class Capacity(FixedStandard):
    """The mean of a window outside given bounds, or a straight line that is at the limit within the horizon.

    Idea: bounds are what somebody knows, so being outside is no matter of chance; it is weak evidence, which opens an alert when it
    repeats. *Full*: a line through the last 48 windows, whose rise is surely none of chance (noise by second
    differences, correlated as it may be), and which reaches the limit within the horizon. What goes up and down (logs that are rotated,
    memory that is collected) has been as high before; only a window higher than all of the baseline counts.
    Fails: a resource that jumps to its limit (the band sees it); the first rise of a course, or one longer than the baseline; fewer than
    12 windows.
    Cost: two columns, one line through 48 numbers.
    Source: least squares; von Neumann (1941), see `shipper.detect.curves.noise`.

    Attributes:
        band: least and most mean; None where there is no bound.
        full: value at which nothing is left; None: not judged.
        horizon_us, window_us: full within this time is told; length of a window.
    """

    band: tuple[float | None, float | None] = (None, None)
    full: float | None = None
    horizon_us: int = 6 * HOUR_US
    window_us: int = HOUR_US // 4
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = ""
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed is the window's mean, expected the median of the baseline."""
        count = float(current.column("count")[0])
        if count < self.enough.samples:
            return not_enough(count, self.enough.samples, FEW_EVENTS)
        mean = float(current.column("sum")[0]) / count
        past = reference.baseline
        known = past.column("count") > 0
        means = past.column("sum")[known] / past.column("count")[known]
        usual = float(np.median(means)) if len(means) else mean
        bound = self._beyond(mean)
        if bound is not None:
            side = "above" if mean > bound else "below"
            return Score(
                significance(level) + _REPEATED, abs(mean - bound), True, mean, usual, bound, int(count),
                facts={"words": f"the mean is {mean:.4g}, {side} {bound:.4g}"},
            )  # fmt: skip
        if len(means) < self.enough.baseline_windows:
            return not_enough(len(means), self.enough.baseline_windows, "baseline windows")
        if self.full is None:
            most = self.band[1] if self.band[1] is not None else self.band[0]
            return Score(0.0, 0.0, observed=mean, expected=usual, threshold=most, count=int(count))
        times = np.append(past.times[known], current.times[0])
        return self._filling(times, np.append(means, mean), self.full, int(count))

    def _beyond(self, mean: float) -> float | None:
        least, most = self.band
        if most is not None and mean > most:
            return most
        return least if least is not None and mean < least else None

    def _filling(self, times: np.ndarray, means: Floats, full: float, count: int) -> Score:
        y, now = means[-_RECENT:], float(means[-1])
        x = (times[-_RECENT:] - times[-1]) / self.window_us
        x, off = x - x.mean(), y - y.mean()
        slope = float(x @ off / (x @ x))
        upward = 1.0 if full >= now else -1.0
        blocks = blocks_of(y, _RECENT)
        error = blocks.spread / math.sqrt(float(x @ x))
        chance = (
            student_tail(upward * slope / error, blocks.degrees) if error > 0 else float(slope * upward <= 0)
        )
        windows = (full - now) / slope if slope * upward > 0 else math.inf
        # As high as ever on this way up, and surely higher than on any way up before.
        older = upward * means[:-_RECENT]
        is_new = upward * now >= float((upward * y).max()) and upward * now > float(
            (older + _SURELY * blocks.spread).max(initial=-np.inf)
        )
        left_us = windows * self.window_us
        words = f"it is {now:.4g} and will be full ({full:.4g}) in {left_us / HOUR_US:.1f} h"
        return Score(
            value=significance(chance),
            effect=self.horizon_us / max(1.0, left_us),
            is_effective=left_us <= self.horizon_us and is_new,
            observed=now,
            expected=float(np.median(means)),
            threshold=full,
            count=count,
            have=len(means),
            need=self.enough.baseline_windows,
            facts={
                "words": words,
                "hours_left": round(left_us / HOUR_US, 2) if math.isfinite(left_us) else -1.0,
            },
        )
