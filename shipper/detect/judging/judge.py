"""Walking through the windows of one group in order of time, each judged by what came before it.

Causal by construction: the verdict on a window depends on rows before it and on the verdicts on them only.
Anomalous windows are left out of the baseline, so that a fault is not learnt while it lasts; a change that
lasts longer than the baseline reaches back becomes the new ordinary.

Where its detector allows, a window is looked at more than once: alone, and summed with the windows before it
(`LOOKS`). The longer looks find, soon enough, what is too small for one window of a quiet service. All
looks share the level. A longer look overlaps that of the window before, so a repetition confirms nothing:
it has to be past the level by `POOLED_FACTOR` and then opens at once. It counts only while the window
itself goes the same way, so that a recovery is not hidden by what went before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from shipper.detect.detectors.base import FEW_EVENTS, FEW_LABELS, Detector, FixedStandard, Reference, Score
from shipper.detect.fetching.table import Flags, Table
from shipper.detect.judging.caution import APPROXIMATE, Caution, caution_of
from shipper.detect.judging.threshold import Verdict, verdict_of
from shipper.detect.judging.track import Entry

LOOKS: Final = APPROXIMATE.looks
"""Windows of each longer look of a detector whose tails are not calibrated."""

PLENTY_WINDOWS: Final = 48
"""With so many older windows the newest are left out of the baseline."""

BASELINE_STEP: Final = 12
"""Windows by which the far end of a long baseline moves at a time."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one window with the score it rests on; the anomaly reaches back to `since_us`."""

    start_us: int
    verdict: Verdict
    score: Score
    level: float
    since_us: int

    @property
    def entry(self) -> Entry:
        """What the track keeps."""
        return Entry(self.start_us, self.verdict, self.since_us)


@dataclass(frozen=True)
class Judge:
    """How the windows of a rule are judged.

    Attributes:
        detector: gives the scores.
        window_us, baseline_us: length of a window, and how far the baseline reaches back.
        level_at: significance level of the window that starts at a moment.
    """

    detector: Detector
    window_us: int
    baseline_us: int
    level_at: Callable[[int], float]

    @cached_property
    def caution(self) -> Caution:
        """How the detector's evidence is taken."""
        return caution_of(self.detector)

    def windows(
        self,
        table: Table,
        start_us: int,
        end_us: int,
        *,
        flagged: Collection[int] = (),
        previous: Table | None = None,
    ) -> Iterator[Judgement]:
        """Judge all rows of the table inside [start, end), in order.

        Args:
            table: the group's rows, from at least the baseline's length before `start_us`.
            flagged: starts of windows before `start_us` that are known to be anomalous.
            previous: rows of the previous version of the same model.
        """
        learns = not isinstance(self.detector, FixedStandard)
        known = flagged if learns else ()
        usable = ~np.isin(table.times, np.fromiter(known, dtype=np.int64, count=len(known)))
        first, last = np.searchsorted(table.times, [start_us, end_us])
        usable[first:last] = True
        for row in range(int(first), int(last)):
            moment = int(table.times[row])
            before = previous.take(previous.times < moment) if previous is not None else None
            judgement = self._judge(table, usable, row, before)
            if judgement.verdict.is_anomalous and learns:
                usable[(table.times >= judgement.since_us) & (table.times <= moment)] = False
            yield judgement

    def _judge(self, table: Table, usable: Flags, row: int, previous: Table | None) -> Judgement:
        moment = int(table.times[row])
        level, caution = self.level_at(moment), self.caution
        reference = Reference(self._baseline(table, usable, row, moment), previous)
        if not self.detector.can_pool:
            score = self.detector.score(table.take(slice(row, row + 1)), reference, level)
            since = moment - score.reach * self.window_us
            return Judgement(moment, verdict_of(score, level, caution.strong), score, level, since)
        level /= caution.share
        score = self.detector.score(table.take(slice(row, row + 1)), reference, level)
        alone = Judgement(moment, verdict_of(score, level, caution.strong), score, level, moment)
        is_too_small = score.value is None and score.missing.endswith((FEW_EVENTS, FEW_LABELS))
        if alone.verdict is Verdict.STRONG:
            return alone
        if not (score.is_effective or is_too_small):
            return self._cleared(table, usable, row, previous, alone)
        for look in (*caution.looks, caution.last_look or caution.looks[-1]):
            pooled = self._pooled(table, usable, row, previous, look, alone)
            if pooled is not None and pooled.verdict is not Verdict.UNCLEAR:
                return pooled
            if pooled is None or (look == caution.looks[-1] and pooled.score.value is not None):
                break
        return alone

    def _cleared(
        self, table: Table, usable: Flags, row: int, previous: Table | None, alone: Judgement
    ) -> Judgement:
        """Let a window end an anomaly only if it is ordinary together with those just before it.

        A few requests that happen to go well say little; without this a fault of a quiet service would
        recover and come back again and again.
        """
        first = int(
            np.searchsorted(table.times, alone.start_us - (self.caution.looks[0] - 1) * self.window_us)
        )
        if usable[first:row].all():
            return alone
        reference = Reference(self._baseline(table, usable, first, alone.start_us), previous)
        score = self.detector.score(table.take(slice(first, row + 1)).summed(), reference, alone.level)
        return replace(alone, verdict=Verdict.UNCLEAR) if score.is_effective else alone

    def _pooled(
        self,
        table: Table,
        usable: Flags,
        row: int,
        previous: Table | None,
        look: int,
        alone: Judgement,
    ) -> Judgement | None:
        """Judge the window together with those before it; None where they do not go the same way.

        UNCLEAR: they do, but it could still be chance; a longer look may tell.
        """
        moment, level = alone.start_us, alone.level / self.caution.pooled
        first = int(np.searchsorted(table.times, moment - (look - 1) * self.window_us))
        flagged = np.flatnonzero(~usable[first:row])
        if len(flagged) and row - (first + int(flagged[-1])) >= self.caution.looks[0]:
            # What was over before the shortest look is a closed chapter, no evidence for this window.
            first += int(flagged[-1]) + 1
        reference = Reference(self._baseline(table, usable, first, moment), previous)
        if self.caution.needs_as_many and len(reference.baseline) < look:
            return None
        score = self.detector.score(table.take(slice(first, row + 1)).summed(), reference, level)
        is_too_small = alone.score.value is None
        if score.value is not None and verdict_of(score, level).is_anomalous:
            since = self._since(table, first, row, reference, alone)
            return Judgement(moment, Verdict.STRONG, score, level, since)
        if score.value is not None and is_too_small and not score.is_effective:
            # A window too small to be judged alone is at least known to be ordinary together with others.
            return Judgement(moment, Verdict.ORDINARY, score, level, moment)
        goes_on = score.is_effective or score.value is None
        return Judgement(moment, Verdict.UNCLEAR, score, level, moment) if goes_on else None

    def _since(self, table: Table, first: int, row: int, reference: Reference, alone: Judgement) -> int:
        """Return the start of the earliest of the windows in a row up to this one that go the same way."""
        since = alone.start_us
        for earlier in range(row - 1, first - 1, -1):
            score = self.detector.score(table.take(slice(earlier, earlier + 1)), reference, alone.level)
            if score.value is not None and not score.is_effective:
                break
            since = int(table.times[earlier])
        return since

    def _begin(self, moment: int) -> int:
        """Return where the baseline begins: in steps of some windows, so that what is learnt of it can be kept a while."""
        step = BASELINE_STEP * self.window_us
        begin = moment - self.baseline_us
        return begin + -begin % step if self.baseline_us >= PLENTY_WINDOWS * self.window_us else begin

    def _baseline(self, table: Table, usable: Flags, end_row: int, moment: int) -> Table:
        """Return the ordinary windows before `end_row`, less the newest where there are plenty.

        A fault that creeps in is not flagged at first; it must not teach the baseline meanwhile.
        """
        first = int(np.searchsorted(table.times, self._begin(moment)))
        if self.detector.can_pool:
            older = int(np.searchsorted(table.times, moment - self.caution.newest * self.window_us))
            if np.count_nonzero(usable[first:older]) >= PLENTY_WINDOWS:
                end_row = min(end_row, older)
        ordinary = usable[first:end_row]
        # A view: copies of all baselines would cost more than the rest.
        some = table.take(slice(first, end_row))
        return some if ordinary.all() else some.take(ordinary)
