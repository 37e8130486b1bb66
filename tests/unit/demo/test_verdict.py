"""The demo's judge: it must fail when something is missed, false, or does not name the cause."""

from __future__ import annotations

from shipper.demo.plan import HOUR_US, Plan
from shipper.demo.verdict import PLANTED, SeenAlert, judge

PLAN = Plan(seed=1, end_us=1_800_000_000_000_000)
COMMIT = "c" * 40


def alert(
    category: str, *, hours: float = 1.0, feature: str = "mean texture", commit: str = COMMIT
) -> SeenAlert:
    """Return an alert that was judged `hours` after the fault."""
    judged_us = PLAN.fault_us + round(hours * HOUR_US)
    return SeenAlert(
        alert_id=f"{category}-{hours}",
        category=category,
        rule=category,
        service="scoring",
        features=(f"ml.features.numeric.{feature}",) if category == "drift" else (),
        version="2",
        commit=commit,
        start_us=judged_us - HOUR_US // 4,
        judged_us=judged_us,
        message="",
    )


ALL = [alert(category) for category in PLANTED]


def test_everything_found_passes() -> None:
    """One alert per planted consequence, each with the faulty commit, is a pass."""
    verdict = judge(ALL, PLAN, COMMIT)
    assert verdict.passed
    assert {finding.delay_s for finding in verdict.findings} == {3600.0}


def test_a_missed_consequence_fails() -> None:
    """Three of four are not enough."""
    verdict = judge(ALL[1:], PLAN, COMMIT)
    assert not verdict.passed
    assert [finding.category for finding in verdict.findings if finding.alert is None] == ["error_rate"]


def test_an_alert_before_the_fault_is_false() -> None:
    """An alert whose window was over before the fault began has no excuse."""
    early = alert("latency", hours=-2)
    verdict = judge([*ALL, early], PLAN, COMMIT)
    assert verdict.false_alerts == (early,)
    assert not verdict.passed


def test_drift_of_a_healthy_feature_is_false() -> None:
    """Only the feature that the commit spoilt may drift."""
    other = alert("drift", feature="mean area")
    assert judge([*ALL, other], PLAN, COMMIT).false_alerts == (other,)


def test_an_alert_of_another_kind_is_false() -> None:
    """Nothing fell silent in the demo, so nobody may say so."""
    silence = alert("silence")
    assert judge([*ALL, silence], PLAN, COMMIT).false_alerts == (silence,)


def test_the_wrong_commit_fails() -> None:
    """An alert that blames an innocent commit leads a person astray."""
    verdict = judge([*ALL[1:], alert("error_rate", commit="d" * 40)], PLAN, COMMIT)
    assert not verdict.passed
    assert not verdict.false_alerts


def test_the_first_true_alert_counts() -> None:
    """The delay is that of the first alert that tells of a consequence."""
    verdict = judge([*ALL, alert("latency", hours=0.5)], PLAN, COMMIT)
    assert {finding.category: finding.delay_s for finding in verdict.findings}["latency"] == 1800.0
