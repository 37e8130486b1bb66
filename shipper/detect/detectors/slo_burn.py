"""An error budget that burns too fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.detectors.base import FEW_EVENTS, FixedStandard, Reference, Score, not_enough
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, format_duration
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.statistics.probability import MAX_SCORE, binomial_tail

PERIOD_EVENTS: Final = "period_events"
PERIOD_BAD: Final = "period_bad"
"""Columns that a row may have: sums over the whole period up to its end."""

_HALF: Final = 0.5
"""Of a burn rate: what chance must not explain."""


class Pair(NamedTuple):
    """A burn rate, and the two lengths in microseconds over which it must be reached."""

    rate: float
    long_us: int
    short_us: int


class Burning(NamedTuple):
    """How fast the budget burns by one pair, at the end of a window.

    Attributes:
        long, short: burn rates; NaN where there are no events.
        bad, events: of the long window.
        is_burning: both reach the rate, and chance does not explain it.
        is_unknown: the long one does, and the short window has no events.
    """

    pair: Pair
    long: float
    short: float
    bad: float
    events: float
    is_burning: bool
    is_unknown: bool


@dataclass(frozen=True, slots=True)
class SloBurn(FixedStandard):
    """The share of bad events over a long and a short window, in multiples of what the objective allows.

    Idea: a burn rate of 1 uses up the error budget of the period exactly; a pair of windows alerts where both burn at its
    rate: the long one says that it matters, the short one that it still goes on, and ends the alert soon after
    the cause is gone. With little traffic one bad event is a high rate, so there must be `minimum_bad` of them, and
    so many must be improbable if the budget burnt at half the rate (exact binomial tail): with much traffic that is always so.
    Fails: bad events that come in bursts of one cause (retries of one client) count one by one; what never arrives (the
    service is away, so nothing is logged) burns nothing: that is for rules of silence. A short window without events
    leaves things as they are.
    Cost: two sums per pair and window; columns `events` and `bad`.
    Source: Beyer, Murphy, Rensin, Kawahara and Thorne, The Site Reliability Workbook (2018), chapter 5; Clopper and
    Pearson (1934) for the exact tail.

    Attributes:
        allowed: share of events that may be bad; 0.001 for an objective of 99.9 %.
        window_us: length of a row; period_us: of the error budget.
        probability: of so many bad events by chance at half the rate, at most.
        verb: what is said of bad events.
    """

    allowed: float = 0.001
    pairs: Sequence[Pair] = (Pair(14.4, HOUR_US, 5 * MINUTE_US),)
    window_us: int = 5 * MINUTE_US
    period_us: int = 30 * 24 * HOUR_US
    minimum_bad: int = 3
    minimum_samples: int = 1
    minimum_windows: int = 1
    probability: float = 1e-3
    verb: str = "were bad"
    unit: ClassVar[str] = "burn"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - no test
        """See `Detector.score`; observed and threshold are burn rates, 1 is expected."""
        times = np.append(reference.baseline.times, current.times)
        events = np.append(reference.baseline.column("events"), current.column("events"))
        bad = np.append(reference.baseline.column("bad"), current.column("bad"))
        before = int((events[:-1] > 0).sum())
        if before < self.minimum_windows:
            return not_enough(before, self.minimum_windows, "windows before")
        found = [self._burning(pair, times, events, bad) for pair in self.pairs]
        longest = max(found, key=lambda one: one.pair.long_us)
        if longest.events < self.minimum_samples:
            return not_enough(longest.events, self.minimum_samples, FEW_EVENTS)
        worst = max(found, key=lambda one: (one.is_burning, one.is_burning * one.pair.rate, _part(one)))
        if not worst.is_burning and any(one.is_unknown for one in found):
            return not_enough(0, 1, "events in the short window")
        is_burning = worst.is_burning
        return Score(
            value=MAX_SCORE if is_burning else 0.0,
            effect=_number(worst.long),
            is_effective=is_burning,
            observed=_number(worst.long),
            expected=1.0,
            threshold=worst.pair.rate,
            count=int(worst.events),
            have=int(worst.events),
            need=self.minimum_samples,
            reach=self._reach(worst.pair, times, events, bad) if is_burning else 0,
            facts=self._facts(worst, current),
        )

    def may_burn(self, times: Ints, events: Floats, bad: Floats) -> bool:
        """Whether the budget burns by some pair at the end of the last row."""
        return any(self._burning(pair, times, events, bad).is_burning for pair in self.pairs)

    def _burning(self, pair: Pair, times: Ints, events: Floats, bad: Floats) -> Burning:
        end = int(times[-1]) + self.window_us
        first = int(np.searchsorted(times, end - pair.long_us))
        late = int(np.searchsorted(times, end - pair.short_us))
        many, wrong = float(events[first:].sum()), float(bad[first:].sum())
        recent, wrong_now = float(events[late:].sum()), float(bad[late:].sum())
        long = wrong / many / self.allowed if many > 0 else math.nan
        short = wrong_now / recent / self.allowed if recent > 0 else math.nan
        share = pair.rate * self.allowed
        is_much = wrong >= self.minimum_bad and wrong > share * many and self._is_no_chance(pair, wrong, many)
        is_now = wrong_now > share * recent
        return Burning(pair, long, short, wrong, many, is_much and is_now, is_much and recent <= 0)

    def _is_no_chance(self, pair: Pair, bad: float, events: float) -> bool:
        rate = min(1.0, _HALF * pair.rate * self.allowed)
        return binomial_tail(math.floor(bad), math.ceil(events), rate) <= self.probability

    def _reach(self, pair: Pair, times: Ints, events: Floats, bad: Floats) -> int:
        """Return how many windows back it burns already: up to a stretch as long as the short window that does not."""
        oldest = int(times[-1]) + self.window_us - pair.long_us
        since = last = len(times) - 1
        for row in range(last, -1, -1):
            if times[row] < oldest or times[since] - times[row] > pair.short_us:
                break
            if bad[row] > pair.rate * self.allowed * events[row]:
                since = row
        return int((times[last] - times[since]) // self.window_us)

    def _facts(self, one: Burning, current: Table) -> dict[str, str | int | float]:
        long, short = format_duration(one.pair.long_us), format_duration(one.pair.short_us)
        facts: dict[str, str | int | float] = {
            "burn_rate_long": round(_number(one.long), 2),
            "burn_rate_short": round(_number(one.short), 2),
            "alerts_from": one.pair.rate,
            "long": long,
            "short": short,
            "bad_events": int(one.bad),
            "objective": f"{100 * (1 - self.allowed):.8g} %",
        }
        budget = ""
        all_events, all_bad = current.column(PERIOD_EVENTS)[0], current.column(PERIOD_BAD)[0]
        if one.is_burning and all_events > 0:
            left = 1 - all_bad / all_events / self.allowed
            facts["budget_left"] = round(float(left), 4)
            budget = f"; {self._budget_words(float(left), one.long)}"
        if one.is_burning:
            facts["words"] = (
                f"{int(one.bad)} of {int(one.events)} events {self.verb} within {long} (objective {facts['objective']}): "
                f"the error budget burns {_times(one.long)} as fast as it may, {_times(one.short)} within {short}{budget}"
            )
        return facts

    def _budget_words(self, left: float, rate: float) -> str:
        period = format_duration(self.period_us)
        if left <= 0:
            return f"none of the budget of {period} is left ({1 - left:.0%} is used)"
        rest = self.period_us * left / rate
        return f"{left:.0%} of the budget of {period} is left, at this rate for {_about(rest)}"


def _part(one: Burning) -> float:
    """Return how near a pair is to its alert."""
    return min(_number(one.long), _number(one.short)) / one.pair.rate


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _times(rate: float) -> str:
    return f"{rate:.1f} times" if rate < 100 else f"{rate:.0f} times"


def _about(length_us: float) -> str:
    minutes = max(1, round(length_us / MINUTE_US))
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 72 else f"{round(hours / 24)} days"
