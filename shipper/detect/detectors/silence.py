"""What always sends something sends nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import Enough, Reference, Score, not_enough
from shipper.detect.probability import MAX_SCORE
from shipper.detect.table import Floats, Table

_RECENT_WINDOWS = 3


_ENOUGH: Final = Enough(samples=0, baseline_samples=100, baseline_windows=24)


@dataclass(frozen=True, slots=True)
class Silence:
    """No event at all in a window, and how unlikely that is.

    Idea: if events arrived at the expected rate, a silence of m windows has probability exp(-rate x m). The
    expected rate is taken low on purpose: the smaller of the baseline's 5 % quantile and half of what
    came just before, so that an evening in which traffic dies down is no fault. Silent windows in a row add
    up, so that rare but regular events are covered too, only later.
    Fails: what is not regular (a share of windows without events above 5 %) is never judged; a
    service that has run for less than the baseline needs; traffic that ends within one window every night
    for the first time.
    Cost: one pass over the baseline's windows; column `events`.
    Source: the waiting time of a Poisson process (Cox and Lewis, The statistical analysis of series of
    events, 1966).
    """

    probability: float = 1e-5
    regularity: float = 0.95
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are events in the window."""
        del level  # the reported threshold is that of the effect
        seen = float(current.column("events")[0])
        history, silent = _split(reference.baseline.column("events"))
        lacking = self.enough.lacking(seen, float(history.sum()), len(history))
        if lacking is not None:
            return lacking
        share = float((history > 0).mean())
        if share < self.regularity:
            return not_enough(100 * share, 100 * self.regularity, "percent of windows with events")
        low = min(float(np.quantile(history, 0.05)), float(history[-_RECENT_WINDOWS:].mean()) / 2)
        unlikely = min(MAX_SCORE, low * (silent + 1) / math.log(10)) if seen == 0 else 0.0
        expected = float(np.median(history))
        return Score(
            value=unlikely,
            effect=expected - seen,
            is_effective=seen == 0 and unlikely >= -math.log10(self.probability),
            observed=seen,
            expected=expected,
            threshold=1.0,
            count=int(seen),
            have=len(history),
            need=self.enough.baseline_windows,
            reach=silent if seen == 0 else 0,
            facts={"silent_windows": silent + 1 if seen == 0 else 0, "rate_assumed": round(low, 3)},
        )


def _split(events: Floats) -> tuple[Floats, int]:
    """Return the windows up to the last one with events, and the number of silent ones after it."""
    some = np.flatnonzero(events > 0)
    if len(some) == 0:
        return events[:0], len(events)
    return events[: some[-1] + 1], len(events) - 1 - int(some[-1])
