"""Certain records that come too often, or do not come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.event_time.window import MINUTE_US, format_duration, iso
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.statistics.probability import MAX_SCORE


@dataclass(frozen=True, slots=True)
class Occurrences(FixedStandard):
    """The number of certain records within a time, against a number that the rule gives.

    Idea: counting, with no notion of what is ordinary. Too many are told as soon as they are there. Too few are told once
    the whole time has been watched: from the first event of the group on, of whatever kind.
    Fails: a group that has never sent anything is not known, so it is not missed; a number that follows the traffic belongs to
    the kinds that learn.
    Cost: one sum per window; columns `events` and `meant`.
    Source: counting thresholds and dead man's switches are folklore; the half-open sliding count is that of any log alerter.

    Attributes:
        most: from so many on there are too many; None: too many do not exist.
        fewest: fewer are too few; 0: too few do not exist.
        within_us: time over which is counted, a multiple of `window_us`, the length of a row.
        meant: the records in words.
    """

    most: int | None = 1
    fewest: int = 0
    within_us: int = 15 * MINUTE_US
    window_us: int = 5 * MINUTE_US
    meant: str = "the record"
    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - no test
        """See `Detector.score`; observed is the number within the time, threshold where too many or few begin."""
        times = np.append(reference.baseline.times, current.times)
        meant = np.append(reference.baseline.column("meant"), current.column("meant"))
        events = np.append(reference.baseline.column("events"), current.column("events"))
        first = int(np.searchsorted(times, int(times[-1]) + self.window_us - self.within_us))
        count = float(meant[first:].sum())
        is_much = self.most is not None and count >= self.most
        known = np.flatnonzero(np.maximum(events, meant) > 0)
        if not is_much:
            watched = int(times[-1] - times[known[0]]) // self.window_us + 1 if len(known) else 0
            need = max(1, self.within_us // self.window_us)
            if watched < need:
                return not_enough(watched, need, "windows since the first event")
        is_wrong = is_much or count < self.fewest
        limit = float(self.most if self.most is not None else self.fewest)
        facts: dict[str, str | int | float] = {"within": format_duration(self.within_us)}
        if is_wrong:
            facts |= {"words": self._words(count, times, meant), "matching_events": int(count)}
        return Score(
            value=MAX_SCORE if is_wrong else 0.0,
            effect=abs(count - limit),
            is_effective=is_wrong,
            observed=count,
            expected=0.0 if self.most is not None else limit,
            threshold=limit,
            count=int(events[first:].sum()),
            have=1,
            need=1,
            reach=self._reach(times, meant, first) if is_much else 0,
            facts=facts,
        )

    def _reach(self, times: Ints, meant: Floats, first: int) -> int:
        """Return how many windows back the first of the counted records lies."""
        earliest = first + int(np.flatnonzero(meant[first:] > 0)[0])
        return int(times[-1] - times[earliest]) // self.window_us

    def _words(self, count: float, times: Ints, meant: Floats) -> str:
        within = format_duration(self.within_us)
        if self.most is not None:
            often = "once" if count == 1 else f"{int(count)} times"
            least = f", {self.most} are too many" if self.most > 1 else ""
            return f"{self.meant} came {often} within {within}{least}"
        if count > 0:
            return f"{self.meant} came only {int(count)} of {self.fewest} times within {within}"
        seen = np.flatnonzero(meant > 0)
        if not len(seen):
            return f"{self.meant} did not come within {within}"
        last = iso(int(times[seen[-1]]))[:16].replace("T", " ")
        return f"{self.meant} did not come within {within}; it last came about {last} UTC"
