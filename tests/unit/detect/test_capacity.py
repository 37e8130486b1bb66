"""When a resource will be full, judged from means by window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from shipper.detect.detectors.capacity import Capacity
from shipper.detect.event_time.window import HOUR_US
from shipper.detect.judging.judge import Judgement
from shipper.detect.rules.rule_file import parse_rules
from shipper.errors import ConfigurationError
from tests.unit.detect.series import BEGIN_US, STEP_US, judge


def judged(means: npt.NDArray[np.float64], **more: Any) -> list[Judgement]:
    """Judge these means, four values each, as quarters of an hour."""
    index = pd.Index(BEGIN_US + np.arange(len(means)) * STEP_US, dtype="int64")
    frame = pd.DataFrame({"count": 4.0, "sum": 4 * means}, index=index)
    return judge(Capacity(**{"full": 100.0, **more}), frame, 1e-4)


def noise(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Noise of half a point."""
    return np.random.default_rng(seed).normal(0, 0.5, count)


def test_what_rises_to_its_limit_is_told_in_time() -> None:
    """A disk that gains two points an hour is told some hours before it is full, and how many."""
    means = np.minimum(50 + 0.5 * np.arange(100), 100) + noise(100)
    found = [place for place, one in enumerate(judged(means)) if one.verdict.is_anomalous]
    hours_before = (100 - found[0]) / 4
    assert 4 <= hours_before <= 6.5
    told = judged(means)[found[0]].score
    assert float(told.facts["hours_left"]) == pytest.approx(hours_before, abs=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_up_and_down_or_stands_still_is_not_told(seed: int) -> None:
    """Rotated logs, collected memory, a course of the day and mere noise near the limit never fill up."""
    hours = np.arange(192) / 4
    for means in (80 + (hours * 4 % 24) / 2, 85 + 8 * np.sin(hours * 2 * np.pi / 12), np.full(192, 97.0)):
        made = judged(means + noise(192, seed), horizon_us=12 * HOUR_US)
        # The first day of a course is a rise that nothing was before.
        assert not [one for one in made[96:] if one.verdict.is_anomalous]


def test_what_empties_is_told_likewise() -> None:
    """A limit below: memory that is left, falling to 0."""
    found = [
        one for one in judged(60 - 0.5 * np.arange(110) + noise(110), full=0.0) if one.verdict.is_anomalous
    ]
    assert found


def test_outside_of_the_band_is_weak_evidence() -> None:
    """One window above the bound opens nothing by itself; both bounds hold."""
    means = 50 + noise(40)
    means[30], means[35] = 95, 2
    made = judged(means, full=None, band=(5.0, 90.0))
    assert [place for place, one in enumerate(made) if one.verdict.is_anomalous] == [30, 35]
    assert {made[30].verdict.value, made[35].verdict.value} == {"w"}


def test_a_rule_without_a_limit_is_refused() -> None:
    """U60: neither band nor full is a rule that judges nothing."""
    with pytest.raises(ConfigurationError, match="band and full are missing"):
        parse_rules("rules:\n  - {id: r, kind: resource, field: ml.resource.cpu_s}\n")
