"""A stretch of the past: from which state it is judged, what is told, what is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipper.alert.finding import Finding, Measured
from shipper.cli.detect_past import when_free
from shipper.clock import ManualClock
from shipper.detect.backfill import Gathered, remembered, state_at, stretch_of
from shipper.detect.event_time.span import Span
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.query import Group
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Entry, Track
from shipper.detect.lease import LeaseHeld
from shipper.detect.report import RunReport
from shipper.detect.rule_job import Judged, rule_facts
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import RuleState

(RULE,) = parse_rules("rules: [{id: one, kind: error_rate, window: 1h, baseline: 24h}]").active
NOW = 1_790_000_000_000_000 // DAY_US * DAY_US
GROUP: Group = ("api",)


def entries(start_us: int, end_us: int, verdict: Verdict = Verdict.ORDINARY) -> tuple[Entry, ...]:
    """One verdict an hour."""
    return tuple(Entry(at, verdict, at) for at in range(start_us, end_us, HOUR_US))


STORED = RuleState(
    digest=RULE.digest,
    checkpoint_us=NOW,
    ingested_us=NOW + 5,
    tracks={GROUP: Track(entries=entries(NOW - 3 * DAY_US, NOW))},
)


def finding(start_us: int, ended_us: int | None) -> Finding:
    """An episode."""
    return Finding(rule_facts(RULE), {}, start_us, start_us + HOUR_US, 2, ended_us)


def test_a_recent_stretch_begins_with_the_state_as_it_was_then() -> None:
    """Verdicts from before the stretch are known, later ones are not; nothing is judged before it."""
    stretch, begin = stretch_of(RULE, STORED, Span(NOW - DAY_US, NOW - 20 * HOUR_US))
    assert (stretch.first_us, stretch.follow_us) == (NOW - DAY_US, NOW)
    assert begin.checkpoint_us == NOW - DAY_US
    assert begin.tracks[GROUP].entries == entries(NOW - 3 * DAY_US, NOW - DAY_US)


def test_an_old_stretch_is_preceded_by_a_baseline() -> None:
    """Where no verdicts are remembered, the windows of one baseline before are judged, apart from the stretch."""
    span = Span(NOW - 30 * DAY_US, NOW - 29 * DAY_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    assert begin.tracks == {}
    assert stretch.chunks(RULE.window) == [
        (span.from_us - DAY_US, span.from_us),
        (span.from_us, span.to_us),
    ]


def test_a_stretch_after_the_checkpoint_begins_at_it() -> None:
    """What lies between is judged silently, so that the baseline knows its faults."""
    begin, first = state_at(RULE, STORED, NOW + 5 * HOUR_US)
    assert (first, begin.tracks) == (NOW, dict(STORED.tracks))


def test_the_checkpoint_never_moves_backwards() -> None:
    """U61: after a stretch that ends before it, the checkpoint is where it was, and later verdicts are kept."""
    span = Span(NOW - DAY_US, NOW - 20 * HOUR_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    worse = begin.tracks[GROUP].with_judged(*_ends(span), entries(*_ends(span), Verdict.STRONG))
    after = remembered(RULE, STORED, replace(begin, tracks={GROUP: worse}, checkpoint_us=span.to_us), stretch)
    assert (after.checkpoint_us, after.ingested_us) == (NOW, NOW + 5)
    verdicts = [one.verdict for one in after.tracks[GROUP].entries]
    assert len(verdicts) == 72
    assert [place for place, one in enumerate(verdicts) if one is Verdict.STRONG] == [48, 49, 50, 51]


def test_what_the_state_has_forgotten_is_not_put_back() -> None:
    """Verdicts older than the track would be read out of order: they are in the alerts alone."""
    span = Span(NOW - 30 * DAY_US, NOW - 29 * DAY_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    tracks = {GROUP: Track(entries=entries(*_ends(span), Verdict.STRONG))}
    after = replace(begin, tracks=tracks, checkpoint_us=span.to_us)
    assert remembered(RULE, STORED, after, stretch) == STORED


def test_a_stretch_over_the_checkpoint_moves_it_on() -> None:
    """What was judged by hand is not judged again by the next run; groups that were not seen are kept."""
    span = Span(NOW - 2 * HOUR_US, NOW + 3 * HOUR_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    judged = replace(
        begin, tracks={("other",): Track(entries=entries(*_ends(span)))}, checkpoint_us=span.to_us
    )
    after = remembered(RULE, STORED, judged, stretch)
    assert after.checkpoint_us == span.to_us
    assert set(after.tracks) == {GROUP, ("other",)}


def test_a_stretch_beyond_the_checkpoint_leaves_the_gap_to_the_next_run() -> None:
    """U61: what lies between checkpoint and stretch is not skipped."""
    span = Span(NOW + 5 * HOUR_US, NOW + 9 * HOUR_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    assert remembered(RULE, STORED, replace(begin, checkpoint_us=span.to_us), stretch) is STORED


def test_a_stretch_without_windows_changes_nothing() -> None:
    """An empty namespace has no checkpoint afterwards either: its first run begins with its first event."""
    stretch, begin = stretch_of(RULE, RuleState(), Span(NOW, NOW))
    assert stretch.chunks(RULE.window) == []
    assert remembered(RULE, RuleState(), begin, stretch) == RuleState()


def test_an_episode_is_followed_to_its_end() -> None:
    """No later run looks at a stretch that is over: what still lasts at its end is judged on, up to the checkpoint."""
    span = Span(NOW - DAY_US, NOW - 20 * HOUR_US)
    stretch, begin = stretch_of(RULE, STORED, span)
    lasting = begin.tracks[GROUP].with_judged(*_ends(span), entries(*_ends(span), Verdict.STRONG))
    state = replace(begin, tracks={GROUP: lasting}, checkpoint_us=span.to_us)
    assert stretch.after(RULE, state) == (span.to_us, NOW)
    ended = lasting.with_judged(span.to_us, NOW, entries(span.to_us, NOW))
    assert stretch.after(RULE, replace(state, tracks={GROUP: ended})) is None
    assert stretch.after(RULE, replace(state, checkpoint_us=NOW)) is None


def test_only_the_stretch_is_told() -> None:
    """Episodes that were over before, or begin after, change no alert; one that reaches in does."""
    stretch, _ = stretch_of(RULE, STORED, Span(NOW - DAY_US, NOW - 20 * HOUR_US))
    before = finding(NOW - 2 * DAY_US, NOW - DAY_US)
    reaching = finding(NOW - 2 * DAY_US, NOW - 23 * HOUR_US)
    beyond = finding(NOW - 20 * HOUR_US, None)
    assert stretch.told([before, reaching, beyond]) == (reaching,)


def test_what_was_measured_survives_later_parts() -> None:
    """An episode that a later part ends is told once, with its end and with what its last anomalous window showed."""
    stretch, begin = stretch_of(RULE, STORED, Span(NOW - DAY_US, NOW - 20 * HOUR_US))
    measured = Measured(0, 1, 0.5, 0.1, 0.2, "share", 9.0, 5.0, 100, {})
    gathered = Gathered()
    for one, inside in (
        (replace(finding(NOW - 22 * HOUR_US, None), measured=measured), True),
        (finding(NOW - 22 * HOUR_US, NOW - 19 * HOUR_US), False),
    ):
        gathered.add(Judged({GROUP: (one,)}, {}, begin, 0.1, {GROUP: NOW - 23 * HOUR_US}), is_inside=inside)
    assert gathered.first_us == {GROUP: NOW - 23 * HOUR_US}
    assert gathered.told(stretch) == {
        GROUP: (replace(finding(NOW - 22 * HOUR_US, NOW - 19 * HOUR_US), measured=measured),)
    }


def test_a_backfill_waits_for_its_turn() -> None:
    """U63: a scheduler that holds the lease for a moment is waited for, one that never lets go is an error."""
    clock, report = ManualClock(), RunReport(0, 0, 0.0, (), ())
    left = [1, 1]

    def judge() -> RunReport:
        if left:
            left.pop()
            raise LeaseHeld("other", "then")
        return report

    assert when_free(judge, clock, 60) is report
    left[:] = [1] * 100
    with pytest.raises(LeaseHeld):
        when_free(judge, clock, 60)


def _ends(span: Span) -> tuple[int, int]:
    return span.from_us, span.to_us
