"""A stretch of the past judged by hand: from which state, what is told of it, and what is remembered.

A backfill judges on a copy of the state that knows nothing of what came after its beginning. Where the rule's
own memory reaches back as far, that is its state as it was then; elsewhere the windows of one baseline before the
stretch are judged first, silently, so that a fault that was already there is known and not taken for ordinary.
What is found becomes alerts with the times that a run would have given them then. An episode that lasts beyond
the stretch is followed until it ends or the checkpoint is reached, for no later run would look there again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from shipper.alert.finding import Finding
from shipper.detect.event_time.span import REOPEN_US, Span
from shipper.detect.event_time.window import floor_to
from shipper.detect.fetching.query import Group
from shipper.detect.judging.track import Track
from shipper.detect.rule_job import Judged
from shipper.detect.rules.rule import Rule
from shipper.detect.state import RuleState

RUN_OUT_WINDOWS: Final = 96
"""Windows that are judged at a time while an episode outlasts the stretch."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Aligned moments of one rule in microseconds: judged from `first_us`, told from `from_us` to `to_us`.

    `follow_us` is how far an episode that lasts beyond `to_us` is followed; `to_us` where it is not.
    """

    first_us: int
    from_us: int
    to_us: int
    follow_us: int

    def chunks(self, window_us: int) -> list[tuple[int, int]]:
        """Return the parts to judge in order, those before the stretch apart from it."""
        if self.from_us >= self.to_us:
            return []
        return [
            *Span(self.first_us, self.from_us).chunks(window_us),
            *Span(self.from_us, self.to_us).chunks(window_us),
        ]

    def after(self, rule: Rule, state: RuleState) -> tuple[int, int] | None:
        """Return the next part beyond the stretch while an episode of it lasts, or None."""
        begin = max(self.to_us, state.checkpoint_us or 0)
        if begin >= self.follow_us or not _lasting(rule, state, self.to_us):
            return None
        return begin, min(begin + RUN_OUT_WINDOWS * rule.window, self.follow_us)

    def told(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return the findings that concern the stretch: begun before its end, not over before its begin."""
        return tuple(
            one
            for one in findings
            if one.start_us < self.to_us and (one.ended_us is None or one.ended_us > self.from_us)
        )


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a stretch has shown so far; told when all of it is judged, so that no alert opens only to be closed again.

    Attributes:
        findings: per group, by start.
        first_us: per group, the first window of the stretch that has events; what starts earlier is not withdrawn,
            for events that are gone prove nothing.
    """

    findings: dict[Group, dict[int, Finding]] = field(default_factory=dict)
    first_us: dict[Group, int] = field(default_factory=dict)

    def add(self, judged: Judged, *, is_inside: bool) -> None:
        """Take what a part showed; a finding that a later part lengthens keeps what was measured."""
        for group, found in judged.findings.items():
            mine = self.findings.setdefault(group, {})
            for one in found:
                known = mine.get(one.start_us)
                measured = one.measured or (known.measured if known is not None else None)
                mine[one.start_us] = replace(one, measured=measured)
        for group, first in judged.first_us.items() if is_inside else ():
            self.first_us.setdefault(group, first)

    def told(self, stretch: Stretch) -> dict[Group, tuple[Finding, ...]]:
        """Return what concerns the stretch, per group with events in it, in order of time."""
        return {
            group: stretch.told(found[start] for start in sorted(found))
            for group, found in self.findings.items()
            if group in self.first_us
        }


def stretch_of(rule: Rule, state: RuleState, span: Span) -> tuple[Stretch, RuleState]:
    """Return what to judge for a span in the past, and the state to begin with.

    Args:
        rule: the rule.
        state: its state as stored.
        span: what was asked for, aligned to the rule's windows.
    """
    checkpoint = state.checkpoint_us
    follow = span.to_us if checkpoint is None else max(span.to_us, floor_to(checkpoint, rule.window))
    begin, first = state_at(rule, state, span.from_us)
    return Stretch(first, span.from_us, span.to_us, follow), begin


def state_at(rule: Rule, state: RuleState, moment_us: int) -> tuple[RuleState, int]:
    """Return a state with which windows from a moment on can be judged, and where to begin judging.

    Where the stored verdicts reach from a baseline before the moment to it, it is they; else judging begins a
    baseline earlier with none.
    """
    checkpoint, preceding = state.checkpoint_us, rule.baseline.preceding
    if checkpoint is not None and checkpoint - REOPEN_US <= moment_us <= checkpoint + preceding:
        first = floor_to(min(moment_us, checkpoint), rule.window)
        tracks = {group: _until(track, first) for group, track in state.tracks.items()}
        return replace(state, tracks=tracks, checkpoint_us=first), first
    return replace(state, tracks={}, checkpoint_us=None), floor_to(moment_us - preceding, rule.window)


def remembered(rule: Rule, before: RuleState, after: RuleState, stretch: Stretch) -> RuleState:
    """Return the state to store after a backfill; the checkpoint never moves backwards.

    Args:
        rule: the rule.
        before: the state as it was stored.
        after: the copy on which the stretch was judged.
        stretch: what was judged.
    """
    checkpoint = before.checkpoint_us
    if stretch.from_us >= stretch.to_us:
        return before
    if checkpoint is None or stretch.from_us <= checkpoint <= stretch.to_us:
        tracks = {**before.tracks, **after.tracks}
        return replace(after, tracks=tracks, checkpoint_us=stretch.to_us, digest=rule.digest)
    if stretch.from_us > checkpoint:
        return before  # what lies between has not been judged; the next run goes through all of it
    # Of this stretch the state still knows the end; what lies further back is in the alerts alone.
    start = max(stretch.from_us, checkpoint - rule.baseline.preceding - REOPEN_US)
    end = min(max(stretch.to_us, after.checkpoint_us or 0), checkpoint)
    tracks = dict(before.tracks)
    for group, track in after.tracks.items():
        judged = [one for one in track.entries if start <= one.start_us < end]
        if judged:
            tracks[group] = tracks.get(group, Track()).with_judged(start, end, judged)
    return replace(before, tracks=tracks)


def _until(track: Track, moment_us: int) -> Track:
    return Track(track.folded, tuple(one for one in track.entries if one.start_us < moment_us))


def _lasting(rule: Rule, state: RuleState, before_us: int) -> bool:
    for track in state.tracks.values():
        episodes = track.episodes(rule.hysteresis)
        if episodes and episodes[-1].ended_us is None and episodes[-1].start_us < before_us:
            return True
    return False
