"""How windows are judged one after the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shipper.detect.detectors.base import Score
from shipper.detect.detectors.error_rate import ErrorRate
from shipper.detect.event_time.window import DAY_US
from shipper.detect.fetching.table import from_frame
from shipper.detect.judging.caution import APPROXIMATE
from shipper.detect.judging.judge import Judge, Judgement
from shipper.detect.judging.share import ShareModel
from shipper.detect.judging.threshold import Verdict, level_of, verdict_of
from tests.unit.detect.series import BEGIN_US, STEP_US


def judged(bad: list[int], events: int | list[int] = 30, level: float = 1e-3) -> list[Judgement]:
    """Judge windows with these counts by the error rate."""
    frame = pd.DataFrame({"events": np.broadcast_to(events, len(bad)), "bad": bad})
    frame.index = pd.Index(BEGIN_US + np.arange(len(bad)) * STEP_US, dtype="int64")
    table = from_frame(frame)
    judge = Judge(ErrorRate(), STEP_US, DAY_US, lambda _: level)
    return list(judge.windows(table, int(table.times[0]), int(table.times[-1]) + 1))


def quiet(windows: int) -> list[int]:
    """One bad event in every tenth window."""
    return [1 if place % 10 == 5 else 0 for place in range(windows)]


def letters(judgements: list[Judgement]) -> str:
    """Verdicts as a text."""
    return "".join(one.verdict.value for one in judgements)


def test_weak_evidence_adds_up_over_windows() -> None:
    """What no single window shows is found in a few together, and starts with the first of them."""
    judgements = judged([*quiet(90), 2, 2, 2, 3, 2, 2])
    alone = judged([*quiet(90), 2])
    assert letters(alone)[-1] != "s"
    strong = [place for place, one in enumerate(judgements) if one.verdict is Verdict.STRONG]
    assert strong
    assert 91 <= strong[0] <= 93
    assert judgements[strong[0]].since_us == BEGIN_US + 90 * STEP_US


def test_a_lucky_window_does_not_end_a_fault() -> None:
    """A window without errors amid a fault of a quiet service neither counts as ordinary nor as anomalous."""
    judgements = judged([*quiet(90), 6, 7, 5, 0, 6, 5])
    assert letters(judgements[90:]) == "sssc" + letters(judgements[94:])
    assert judgements[94].verdict.is_anomalous


def test_what_is_over_is_no_evidence_for_what_comes() -> None:
    """After a fault a single chance error raises nothing, though the hours together look bad."""
    judgements = judged([*quiet(90), *[9] * 6, *[0] * 5, 1, 0, 0, 1, 0])
    assert set(letters(judgements[-5:])) <= {"o", "c"}
    assert letters(judgements[-5:]).count("o") >= 3


def test_a_creeping_fault_does_not_teach_the_baseline() -> None:
    """The newest windows are left out of a baseline that has plenty of others."""
    judgements = judged([*quiet(80), *[1] * 11, 6])
    last = judgements[-1].score
    assert last.expected == pytest.approx(8.5 / (80 * 30 + 1), rel=0.2)


def test_windows_too_small_to_be_judged_alone_are_judged_together() -> None:
    """A service with a handful of events per window is not left without judgement."""
    judgements = judged([0] * 60, events=8)
    assert judgements[-1].score.value is not None
    assert judgements[-1].verdict is Verdict.ORDINARY
    busy = judged([*[0] * 60, 5, 6, 5], events=8)
    assert busy[-1].verdict is Verdict.STRONG


def test_windows_before_the_span_are_not_judged_but_known() -> None:
    """Flags of earlier runs keep a fault out of the baseline."""
    frame = pd.DataFrame({"events": 30, "bad": [*quiet(60), *[9] * 20, 9]})
    frame.index = pd.Index(BEGIN_US + np.arange(81) * STEP_US, dtype="int64")
    table = from_frame(frame)
    judge = Judge(ErrorRate(), STEP_US, DAY_US, lambda _: 1e-3)
    start = BEGIN_US + 80 * STEP_US
    flagged = {BEGIN_US + place * STEP_US for place in range(60, 80)}
    (knowing,) = judge.windows(table, start, start + STEP_US, flagged=flagged)
    (ignorant,) = judge.windows(table, start, start + STEP_US)
    assert knowing.verdict is Verdict.STRONG
    # Ignorant of the flags, the window alone is no surprise: it takes four hours together to see it.
    assert (knowing.score.count, ignorant.score.count) == (30, 48 * 30)


def test_the_budget_is_divided_over_rules_windows_and_groups() -> None:
    """The levels of all tests of a day add up to the budget."""
    level = level_of(1.0, 7, STEP_US, 3)
    assert level * 7 * 3 * (DAY_US / STEP_US) == pytest.approx(1.0)
    assert level_of(1000.0, 1, DAY_US, 1) == 0.05


@pytest.mark.parametrize(
    ("value", "is_effective", "verdict"),
    [
        (None, False, Verdict.UNKNOWN),
        (9.0, False, Verdict.ORDINARY),
        (2.9, True, Verdict.UNCLEAR),
        (3.1, True, Verdict.WEAK),
        (3.0 + np.log10(APPROXIMATE.strong) + 0.1, True, Verdict.STRONG),
    ],
)
def test_an_anomaly_needs_significance_and_effect(
    value: float | None, is_effective: bool, verdict: Verdict
) -> None:
    """Neither a tiny change that is certain nor a large one that may be chance is an anomaly."""
    assert verdict_of(Score(value, is_effective=is_effective), 1e-3) is verdict


def test_a_share_that_wanders_is_not_taken_for_binomial() -> None:
    """Counts that vary more than chance make the same window less surprising."""
    total = np.full(96, 200.0)
    chance = np.random.default_rng(1)
    calm = ShareModel.of(chance.binomial(200, 0.05, 96).astype(float), total)
    rates = chance.beta(2, 38, 96)
    wild = ShareModel.of(chance.binomial(200, rates).astype(float), total)
    assert calm.wander < 0.005 < wild.wander
    assert wild.tail(25, 200) > 100 * calm.tail(25, 200)


def test_the_limit_of_a_share_is_where_the_tail_reaches_the_level() -> None:
    """One more bad event than the limit is past the level."""
    model = ShareModel.of(np.full(50, 2.0), np.full(50, 100.0))
    limit = round(model.limit(100, 1e-3) * 100)
    assert model.tail(limit, 100) > 1e-3 >= model.tail(limit + 1, 100)
