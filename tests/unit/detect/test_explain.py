"""Why a window did or did not alert: one sentence for each way it can come out."""

from __future__ import annotations

import pytest

from shipper.detect.detectors.base import FEW_EVENTS, Score, not_enough
from shipper.detect.event_time.window import HOUR_US
from shipper.detect.explain import why
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Entry, Progress
from shipper.detect.rules.rule_file import parse_rules

(RULE,) = parse_rules("rules: [{id: one, kind: error_rate, window: 1h, baseline: 24h}]").active


def said(verdicts: str, score: Score) -> str:
    """What is said of the last of some windows in a row, each given by its letter."""
    progress = Progress()
    for place, letter in enumerate(verdicts):
        start = place * HOUR_US
        progress, _ = progress.after(Entry(start, Verdict(letter), start), RULE.hysteresis)
    start = (len(verdicts) - 1) * HOUR_US
    return why(RULE, Judgement(start, Verdict(verdicts[-1]), score, 1e-4, start), progress)


LOUD = Score(9.0, 3.0, is_effective=True)


@pytest.mark.parametrize(
    ("verdicts", "score", "part"),
    [
        ("u", not_enough(12, 30, FEW_EVENTS), "Not enough data: 12 of 30 events in the window."),
        ("o", Score(0.1, 1.0), "does not reach the rule's minimum effect"),
        ("wwo", Score(0.1, 1.0), "ordinary window 1 of 3 in a row that end the alert"),
        ("c", Score(2.0, 3.0, is_effective=True), "10^-2.0 is not below 10^-4.0"),
        ("wwc", Score(2.0, 1.0), "not together with the anomalous windows just before it"),
        ("ow", LOUD, "opens with 2 such windows of 3, and this is number 1"),
        ("wow", LOUD, "opens an alert together with those just before it"),
        ("os", LOUD, "this alone opens an alert"),
    ],
)
def test_each_outcome_has_its_sentence(verdicts: str, score: Score, part: str) -> None:
    """U64: what is lacking, what is too small, what chance explains, what still has to repeat."""
    assert part in said(verdicts, score)
