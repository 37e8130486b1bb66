"""The share of events that are "bad", learnt from windows that were ordinary.

One idea serves error rates, slow requests and wrong predictions: what the next window shows is
beta-binomial. Its spread has two parts, what is left unknown about the share because the baseline is
finite, and what the share itself wanders from window to window (overdispersion, by the method of
moments). Ignoring the second is why naive tests cry wolf: counts of real systems are not binomial.
Source: Skellam, A probability distribution derived from the binomial distribution by regarding the
probability of success as variable between sets of trials (1948); Kleinman, Proportions with extraneous
variance (1973), for the moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.blocks import block_starts
from shipper.detect.judging.wandering import NO_PRIOR, Prior, Wandering
from shipper.detect.statistics.probability import beta_binomial_tail

_PRIOR = 0.5
"""Jeffreys' prior for a share: half an event bad, half an event good."""

_PLAIN = 1e-3
"""Probabilities above this are not looked at closer."""

_MOST_LAG = 24
_FEWEST_BLOCKS = 10
_MOST_RELATIVE_VARIANCE = 2.0
"""Variance of the share from window to window, in units of the squared share, that is believed at most."""

_FULL_TRUST = 50
"""Windows from which on the measured wandering is taken as it is."""


@dataclass(frozen=True)
class ShareModel:
    """What is known of a share.

    Attributes:
        bad: bad events of the baseline.
        total: all its events.
        history: bad and all events per window that had any, in order of time.
        prior: what is known beside them; its kin without windows that had no event.
    """

    bad: float
    total: float
    history: tuple[Floats, Floats]
    prior: Prior = NO_PRIOR

    @classmethod
    def of(cls, bad: Floats, total: Floats, prior: Prior = NO_PRIOR) -> Self:
        """Learn from one pair of counts per window, in order of time.

        Another version of the same model is kin: its windows say how far a share wanders, not what it is. A version of
        this morning would else be believed to wander far for want of windows, and nothing would ever be found in it.
        """
        some = total > 0
        bad, total = bad[some], total[some]
        k, n = float(bad.sum()), float(total.sum())
        if prior.kin is not None:
            seen = prior.kin[1] > 0
            prior = replace(prior, kin=(prior.kin[0][seen], prior.kin[1][seen]))
        return cls(k, n, (bad, total), prior)

    @property
    def windows(self) -> int:
        """How many windows had at least one event."""
        return len(self.history[1])

    @cached_property
    def wander(self) -> float:
        """The correlation of two events of the same window, 0 (plain binomial) .. 1."""
        return _wander(*self.history, self.prior.kin)

    @property
    def rate(self) -> float:
        """The expected share, 0..1, never exactly 0 or 1."""
        return (self.bad + _PRIOR) / (self.total + 2 * _PRIOR)

    def tail(self, bad: float, total: float) -> float:
        """Return the probability that a window of `total` events has `bad` or more bad ones.

        Where the rough answer is improbable the whole distribution of the wandering is looked at, which takes
        some 10 ms for a day of windows.
        """
        rough = self.rough_tail(bad, total)
        has_link = self.prior.link is not None
        if rough > _PLAIN and not has_link:
            return rough
        found = self._precise(math.ceil(bad), math.ceil(total))
        return found if has_link else min(_PLAIN, max(rough, found))

    def _precise(self, bad: int, total: int) -> float:
        """Return what the wandering around the mean says, or that around the last hour, which sees no seasons; both were tried."""
        found = Wandering.of(*self.history, replace(self.prior, lag=0)).tail(bad, total)
        if self.prior.lag < 1:
            return found
        local = Wandering.of(*self.history, replace(self.prior, kin=None))
        return min(1.0, 2 * min(found, local.tail(bad, total)))

    def rough_tail(self, bad: float, total: float) -> float:
        """Return about what `tail` does, by moments alone: too small far out, but quick."""
        rate = self.rate
        # So it is with most windows; how far the share wanders need not be known.
        if math.ceil(bad) <= math.ceil(total) * rate:
            return 1.0
        spread = 1 / (self.total + 2 * _PRIOR + 1) + self.wander
        concentration = max(1e-3, 1 / spread - 1)
        return beta_binomial_tail(
            math.ceil(bad), math.ceil(total), rate * concentration, (1 - rate) * concentration
        )

    def limit(self, total: float, level: float) -> float:
        """Return the largest share of a window of `total` events that is still ordinary at this level."""
        low, high = math.floor(self.rate * total), math.ceil(total)
        while high - low > 1:
            middle = (low + high) // 2
            found = self.tail(middle, total)
            low, high = (low, middle) if found <= level else (middle, high)
        return low / total if total else 0.0


def in_blocks(bad: Floats, total: Floats, judged: float) -> tuple[Floats, Floats]:
    """Return the windows, as many taken together as make up one of `judged` events, while enough are left.

    How far four hours go astray is told by hours: five minutes with ten events each cannot show that they do not
    wander, and a wandering that lasts four hours would then explain nearly everything.
    """
    some = total > 0
    bad, total = bad[some], total[some]
    starts = block_starts(total, judged, _FEWEST_BLOCKS)
    if starts is None:
        return bad, total
    return np.add.reduceat(bad, starts), np.add.reduceat(total, starts)


def windows_since(current: Table, baseline: Table) -> int:
    """Return how many windows after the baseline's last the judged one lies; 0 where that is more than two hours of them."""
    if len(baseline) < 2:
        return 0
    length = int(np.diff(baseline.times).min())
    lag = int(current.times[0] - baseline.times[-1]) // length
    return lag if 1 <= lag <= _MOST_LAG else 0


def _wander(bad: Floats, total: Floats, kin: tuple[Floats, Floats] | None = None) -> float:
    """Return the intra-window correlation, 0 where the windows vary no more than chance makes them.

    An excess within two standard errors is taken for chance, and a share is not believed to wander by
    more than about its own size: one window with two rare errors would otherwise make tails so heavy that nothing is
    ever found. Few windows cannot show that there is no wandering, so they are not believed to: up
    to `_FULL_TRUST` windows a part of the standard error is added as a guard.
    """
    n, k = float(total.sum()), float(bad.sum())
    if k <= 0 or k >= n:
        return 0.0
    rate = k / n
    groups = [(bad, total), *([kin] if kin is not None and 0 < kin[0].sum() < kin[1].sum() else [])]
    free, squares, sizes, variances = 0, 0.0, 0.0, list[Floats]()
    for some, of in groups:
        own, events = float(some.sum() / of.sum()), float(of.sum())
        variances.append(of * own * (1 - own))
        squares += float(np.sum((some - of * own) ** 2 / variances[-1]))
        sizes += events - float(np.sum(of**2)) / events
        free += len(of) - 1
    if free < 1 or sizes <= free:
        return 0.0
    excess, size = squares / free - 1, sizes / free
    # The squared deviation of a count with mean v, in units of v, has variance 2 + 1/v.
    error = math.sqrt((2 + 1 / float(np.concatenate(variances).mean())) / free)
    guard = error * max(0.0, 1 - (free + 1) / _FULL_TRUST)
    found = ((excess if excess > 2 * error else 0.0) + guard) / (size - 1)
    return min(found, _MOST_RELATIVE_VARIANCE * rate / (1 - rate), 1.0)
