"""Too many of the events are bad."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from shipper.detect.detectors.base import Enough, Reference, Score
from shipper.detect.fetching.table import Table
from shipper.detect.judging.share import ShareModel, windows_since
from shipper.detect.judging.wandering import Prior
from shipper.detect.statistics.probability import significance

_ENOUGH: Final = Enough()


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The share of bad events against the baseline's, by a beta-binomial tail (see `shipper.detect.judging.share`).

    Idea: the baseline gives the distribution of the number of bad events that a window of this size
    would have; few is never an anomaly. The effect is the ratio of the shares; the minimum difference
    keeps a rate that went from 0.01 % to 0.03 % quiet.
    Fails: a rate that follows the hour of the day more strongly than the baseline shows; the baseline's
    wandering then hides small faults rather than raising false ones. Faults older than the baseline.
    Cost: one pass over the baseline's windows; columns `events` and `bad`.
    Source: Skellam (1948), Kleinman (1973).
    """

    minimum_ratio: float = 2.0
    minimum_difference: float = 0.02
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "share"
    can_pool: ClassVar[bool] = True
    is_calibrated: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are shares of bad events."""
        total, bad = current.column("events")[0], current.column("bad")[0]
        model = ShareModel.of(reference.baseline.column("bad"), reference.baseline.column("events"))
        lacking = self.enough.lacking(total, model.total, model.windows)
        if lacking is not None:
            return lacking
        observed, expected = bad / total, model.rate
        ratio = observed / expected
        is_effective = ratio >= self.minimum_ratio and observed - expected >= self.minimum_difference
        if is_effective:
            model = replace(model, prior=Prior(lag=windows_since(current, reference.baseline)))
        return Score(
            value=significance(model.tail(bad, total) if is_effective else model.rough_tail(bad, total)),
            effect=ratio,
            is_effective=is_effective,
            observed=observed,
            expected=expected,
            threshold=max(
                model.limit(total, level) if is_effective else 0.0,
                expected * self.minimum_ratio,
                expected + self.minimum_difference,
            ),
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts={"bad_events": int(bad), "baseline_events": int(model.total)},
        )
