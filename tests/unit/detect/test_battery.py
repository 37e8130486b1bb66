"""What every detector must survive and promise, whatever it detects."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shipper.detect.detectors
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Track
from shipper.detect.rules.rule import Hysteresis
from tests.unit.detect.series import BEGIN_US, CASES, FAULT_FROM, STEP_US, Case, judge

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def outcome(judgements: list[Judgement]) -> list[tuple[int, Verdict, float | None]]:
    """What must be the same when the input is the same."""
    return [(one.start_us, one.verdict, one.score.value) for one in judgements]


def test_is_deterministic(case: Case) -> None:
    """The same series has the same scores, and the input is left as it was."""
    frame = case.frame(faulty=True)
    before = frame.copy()
    assert outcome(judge(case.detector, frame)) == outcome(judge(case.detector, frame))
    pd.testing.assert_frame_equal(frame, before)


def test_is_causal(case: Case) -> None:
    """A prefix of a series has the same scores as the whole: nothing looks into the future."""
    frame = case.frame(faulty=True)
    whole = outcome(judge(case.detector, frame))
    for length in (1, 10, 25, FAULT_FROM, FAULT_FROM + 2, len(frame)):
        assert outcome(judge(case.detector, frame.iloc[:length])) == whole[:length]


def test_finds_a_plain_fault(case: Case) -> None:
    """A gross fault is found within two windows, and no ordinary window is anomalous."""
    judgements = judge(case.detector, case.frame(faulty=True))
    anomalous = [place for place, one in enumerate(judgements) if one.verdict.is_anomalous]
    assert anomalous
    assert FAULT_FROM <= anomalous[0] <= FAULT_FROM + 1


@pytest.mark.parametrize("seed", range(5))
def test_stays_quiet_without_a_fault(case: Case, seed: int) -> None:
    """Ordinary windows are not anomalous."""
    judgements = judge(case.detector, case.frame(seed))
    assert not [one for one in judgements if one.verdict is Verdict.STRONG]


def test_a_fault_does_not_teach_its_own_baseline(case: Case) -> None:
    """As long as ordinary windows are in reach, a lasting fault stays anomalous."""
    judgements = judge(case.detector, case.frame(faulty=True))
    assert all(one.verdict.is_anomalous for one in judgements[FAULT_FROM + 1 :])


def test_not_enough_data_is_said_with_have_and_need(case: Case) -> None:
    """U64: while there is too little, the score is no number, and says what there is and what it takes."""
    first = judge(case.detector, case.frame())[0]
    assert first.score.value is None
    assert first.verdict is Verdict.UNKNOWN
    assert first.score.have < first.score.need
    assert first.score.missing


def test_one_window_is_not_enough(case: Case) -> None:
    """A series of one point is judged as unknown."""
    (only,) = judge(case.detector, case.frame().iloc[:1])
    assert only.verdict is Verdict.UNKNOWN


def test_no_window_is_no_judgement(case: Case) -> None:
    """An empty series has no judgements."""
    assert judge(case.detector, case.frame().iloc[:0]) == []


def test_survives_gaps(case: Case) -> None:
    """Missing windows neither raise nor are they anomalies."""
    frame = case.frame().drop(case.frame().index[[5, 6, 7, 20, 33, 34]])
    assert not [one for one in judge(case.detector, frame) if one.verdict is Verdict.STRONG]


def test_survives_values_that_are_no_numbers(case: Case) -> None:
    """NaN and infinities count as nothing seen; scores stay finite or absent."""
    frame = case.frame().astype(float)
    frame.iloc[10] = np.nan
    frame.iloc[20, 0] = np.inf
    frame.iloc[30, -1] = -np.inf
    for one in judge(case.detector, frame):
        assert one.score.value is None or np.isfinite(one.score.value)


def test_survives_a_constant_series(case: Case) -> None:
    """The same row again and again is ordinary."""
    frame = case.frame()
    frame[:] = frame.iloc[[0]].to_numpy()
    assert not [one for one in judge(case.detector, frame) if one.verdict.is_anomalous]


def test_survives_a_series_of_zeros(case: Case) -> None:
    """Nothing but zeros is not enough data, and no anomaly."""
    frame = case.frame() * 0
    assert {one.verdict for one in judge(case.detector, frame)} == {Verdict.UNKNOWN}


def test_order_of_rows_does_not_matter(case: Case) -> None:
    """Unsorted times are sorted."""
    frame = case.frame(faulty=True)
    shuffled = frame.sample(frac=1, random_state=7)
    assert outcome(judge(case.detector, shuffled)) == outcome(judge(case.detector, frame))


def test_rows_of_the_same_time_are_added_up(case: Case) -> None:
    """A window that arrives in two parts is the same window."""
    frame = case.frame(faulty=True).astype(float)
    half = frame / 2
    assert outcome(judge(case.detector, pd.concat([half, half]))) == outcome(judge(case.detector, frame))


def test_time_zone_of_the_index_does_not_matter(case: Case) -> None:
    """Timestamps of any zone, across a clock change too, are the moments they are."""
    frame = case.frame(faulty=True)
    moments = pd.to_datetime(frame.index, unit="us", utc=True)
    expected = outcome(judge(case.detector, frame))
    for index in (moments, moments.tz_convert("Europe/Berlin"), moments.tz_localize(None)):
        assert outcome(judge(case.detector, frame.set_axis(index))) == expected


def test_recovers_when_the_fault_is_gone(case: Case) -> None:
    """After the fault windows are ordinary again, and the one episode that they show has ended."""
    faulty, well = case.frame(faulty=True), case.frame(seed=3)
    later = well.iloc[:20].set_axis(faulty.index[-1] + STEP_US * np.arange(1, 21))
    judgements = judge(case.detector, pd.concat([faulty, later]))
    assert not [one for one in judgements[-10:] if one.verdict.is_anomalous]
    episodes = Track(entries=tuple(one.entry for one in judgements)).episodes(Hysteresis())
    assert [one.ended_us is not None for one in episodes] == [True]


def test_documents_itself(case: Case) -> None:
    """Each detector states its idea, when it fails, its cost and its source, and stands in a file of its own."""
    text = inspect.getdoc(type(case.detector)) or ""
    for word in ("Idea:", "Fails:", "Cost:", "Source:"):
        assert word in text, f"{case.name} does not state its {word}"
    assert Path(inspect.getfile(type(case.detector))).stem == case.name


def test_every_detector_is_in_the_battery(case: Case) -> None:
    """A file under detectors/ without a case here is refused."""
    folder = Path(shipper.detect.detectors.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert files == {one.name for one in CASES}
    assert import_module(f"shipper.detect.detectors.{case.name}")
    assert case.frame().index[0] == BEGIN_US
