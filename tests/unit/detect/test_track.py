"""From verdicts to episodes: when an alert opens, lasts and ends."""

from __future__ import annotations

import json

import pytest

from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Entry, Episode, Track
from shipper.detect.rules.rule import Hysteresis

RULE = Hysteresis()


def track(letters: str) -> Track:
    """A track of windows 0, 1, 2 ... with these verdicts."""
    entries = [Entry(place, Verdict(letter), place) for place, letter in enumerate(letters)]
    return Track().with_judged(0, len(letters), entries)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("ooooo", []),
        ("oowoo", []),
        ("oosoo", [(2, 2, None)]),
        ("oowow", [(2, 4, None)]),
        ("wwooo", [(0, 1, 2)]),
        ("oowoow", []),
        ("oosoooo", [(2, 2, 3)]),
        ("oosouoo", [(2, 2, 3)]),
        ("oosocoo", [(2, 2, 3)]),
        ("oosccccc", [(2, 2, None)]),
        ("oosoos", [(2, 2, None)]),
        ("sooosooo", [(0, 0, 1), (4, 4, 5)]),
        ("uwuuw", [(1, 4, None)]),
        ("uuu", []),
    ],
)
def test_episodes(letters: str, expected: list[tuple[int, int, int | None]]) -> None:
    """Strong opens at once, weak needs two of three known windows; three ordinary ones in a row end it."""
    found = [(one.start_us, one.opened_us, one.ended_us) for one in track(letters).episodes(RULE)]
    assert found == expected


def test_an_episode_starts_where_its_evidence_reaches_back_to() -> None:
    """Evidence of several windows together starts with the first of them."""
    entries = [Entry(0, Verdict.ORDINARY, 0), Entry(1, Verdict.ORDINARY, 1), Entry(2, Verdict.STRONG, 1)]
    (episode,) = Track(entries=tuple(entries)).episodes(RULE)
    assert episode == Episode(start_us=1, opened_us=2, last_us=2, windows=1)


def test_windows_that_led_to_an_anomaly_are_flagged_too() -> None:
    """What evidence reaches back to must not teach the baseline."""
    entries = (*track("ooo").entries, Entry(3, Verdict.STRONG, 2), Entry(4, Verdict.ORDINARY, 4))
    assert Track(entries=entries).flagged() == {2, 3}
    assert track("owosoo").flagged() == {1, 3}


def test_judging_again_replaces_verdicts() -> None:
    """U59: a window that is judged again has its new verdict only."""
    again = track("oosoo").with_judged(2, 3, [Entry(2, Verdict.ORDINARY, 2)])
    assert again.episodes(RULE) == []
    assert len(again.entries) == 5


@pytest.mark.parametrize("letters", ["oosoowwosooos", "wwwwwwww", "oooswoooww", "usuouuous"])
def test_trimming_forgets_no_episode_that_lasts(letters: str) -> None:
    """Folding old entries away leaves the same open episode, and the same ends to come."""
    whole = track(letters)
    for cut in range(len(letters)):
        trimmed = whole.trimmed(cut, RULE)
        left, expected = trimmed.episodes(RULE), whole.episodes(RULE)
        assert left == expected[len(expected) - len(left) :]
        assert all(one.ended_us is not None for one in expected[: len(expected) - len(left)])


def test_a_track_reads_back_from_json() -> None:
    """What is stored is what was."""
    kept = track("oosoowwo").trimmed(4, RULE)
    assert Track.from_json(json.loads(json.dumps(kept.to_json()))) == kept
