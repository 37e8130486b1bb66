"""The benchmark of planted faults: its exact tests, its counting, and that a seed says everything."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest

from benchmarks import faults
from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.exact import critical_count, critical_poisson
from benchmarks.faulting.kept import OURS, Kept
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.ours import Alert
from benchmarks.faulting.peers import beyond, on_normal_noise
from benchmarks.faulting.planted import Planted
from benchmarks.faulting.report import Run, Tally, missed
from benchmarks.faulting.tally import Outcome, outcomes, poisson_interval
from shipper.detect.statistics.probability import student_tail


def test_noise_has_the_distribution_that_the_exact_test_knows() -> None:
    """Quantiles are those of Student's t of the stated scale, and neighbours are alike."""
    noise = Noise(0.2, 5.0, 0.8)
    values = noise.draw(np.random.default_rng(1), 100_000)
    limit = 0.2 * (3 / 5) ** 0.5 * 4.0
    assert (values > limit).mean() == pytest.approx(student_tail(4.0, 5.0), rel=0.25)
    at, weights = noise.nodes()
    assert weights.sum() == pytest.approx(1)
    assert weights[at > limit].sum() == pytest.approx(student_tail(4.0, 5.0), rel=0.2)
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0.8, abs=0.05)


def test_the_critical_count_is_the_least_past_the_level() -> None:
    """P(K >= k) <= level < P(K >= k - 1), for a mixture of two rates."""
    rates, weights = np.array([0.1, 0.3]), np.array([0.75, 0.25])

    def tail(least: int) -> float:
        terms = (comb(20, k) * rates**k * (1 - rates) ** (20 - k) @ weights for k in range(least, 21))
        return float(sum(terms))

    critical = critical_count(20, rates, weights, 0.01)
    assert tail(critical) <= 0.01 < tail(critical - 1)
    few, many = critical_poisson(np.array([30.0]), np.ones(1), 0.001)
    assert 10 < few < 20
    assert 42 < many < 52


def test_an_alert_belongs_to_the_fault_it_was_raised_in() -> None:
    """Before a fault, long after it, and in another series it is false."""
    fault = Planted("r", "a", {"service.name": "a"}, "k", 1.0, 10 * BUCKET_US, 20 * BUCKET_US, 1.0)

    def alert(name: str, raised: int) -> Alert:
        return Alert("r", {"service.name": name}, (raised - 1) * BUCKET_US, raised * BUCKET_US)

    told = [alert("a", 9), alert("a", 12), alert("b", 12), alert("a", 40)]
    (outcome,), false = outcomes([fault], told)
    assert outcome.delay == 2.0
    assert false == [told[0], told[2], told[3]]


def test_what_is_missed_is_said() -> None:
    """A run beyond the budget, without recall, is named for both; one within keeps all promises."""
    fault = Planted("r", "a", {"service.name": "a"}, "k", 1.0, 0, BUCKET_US, 1.0)
    (outcome,), _ = outcomes([fault], [])
    poor = Run(1, (Tally("r", 1, (outcome,), 3),), {})
    calm = Run(1, (Tally("r", 1, (), 0),), {})
    told = " ".join(missed(poor, calm, 1.0))
    assert "recall 0.000" in told
    assert "3.00 false alerts a day with faults" in told
    assert missed(calm, calm, 1.0) == []


def test_the_interval_of_a_count_is_exact() -> None:
    """Poisson's 95 % interval of 0 and of 3 events, as tables have it."""
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=0.001)
    assert poisson_interval(3) == pytest.approx((0.619, 8.767), abs=0.001)


def test_a_fixed_limit_alarms_on_noise_alone() -> None:
    """Four deviations on normal noise: some 5 false alarms a day over 300 series."""
    assert 2.0 <= on_normal_noise(300, 2, 1) / 2 <= 10.0
    assert not beyond(np.full(400, np.nan), 4.0).any()


@pytest.mark.slow
def test_a_seed_says_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """The same command prints the same faults and counts; another seed others."""

    def told(seed: str) -> dict[str, object]:
        arguments = ["--seed", seed, "--series", "8", "--days", "2", "--only", "inference-s", "--json"]
        assert faults.main(arguments) == 0
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    assert told("1") == told("1")
    assert told("1") != told("2")


def test_a_run_that_was_stopped_goes_on_with_what_it_kept(tmp_path: Path) -> None:
    """A rule's result is read back as it was; another seed has none."""
    fault = Planted("r", "a", {"service.name": "a"}, "k", 1.0, 0, BUCKET_US, 1.0)
    result = {OURS: Tally("r", 3, (Outcome(fault, 7), Outcome(fault, None)), 2)}
    kept = Kept(tmp_path / "new", "seed 1")
    assert kept.read("with faults", "r") is None
    kept.write("with faults", "r", result)
    assert kept.read("with faults", "r") == result
    assert kept.read("without faults", "r") is None
    assert Kept(tmp_path / "new", "seed 2").read("with faults", "r") is None
    Kept(None, "seed 1").write("with faults", "r", result)
    assert Kept(None, "seed 1").read("with faults", "r") is None


def test_rules_that_have_no_series_are_a_word_not_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for a rule that is not there ends with a sentence."""
    assert faults.main(["--only", "nothing-like-that"]) == 2
    assert "None of these rules" in capsys.readouterr().err
