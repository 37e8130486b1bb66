"""More of a feature's values are bad than were: missing, out of range, repeated, all the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from shipper.detect.detectors.base import Enough, Reference, Score
from shipper.detect.fetching.table import Table
from shipper.detect.judging.share import ShareModel
from shipper.detect.statistics.discovery import any_moved
from shipper.detect.statistics.probability import binomial_tail, significance

_ENOUGH: Final = Enough(samples=30, baseline_windows=3)
_SHOWN: Final = 10


class _Found(NamedTuple):
    feature: str
    probability: float
    share: float
    expected: float
    effect: float
    total: float


@dataclass(frozen=True, slots=True)
class FeatureShare:
    """The share of bad values of each feature, against the baseline's or against a limit.

    Idea: the beta-binomial tail of `shipper.detect.judging.share`, which knows both sample sizes and how much the share
    wanders from window to window; the exact binomial tail where a limit is stated. One test per feature, all of them
    under Bonferroni's bound. Significance alone is no finding: the share must have grown by the least
    effect. Ten events of which two are bad after none in a hundred are neither.
    Fails: what was bad from the beginning and has no limit; shares that follow the hour more than the baseline shows;
    for what is all the same: a feature that nearly always had that value anyway.
    Cost: two columns per feature and window, `<feature>/bad` and `<feature>/all`, and `events`.
    Source: Skellam (1948), see `shipper.detect.judging.share`.

    Attributes:
        minimum_share: least growth of the share, 0..1.
        words: sentence of the finding with the places feature, share, count, expected.
        limit: share that is allowed; None: what the baseline shows.
        needs_all: only a window in which every value is bad counts.
    """

    minimum_share: float = 0.02
    words: str = "{feature}: {share} of {count}, expected were {expected}"
    limit: float | None = None
    needs_all: bool = False
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "share"
    can_pool: ClassVar[bool] = True

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed, expected and threshold are shares of bad values of the worst feature."""
        baseline = reference.baseline
        total, events = current.column("events")[0], baseline.column("events")
        lacking = self.enough.lacking(total, float(events.sum()), int((events > 0).sum()))
        if self.limit is not None:
            lacking = Enough(self.enough.samples, 0, 0).lacking(total, 0, 0)
        if lacking is not None:
            return lacking
        names = [block for block in current.blocks if block != "events"]
        found = [one for name in names if (one := self._judge(name, current, baseline)) is not None]
        if not found:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=self.minimum_share, count=int(total))
        worst = min(
            found,
            key=lambda one: (one.effect < self.minimum_share, one.probability, -one.effect, one.feature),
        )
        standing_out = [
            one
            for one in found
            if one.effect >= self.minimum_share and any_moved(one.probability, len(found)) <= level
        ]
        standing_out.sort(key=lambda one: (-one.effect, one.feature))
        return Score(
            value=significance(any_moved(worst.probability, len(found))),
            effect=worst.effect,
            is_effective=worst.effect >= self.minimum_share,
            observed=worst.share,
            expected=worst.expected,
            threshold=min(1.0, worst.expected + self.minimum_share),
            count=int(worst.total),
            have=int(total),
            need=self.enough.samples,
            facts={
                "feature": worst.feature,
                "features_tested": len(found),
                "words": self.words.format(
                    feature=worst.feature, share=f"{worst.share:.1%}", count=int(worst.total),
                    expected=f"{worst.expected:.1%}",
                ),
            },
            suspects=tuple(one.feature for one in standing_out[:_SHOWN]),
        )  # fmt: skip

    def _judge(self, name: str, current: Table, baseline: Table) -> _Found | None:
        parts, past = current.parts(name), baseline.block(name)
        bad, total = current.block(name)[0][parts.index("bad")], current.block(name)[0][parts.index("all")]
        if total < self.enough.samples:
            return None
        share = bad / total
        if self.limit is not None:
            probability = binomial_tail(math.ceil(bad), math.ceil(total), self.limit)
            return _Found(name, probability, share, self.limit, share - self.limit, total)
        if past.shape[1] < 2 or past[:, parts.index("all")].sum() < self.enough.baseline_samples:
            return None
        model = ShareModel.of(past[:, parts.index("bad")], past[:, parts.index("all")])
        if self.needs_all and bad < total:
            return _Found(name, 1.0, share, model.rate, 0.0, total)
        return _Found(name, model.tail(bad, total), share, model.rate, share - model.rate, total)
