"""Too many of the events are slow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Final

import numpy as np

from shipper.detect.detectors.base import Enough, Reference, Score
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.share import ShareModel, windows_since
from shipper.detect.judging.wandering import SHIFTS, Prior
from shipper.detect.statistics.probability import significance

STEPS_PER_DECADE: Final = 16
LOWEST_NS: Final = 1e4
HIGHEST_NS: Final = 1e12


@cache
def edges_ns() -> Floats:
    """Return the inner edges of the duration bins: 16 per decade from 10 µs to 1000 s, in nanoseconds.

    They are the same for everybody and for ever, so that the bins of different windows can be added up.
    """
    decades = round(math.log10(HIGHEST_NS / LOWEST_NS))
    edges = np.round(LOWEST_NS * 10 ** (np.arange(decades * STEPS_PER_DECADE + 1) / STEPS_PER_DECADE))
    edges.flags.writeable = False
    return edges


_ENOUGH: Final = Enough()


@dataclass(frozen=True, slots=True)
class Latency:
    """The share of requests slower than a percentile of the baseline, and how far that percentile moved.

    Idea: if nothing changed, 5 % of the requests are slower than the baseline's p95, whatever the
    distribution looks like: a test of a share (see `shipper.detect.judging.share`) needs no assumption about
    it. The effect is the ratio of the percentile itself, read from bins of 15 % width, by interpolation.
    All requests together are taken to wander from window to window (`shipper.detect.judging.wandering`): by how much the
    whole distribution shifts says how many are beyond the limit.
    Fails: latency that follows load closely within the baseline (its wandering widens what is
    ordinary); durations outside 10 µs .. 1000 s are only known to be outside.
    Cost: one pass over the baseline's windows times 130 bins; columns `duration/<bin>`.
    Source: the sign test for quantiles (Conover, Practical Nonparametric Statistics, chapter 3).
    """

    percentile: float = 95.0
    minimum_ratio: float = 1.5
    minimum_difference_ns: float = 5e6
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "ns"
    can_pool: ClassVar[bool] = True
    is_calibrated: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are percentiles in nanoseconds."""
        bins, history = current.block("duration")[0], reference.baseline.block("duration")
        total, per_window = float(bins.sum()), history.sum(axis=1)
        lacking = self.enough.lacking(total, float(per_window.sum()), int((per_window > 0).sum()))
        if lacking is not None:
            return lacking
        pooled = history.sum(axis=0)
        cut = _cut(pooled, self.percentile)
        model = ShareModel.of(history[:, cut:].sum(axis=1), per_window)
        slow = float(bins[cut:].sum())
        observed, expected = quantile(bins, self.percentile), quantile(pooled, self.percentile)
        ratio = observed / expected
        is_effective = ratio >= self.minimum_ratio and observed - expected >= self.minimum_difference_ns
        if is_effective:
            lag = windows_since(current, reference.baseline)
            model = replace(model, prior=Prior(link=_beyond(pooled, cut), lag=lag))
        return Score(
            value=significance(model.tail(slow, total) if is_effective else model.rough_tail(slow, total)),
            effect=ratio,
            is_effective=is_effective,
            observed=observed,
            expected=expected,
            threshold=max(expected * self.minimum_ratio, expected + self.minimum_difference_ns),
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts={
                "percentile": self.percentile,
                "slow_share": round(slow / total, 6),
                "slow_share_expected": round(model.rate, 6),
                **({"slow_share_limit": round(model.limit(total, level), 6)} if is_effective else {}),
                "slow_from_ns": float(edges_ns()[cut - 1]),
            },
        )


def quantile(bins: Floats, percentile: float) -> float:
    """Return a percentile of binned durations in nanoseconds, interpolated inside its bin on a log scale."""
    edges = edges_ns()
    target = percentile / 100 * float(bins.sum())
    below = np.concatenate(([0.0], np.cumsum(bins)))
    position = min(int(np.searchsorted(below, target, side="left")), len(bins)) - 1
    position = max(position, 0)
    if position == 0:
        return float(edges[0])
    if position >= len(edges):
        return float(edges[-1])
    inside = (target - below[position]) / bins[position] if bins[position] else 0.0
    return float(edges[position - 1] * (edges[position] / edges[position - 1]) ** inside)


def _beyond(pooled: Floats, cut: int) -> Floats:
    """Return the share of events beyond a cut if all durations were `exp(shift)` times as long, for each of `SHIFTS`."""
    edges = np.log(edges_ns())
    # Half an event in all, so that neither end is certain.
    share = (np.cumsum(pooled[::-1])[::-1][1:] + 0.25) / (pooled.sum() + 0.5)
    odds = np.interp(edges[cut - 1] - SHIFTS, edges, np.log(share / (1 - share)))
    found: Floats = 1 / (1 + np.exp(-odds))
    return found


def _cut(pooled: Floats, percentile: float) -> int:
    """Return the first bin that counts as slow: the one whose lower edge is nearest to the percentile."""
    share_below = np.cumsum(pooled)[:-1] / pooled.sum()
    # Every candidate leaves some events on either side; the share itself is measured, not assumed.
    return int(np.argmin(np.abs(share_below - percentile / 100))) + 1
