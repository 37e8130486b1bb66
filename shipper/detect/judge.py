"""Walking through the windows of one group in order of time, each judged by what came before it.

Causal by construction: the verdict on a window depends on rows before it and on the verdicts on them only.
Anomalous windows are left out of the baseline, so that a fault is not learnt while it lasts; a change that
lasts longer than the baseline reaches back becomes the new ordinary.

Each window is looked at twice where its detector allows: alone, and summed with the up to three windows
before it. The second look finds, soon enough, what is too small for one window of a quiet service;
the two share the level. It counts only when it is strong, and only while the window itself goes the
same way, so that a recovery is not hidden by what went before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from shipper.detect.detectors.base import Detector, Reference, Score
from shipper.detect.table import Flags, Table
from shipper.detect.threshold import Verdict, verdict_of
from shipper.detect.track import Entry

POOLED_WINDOWS: Final = 4
"""Windows of the second look."""


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


@dataclass(frozen=True, slots=True)
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
        usable = ~np.isin(table.times, np.fromiter(flagged, dtype=np.int64, count=len(flagged)))
        first, last = np.searchsorted(table.times, [start_us, end_us])
        usable[first:last] = True
        for row in range(int(first), int(last)):
            moment = int(table.times[row])
            before = previous.take(previous.times < moment) if previous is not None else None
            judgement = self._judge(table, usable, row, before)
            if judgement.verdict.is_anomalous:
                usable[(table.times >= judgement.since_us) & (table.times <= moment)] = False
            yield judgement

    def _judge(self, table: Table, usable: Flags, row: int, previous: Table | None) -> Judgement:
        moment = int(table.times[row])
        level = self.level_at(moment)
        reference = Reference(self._baseline(table, usable, row, moment), previous)
        if not self.detector.can_pool:
            score = self.detector.score(table.take(slice(row, row + 1)), reference, level)
            return Judgement(moment, verdict_of(score, level), score, level, moment)
        level /= 2
        score = self.detector.score(table.take(slice(row, row + 1)), reference, level)
        alone = Judgement(moment, verdict_of(score, level), score, level, moment)
        if alone.verdict is Verdict.STRONG:
            return alone
        return self._pooled(table, usable, row, previous, alone) or alone

    def _pooled(
        self, table: Table, usable: Flags, row: int, previous: Table | None, alone: Judgement
    ) -> Judgement | None:
        if alone.score.value is not None and not alone.score.is_effective:
            return None
        oldest = alone.start_us - (POOLED_WINDOWS - 1) * self.window_us
        first = int(np.searchsorted(table.times, oldest))
        if first == row:
            return None
        reference = Reference(self._baseline(table, usable, first, alone.start_us), previous)
        score = self.detector.score(table.take(slice(first, row + 1)).summed(), reference, alone.level)
        verdict = verdict_of(score, alone.level)
        if score.value is None:
            return None
        if verdict is not Verdict.STRONG:
            # Windows too small to be judged alone are at least known to be ordinary together.
            is_ordinary = alone.score.value is None and verdict is Verdict.ORDINARY
            return (
                Judgement(alone.start_us, verdict, score, alone.level, alone.start_us)
                if is_ordinary
                else None
            )
        since = self._since(table, first, row, reference, alone)
        return Judgement(alone.start_us, verdict, score, alone.level, since)

    def _since(self, table: Table, first: int, row: int, reference: Reference, alone: Judgement) -> int:
        """Return the start of the earliest of the windows in a row up to this one that go the same way."""
        since = alone.start_us
        for earlier in range(row - 1, first - 1, -1):
            score = self.detector.score(table.take(slice(earlier, earlier + 1)), reference, alone.level)
            if score.value is not None and not score.is_effective:
                break
            since = int(table.times[earlier])
        return since

    def _baseline(self, table: Table, usable: Flags, end_row: int, moment: int) -> Table:
        first = int(np.searchsorted(table.times, moment - self.baseline_us))
        rows = np.zeros(len(table), dtype=np.bool_)
        rows[first:end_row] = usable[first:end_row]
        return table.take(rows)
