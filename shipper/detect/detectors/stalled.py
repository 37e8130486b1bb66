"""A training run says nothing any more: it hangs, or it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.earlier import LONGEST_GAP, comparable, gaps, known_of
from shipper.detect.curves.noise import beyond
from shipper.detect.curves.watched import Watched
from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.probability import MAX_SCORE, significance

_FEWEST_GAPS: Final = 20
_MOST_REPEATED: Final = 1000
_PRIOR: Final = 0.05
_MISSED_BEATS: Final = 3
_QUIET: Final = Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=0.0)
_USUAL: Final = Watched(change=2.0)


@dataclass(frozen=True, slots=True)
class _Life:
    """What is known of a run at the end of a window; seconds, moments since the epoch."""

    silence_s: float
    has_started: bool
    is_dead: bool | None
    """Whether its process is gone; None: nothing is known of its process."""
    has_left: bool = False
    """Whether the process itself said that it ends."""


@dataclass(frozen=True, slots=True)
class Stalled(FixedStandard):
    """Silence that is much longer than any before it in the same run, though the run has not ended.

    Idea: the longest tenth of the run's own silences has, on a logarithmic scale, an exponential tail; how long the run is
    silent now has the probability that this tail gives, times the silences that a window has. It has to be past three
    times the longest silence so far, of this run or of an earlier one of its kind (an evaluation after the first epoch is long
    and no fault), and past a least length. Slow logging is long silences throughout, so it is not told. If the run's process is
    known (it logs heartbeats), a *stalled* run is one whose process lives, a *killed* one whose process does not. Where nothing is
    known of it, both say the same. An end that says `failed` or `killed` is told at once as killed, unless
    somebody interrupted it at the keyboard.
    Fails: the first 20 events of a run; the first pause of its kind ever, if it is longer than three times all before it; a machine
    that has lost its network, until what it logged arrives.
    Cost: three columns for each part of a window; heartbeats are a second search.
    Source: Lomax (1954), see `shipper.detect.curves.noise`; Pareto tails of pauses: Barford and Crovella (1998).

    Attributes:
        is_killed: tells of killed runs; else of stalled ones.
        least_s: shorter silence is none.
    """

    watched: Watched = _USUAL
    is_killed: bool = False
    least_s: float = 900.0
    unit: ClassVar[str] = "s"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the silence at the window's end, expected the longest before; seconds."""
        if self.is_killed and (said := _said_end(current)) is not None:
            return said
        ends = sum(float(current.column(name)[0]) for name in layout.ENDS)
        if current.column(layout.OVER)[0] > 0 or ends > 0:
            return _QUIET
        past = reference.baseline
        life = _life(past, current, self.watched.window_us)
        lengths, times = gaps(_joined(past, current), self.watched.window_us)
        have = int(times.sum())
        if life is None or (have < _FEWEST_GAPS and not (self.is_killed and life.is_dead)):
            return not_enough(
                0 if life is None else have, _FEWEST_GAPS, "intervals between events of the run"
            )
        longest = float(lengths.max(initial=0.0))
        others = known_of(comparable(reference.previous, current, self.watched.baseline_us), LONGEST_GAP)
        longest = max(longest, float(np.max(others, initial=0.0)))
        limit = max(self.least_s, (1 + self.watched.change) * longest)
        if self.is_killed and life.is_dead and life.has_started:
            # A machine without its network looks the same as a dead one for a while; a farewell does not.
            limit = self.least_s / 3 if life.has_left else self.least_s
        value = MAX_SCORE if self.is_killed and life.is_dead else self._unlikely(life, lengths, times, past)
        is_mine = life.is_dead is None or life.is_dead == self.is_killed
        return Score(
            value=value,
            effect=life.silence_s / max(1.0, longest) - 1,
            is_effective=life.silence_s >= limit and is_mine and (life.has_started or not self.is_killed),
            observed=life.silence_s,
            expected=longest,
            threshold=limit,
            count=have,
            have=have,
            need=_FEWEST_GAPS,
            facts={"process": _process(life), "words": self._words(life, longest, past, current)},
        )

    def _unlikely(self, life: _Life, lengths: Floats, times: Floats, past: Table) -> float:
        """Return how improbable it is that a silence of this window becomes as long."""
        repeated = np.repeat(np.log(np.maximum(lengths, 1e-3)), np.minimum(times, _MOST_REPEATED).astype(int))
        chance = beyond(float(np.log(max(life.silence_s, 1e-3))), repeated, prior=_PRIOR)
        windows = max(1, int((past.column(layout.EVENTS) > 0).sum()))
        return significance(min(1.0, chance * max(1.0, float(times.sum()) / windows)))

    def _words(self, life: _Life, longest: float, past: Table, current: Table) -> str:
        step = max((int(one.column(layout.LAST_STEP).max(initial=0.0)) for one in (past, current)), default=0)
        after = f" after step {step - 1}" if step else ""
        said = (
            f"nothing for {_length(life.silence_s)}{after}, the longest silence before was {_length(longest)}"
        )
        if life.is_dead:
            return f"{said}; the run has not ended and its process is gone"
        return f"{said}; the run has not ended" + (", its process lives" if life.is_dead is False else "")


def _said_end(current: Table) -> Score | None:
    """Return the score of a window in which the run itself says that it ended badly."""
    if current.column(layout.FINISHED)[0] > 0:
        return _QUIET
    failed, killed = (float(current.column(name)[0]) for name in (layout.FAILED, layout.KILLED))
    killed -= float(current.column(layout.INTERRUPTED)[0])
    if failed + killed < 1:
        return None
    how = "failed" if failed >= 1 else "killed"
    return Score(
        MAX_SCORE, 1.0, True, 1.0, 0.0, 0.0, count=1,
        facts={"process": how, "words": f"the run says that it was {how}" if how == "killed" else "the run failed"},
    )  # fmt: skip


def _joined(past: Table, current: Table) -> Table:
    values = np.concatenate([past.values, current.values])
    return Table(np.concatenate([past.times, current.times]), values, current.blocks, current.names)


def _life(past: Table, current: Table, window_us: int) -> _Life | None:
    """Return what is known of the run at the window's end; None before its first event."""
    both = _joined(past, current)
    end_s = (float(current.times[0]) + window_us) / 1e6
    seen = _last(both, both.block(f"{layout.SEEN}.n"), both.block(f"{layout.SEEN}.to"), window_us)
    if seen is None:
        return None
    beats = both.block(layout.BEATS)
    beat = _last(both, beats, both.block(layout.BEAT_AT), window_us)
    farewell = both.column(layout.FAREWELL)
    is_dead: bool | None = None
    has_left = False
    if beat is not None:
        every = float(both.column(layout.BEAT_S)[np.flatnonzero(beats[:, 0] > 0)[-1]])
        left = np.flatnonzero(farewell > 0)
        has_left = len(left) > 0 and bool(left[-1] >= np.flatnonzero(beats[:, 0] > 0)[-1])
        # A process whose last sign of any kind is fresh lives.
        silent = end_s - max(beat, seen)
        is_dead = bool(has_left or silent > max(_MISSED_BEATS * every, 60.0))
    has_started = bool((both.column(layout.STARTS) > 0).any())
    return _Life(max(0.0, end_s - seen), has_started, is_dead, has_left)


def _last(table: Table, counts: Floats, moments: Floats, window_us: int) -> float | None:
    """Return the last moment of which there is a count, in seconds since the epoch."""
    if not counts.size or counts.shape != moments.shape:
        return None
    rows, places = np.nonzero(counts > 0)
    if not len(rows):
        return None
    offset = min(max(0.0, float(moments[rows[-1], places[-1]])), window_us / 1e6)
    return float(table.times[rows[-1]]) / 1e6 + offset


def _process(life: _Life) -> str:
    return "unknown" if life.is_dead is None else "gone" if life.is_dead else "alive"


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
