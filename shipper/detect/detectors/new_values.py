"""Something appears that was never there, or what was always there is gone: categories, and fields themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from shipper.detect.detectors.base import Enough, Reference, Score
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.discovery import any_moved
from shipper.detect.statistics.hypergeometric import all_new, upper_tail
from shipper.detect.statistics.probability import significance

UNLISTED: Final = "(others)"
"""Part that counts values which the answer had no room for; a feature that has any is not judged."""

SLASH: Final = "\u2215"
"""Stands in a column's name for the slash of a value."""

_ENOUGH: Final = Enough(samples=30, baseline_windows=3)


class _Found(NamedTuple):
    feature: str
    value: str
    change: str
    probability: float
    seen: float
    total: float
    before: float
    total_before: float


@dataclass(frozen=True, slots=True)
class NewValues:
    """Values that the baseline has none of, and (for fields) those that the window has none of.

    Idea: if nothing changed, the x events with a value are a random draw: that all of them fall into the judged
    window of n events, and none into the m before, has the exact probability n(n-1).../(N(N-1)...). A rare category that
    shows up once is nothing; three in a window of 200 after 5,000 without are. What vanished is judged the same
    way round. Bonferroni's bound covers all values that were seen.
    Fails: values that come rarely and in clumps (a batch of one customer): they are new, and that is told; features
    with more than 500 values in a window, which are not judged.
    Cost: one column per value and window, `<feature>/<value>`, and `events`.
    Source: Fisher (1935), see `shipper.detect.statistics.hypergeometric`.

    Attributes:
        minimum_share: least share of the events that have what is new, or had what is gone.
        words: sentence of the finding with the places feature, value, change, share, count, expected, before.
        are_fields: parts are names of fields of all events; they can vanish, too.
    """

    minimum_share: float = 0.02
    words: str = "{feature} has {value} in {share} of {count}"
    are_fields: bool = False
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "share"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """See `Detector.score`; observed and expected are the shares of events with the value that stands out."""
        baseline = reference.baseline
        total, events = current.column("events")[0], baseline.column("events")
        lacking = self.enough.lacking(total, float(events.sum()), int((events > 0).sum()))
        if lacking is not None:
            return lacking
        values = 0
        found: list[_Found] = []
        for name in current.blocks:
            if name != "events":
                values += int((current.block(name)[0] + baseline.block(name).sum(axis=0) > 0).sum())
                found += self._changes(name, current, baseline)
        if not found:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=self.minimum_share, count=int(total))
        worst = min(found, key=lambda one: (one.probability, one.feature, one.value))
        named = [
            one.feature
            for one in found
            if one.probability * values <= level and self._effect(one) >= self.minimum_share
        ]
        effect = self._effect(worst)
        return Score(
            value=significance(any_moved(worst.probability, values)),
            effect=effect,
            is_effective=effect >= self.minimum_share,
            observed=worst.seen / worst.total,
            expected=worst.before / worst.total_before,
            threshold=self.minimum_share,
            count=int(worst.total),
            have=int(total),
            need=self.enough.samples,
            facts={
                "feature": worst.feature,
                "value": worst.value,
                "values_tested": values,
                "words": self.words.format(
                    feature=worst.feature, value=worst.value, change=worst.change,
                    share=f"{worst.seen / worst.total:.1%}", count=int(worst.total),
                    expected=f"{worst.before / worst.total_before:.1%}", before=int(worst.total_before),
                ),
            },
            suspects=tuple(dict.fromkeys(named)),
        )  # fmt: skip

    @staticmethod
    def _effect(one: _Found) -> float:
        return abs(one.seen / one.total - one.before / one.total_before)

    def _changes(self, name: str, current: Table, baseline: Table) -> Iterator[_Found]:
        counts, past, parts = current.block(name)[0], baseline.block(name).sum(axis=0), current.parts(name)
        if len(past) != len(parts) or any(
            part == UNLISTED and (count or before)
            for part, count, before in zip(parts, counts, past, strict=True)
        ):
            return
        n = float(current.column("events")[0] if self.are_fields else counts.sum())
        m = float(baseline.column("events").sum() if self.are_fields else past.sum())
        if n < self.enough.samples or m < self.enough.baseline_samples:
            return
        for part, count, before in zip(parts, counts, past, strict=True):
            value = part.replace(SLASH, "/")
            feature = value if self.are_fields else name
            if count > 0 and before == 0:
                probability = all_new(int(count), int(n), int(n + m))
                yield _Found(feature, value, "is new", probability, count, n, before, m)
            elif self.are_fields and count == 0 and before > 0:
                probability = upper_tail(int(n), int(n), int(n + m - before), int(n + m))
                yield _Found(feature, value, "is gone", probability, count, n, before, m)
