"""What always sends something sends nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import Enough, Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.middle import median
from shipper.detect.statistics.probability import MAX_SCORE

_RECENT_WINDOWS: Final = 6
_TOGETHER: Final = (1, 3, 12)
"""So many windows are taken together where one alone is often without events."""

_FEWEST: Final = 12
_WIDEST: Final = 4.0
"""Variance of a window relative to the mean before it that is believed at most."""


_ENOUGH: Final = Enough(samples=0, baseline_samples=100, baseline_windows=24)


@dataclass(frozen=True, slots=True)
class Silence:
    """No event at all in a window, and how unlikely that is.

    Idea: the six windows before the silence say what rate to expect, and the baseline says by how much its windows differ
    from the six before them: noise, flanks of the day and clumps included. A rate with that spread is gamma distributed,
    so a silence of m windows has the probability (1 + m x rate / shape) ^ -shape. Silent windows in a row
    add up, so that rare but regular events are covered too, only later.
    What is often without events is judged by three or twelve windows at a time.
    Fails: what is not regular even then (more than 5 % of such spans without events) is never judged; a
    service that has run for less than the baseline needs; traffic that ends within one window every night
    for the first time.
    Cost: one pass over the baseline's windows; column `events`.
    Source: Greenwood and Yule, An inquiry into the nature of frequency distributions (1920), for the rate that varies;
    Cox and Lewis, The statistical analysis of series of events (1966), for waiting times.
    """

    probability: float = 1e-5
    regularity: float = 0.95
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False
    is_calibrated: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are events in the window."""
        del level  # the reported threshold is that of the effect
        seen = float(current.column("events")[0])
        history, silent = _split(reference.baseline.column("events"))
        lacking = self.enough.lacking(seen, float(history.sum()), len(history))
        if lacking is not None:
            return lacking
        regular = self._regular(history)
        if regular is None:
            share = 100 * float((history > 0).mean())
            return not_enough(share, 100 * self.regularity, "percent of windows with events")
        rows, longer = regular
        rate, shape = _expected(longer)
        spans = (silent + 1) // rows if seen == 0 else 0
        unlikely = shape * math.log1p(spans * rate / shape) / math.log(10)
        unlikely = min(MAX_SCORE, unlikely)
        expected = median(history)
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
            facts={"silent_windows": silent + 1 if seen == 0 else 0, "rate_assumed": round(rate / rows, 3)},
        )

    def _regular(self, history: Floats) -> tuple[int, Floats] | None:
        """Return how many windows are to be taken together so that nearly all have events, and their sums."""
        for rows in _TOGETHER:
            longer = history[len(history) % rows :].reshape(-1, rows).sum(axis=1)
            if len(longer) < _FEWEST:
                return None
            if float((longer > 0).mean()) >= self.regularity:
                return rows, longer
        return None


def _expected(history: Floats) -> tuple[float, float]:
    """Return the mean of the newest windows, and the gamma shape of what the next may have instead."""
    recent = float(history[-_RECENT_WINDOWS:].mean())
    means = np.lib.stride_tricks.sliding_window_view(history, _RECENT_WINDOWS).mean(axis=1)[:-1]
    after = history[_RECENT_WINDOWS:][means > 0]
    means = means[means > 0]
    # Beyond what a Poisson count and a mean of six of them show by chance.
    excess = (after - means) ** 2 - means * (1 + 1 / _RECENT_WINDOWS)
    wander = max(0.0, float(excess.sum() / (means**2).sum())) if len(means) else _WIDEST
    known = 1 / max(0.5, recent * _RECENT_WINDOWS)
    return recent, 1 / (min(wander, _WIDEST) + known)


def _split(events: Floats) -> tuple[Floats, int]:
    """Return the windows up to the last one with events, and the number of silent ones after it."""
    some = np.flatnonzero(events > 0)
    if len(some) == 0:
        return events[:0], len(events)
    return events[: some[-1] + 1], len(events) - 1 - int(some[-1])
