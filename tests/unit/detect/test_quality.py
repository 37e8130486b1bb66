"""Quality of predictions: exact tails, honest intervals, late labels, rules that say what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from shipper.detect.backtest import Price, Raised, measured
from shipper.detect.detectors.base import Enough, Reference
from shipper.detect.detectors.quality_mean import QualityMean
from shipper.detect.detectors.quality_share import QualityShare
from shipper.detect.event_time.span import Limits, span_of
from shipper.detect.event_time.watermark import Arrivals, Late
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.label_coverage import Coverage, settled
from shipper.detect.fetching.table import Table, from_frame
from shipper.detect.rules.quality_rule import QualityRule, settles_us
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import RuleState
from shipper.detect.statistics.confusion import OTHERS, column
from shipper.detect.statistics.probability import beta_below, binomial_tail
from shipper.detect.statistics.score_bins import BINS, EDGES, area
from shipper.detect.statistics.strata import Stratum, deviation, upper_tail
from shipper.detect.statistics.tilting import mean_interval, mean_tail
from shipper.detect.truth import Fault
from shipper.errors import ConfigurationError


def cohorts(*cells: tuple[int, int, int, int], asked: tuple[int, int] | None = None) -> Table:
    """Cohorts of hits, misses, false alarms and others; predictions asked of each class, by default those labelled."""
    rows = []
    for hit, missed, wrong, other in cells:
        labelled = (hit + wrong, missed + other)
        of = asked or labelled
        rows.append(
            {
                column("cells", "ill", "ill"): hit,
                column("cells", "ill", OTHERS): missed,
                column("cells", OTHERS, "ill"): wrong,
                column("cells", OTHERS, OTHERS): other,
                "labels": sum(labelled),
                "predictions": sum(of),
                column("labelled", "ill"): labelled[0],
                column("labelled", OTHERS): labelled[1],
                column("asked", "ill"): of[0],
                column("asked", OTHERS): of[1],
            }
        )
    index = pd.Index(np.arange(len(rows), dtype=np.int64) * HOUR_US)
    return from_frame(pd.DataFrame(rows, index=index))


ORDINARY = cohorts(*[(80, 20, 9, 891)] * 10)


def rule(text: str) -> QualityRule:
    """One rule of kind quality."""
    (found,) = parse_rules(f"rules:\n  - {{id: q, kind: quality, {text}}}\n").active
    assert isinstance(found, QualityRule)
    return found


@pytest.mark.parametrize(
    ("measure", "value", "bad", "total"),
    [
        ("precision", 60 / 90, 30, 90),
        ("recall", 60 / 100, 40, 100),
        ("false_negative_rate", 40 / 100, 40, 100),
        ("f1", 120 / 190, 70, 130),
        ("accuracy", 930 / 1000, 70, 1000),
    ],
)
def test_a_goal_is_tested_exactly(measure: str, value: float, bad: int, total: int) -> None:
    """Each measure is a share of counted cases, F1 by way of J: the probability is the binomial tail of those."""
    goal = 0.1 if measure == "false_negative_rate" else 0.95
    positive = None if measure == "accuracy" else "ill"
    found = QualityShare(measure, positive, goal, ("goal",))  # type: ignore[arg-type]
    score = found.score(cohorts((60, 40, 30, 870)), Reference(ORDINARY), 0.01)
    allowed = {"f1": 1 - goal / (2 - goal), "false_negative_rate": goal}.get(measure, 1 - goal)
    assert score.observed == pytest.approx(value)
    assert score.value == pytest.approx(-math.log10(binomial_tail(bad, total, allowed)), rel=1e-6)
    assert float(str(score.facts["interval_low"])) < value < float(str(score.facts["interval_high"]))


def test_labels_to_come_count_as_right() -> None:
    """Half of the hits wait for their label: precision looks like 0.8 and is 0.89, which is no drop."""
    young = cohorts((40, 10, 10, 800), asked=(90, 911))
    score = QualityShare("precision", "ill", minimum_coverage=0.5).score(young, Reference(ORDINARY), 0.01)
    assert score.observed == pytest.approx(0.8)
    assert score.effect is not None
    assert score.effect < 0.02
    assert not score.is_effective
    settled_one = QualityShare("precision", "ill").score(
        cohorts((40, 10, 40, 800)), Reference(ORDINARY), 0.01
    )
    assert settled_one.is_effective


def test_a_cohort_waits_for_the_labels_of_each_predicted_class() -> None:
    """U64: nine labels of ten are in, but of the predictions that matter few: 'not enough', with the class's name."""
    young = cohorts((10, 20, 5, 891), asked=(89, 911))
    score = QualityShare("precision", "ill").score(young, Reference(ORDINARY), 0.01)
    assert score.value is None
    assert (score.have, score.need) == (15, 72)
    assert score.missing == "labels of the cohort's predictions of ill"


def test_young_cohorts_do_not_teach_the_baseline() -> None:
    """Of ten cohorts the last three have a third of their labels: they are left out."""
    asked = (89, 911)
    rows = [ORDINARY] + [cohorts((30, 5, 0, 300), asked=asked)] * 3
    values = np.vstack([one.values for one in rows])
    table = Table(np.arange(13, dtype=np.int64) * HOUR_US, values, ORDINARY.blocks, ORDINARY.names)
    kept = settled(table)
    assert 5 <= len(kept) <= 10
    assert Coverage.of(kept, ("ill", OTHERS), 0.8).overall == 1.0
    assert len(settled(ORDINARY)) == 10


def test_without_a_class_the_worst_is_told() -> None:
    """Every class is tested under Bonferroni's bound, and the one that stands out has its name in the words."""
    score = QualityShare("recall").score(cohorts((30, 70, 9, 891)), Reference(ORDINARY), 0.01)
    assert score.is_effective
    assert score.facts["class"] == "ill"
    assert "70 of 100 true ill were missed" in str(score.facts["words"])
    assert (score.facts["actual"], score.facts["predicted"]) == ("ill", OTHERS)


def test_costs_are_weighed() -> None:
    """A few costly mistakes more are seen that accuracy does not see."""
    costs = {"ill": {OTHERS: 100.0}, OTHERS: {"ill": 1.0}}
    now = cohorts((60, 40, 9, 891))
    assert QualityMean("cost", costs).score(now, Reference(ORDINARY), 0.01).is_effective
    assert not QualityShare("accuracy").score(now, Reference(ORDINARY), 0.01).is_effective
    few = QualityMean("cost", costs, enough=Enough(2000)).score(now, Reference(ORDINARY), 0.01)
    assert (few.have, few.need) == (1000, 2000)


@pytest.mark.parametrize(("count", "size"), [(0, 50), (3, 200), (40, 400), (399, 400)])
def test_intervals_of_a_mean_are_those_of_a_share_where_it_is_one(count: int, size: int) -> None:
    """Of zeros and ones: Clopper and Pearson's to within a few percent of its width."""
    low, high = mean_interval(np.array([0.0, 1.0]), np.array([size - count, count], dtype=float))
    exact_low = _root(lambda share: beta_below(share, count, size - count + 1) < 0.025) if count else 0.0
    exact_high = _root(lambda share: 1 - beta_below(share, count + 1, size - count) > 0.025)
    width = exact_high - exact_low
    assert low == pytest.approx(exact_low, abs=0.1 * width)
    assert high == pytest.approx(exact_high, abs=0.1 * width)


def _root(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return low


def test_tail_of_a_mean_is_that_of_a_share_where_it_is_one() -> None:
    """30 of 200 against 5 %: the exact binomial tail to within a quarter, ten powers below one."""
    exact = binomial_tail(30, 200, 0.05)
    found = mean_tail(np.array([0.0, 1.0]), np.array([170.0, 30.0]), 200, 0.05, 0.15)
    assert found == pytest.approx(exact, rel=0.25)
    assert mean_tail(np.array([0.0, 1.0]), np.array([170.0, 30.0]), 200, 0.2, 0.15) == 1.0


def test_area_is_the_share_of_pairs_in_order() -> None:
    """Counted pair by pair, ties by half; bins are fine where rare classes crowd."""
    chance = np.random.default_rng(3)
    yes, no = chance.beta(2, 60, 80), chance.beta(1, 90, 700)
    pairs = (yes[:, None] > no).mean() + (yes[:, None] == no).mean() / 2
    counts = [np.bincount(np.searchsorted(EDGES, some), minlength=BINS).astype(float) for some in (yes, no)]
    found = area(*counts)
    assert found.value == pytest.approx(pairs, abs=0.005)
    assert 0.01 < math.sqrt(found.variance) < 0.05


def test_tail_over_strata_is_that_of_drawing() -> None:
    """The saddlepoint of two strata agrees with 20,000 draws without replacement."""
    chance = np.random.default_rng(5)
    pools = [chance.poisson(8, 12).astype(float) + 1, chance.poisson(20, 12).astype(float) + 1]
    scores = [chance.normal(size=12), chance.normal(size=12) / 4]
    sizes = [15, 60]
    drawn = [
        chance.multivariate_hypergeometric(pool.astype(int), size, 20_000).astype(float)
        for pool, size in zip(pools, sizes, strict=True)
    ]
    sums = sum(some @ score for some, score in zip(drawn, scores, strict=True))
    place = int(np.argsort(sums)[-100])
    strata = [
        Stratum(some[place], pool, score) for some, pool, score in zip(drawn, pools, scores, strict=True)
    ]
    assert upper_tail(strata) == pytest.approx(100 / 20_000, rel=0.3)
    assert deviation(strata) > 2
    assert upper_tail(strata, dispersion=4.0) > 0.05


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("measure: auc", "measure auc needs positive"),
        ("measure: accuracy, positive: ill", "positive means nothing to the measure accuracy"),
        ("measure: cost", "measure cost needs costs"),
        ("measure: recall, costs: {a: {b: 1}}", "costs mean nothing to the measure recall"),
        ("measure: precision, positive: yes", "write it in quotes"),
        ("measure: f1, positive: ill, average: macro", "average macro is the mean over classes"),
        ("measure: recall, goal: 95", "goal 95 is not between 0 and 1"),
        ("measure: recall, time: '@timestamp', labels_within: 2d", "labels_within needs time"),
        ("measure: recal", "measure"),
        ("measure: recall, postive: ill", "did you mean positive?"),
    ],
)
def test_what_a_rule_cannot_mean_is_said(text: str, said: str) -> None:
    """Each contradiction is one sentence, with a guess where a key is misspelt."""
    with pytest.raises(ConfigurationError, match=r".") as caught:
        rule(text)
    assert said in str(caught.value)


def test_classes_are_text_as_labels_are() -> None:
    """1 and 1.0 are the class "1" that `events.feedback` stores."""
    assert rule("measure: precision, positive: 1").positive == "1"
    assert rule("measure: precision, positive: 1.0").positive == "1"
    assert rule("measure: cost, costs: {1: {0: 5}}").costs == {"1": {"0": 5.0}}


def test_cohorts_are_judged_at_the_age_that_a_rule_says() -> None:
    """The span ends so much before the watermark, begins with what had time to ripen, and a backfill waits as well."""
    waits = rule("measure: recall, positive: ill, labels_within: 30d, window: 1d")
    assert settles_us(waits) == 30 * DAY_US
    now = 20_000 * DAY_US
    arrived = Arrivals(now - 5 * DAY_US, now, now)
    late = Late(0, None)
    span = span_of(waits, RuleState(), arrived, late, Limits(None, now, 7 * DAY_US, now))
    assert (span.from_us, span.to_us) == (now - 35 * DAY_US, now - 30 * DAY_US)
    past = span_of(
        waits, RuleState(), arrived, late, Limits(now - 60 * DAY_US, now - 20 * DAY_US, 7 * DAY_US, now)
    )
    assert past.to_us == now - 30 * DAY_US
    older = span_of(
        waits, RuleState(), arrived, late, Limits(now - 60 * DAY_US, now - 50 * DAY_US, 7 * DAY_US, now)
    )
    assert older.to_us == now - 50 * DAY_US


def test_labels_beyond_reach_are_told() -> None:
    """U59: what came too late for any cohort to be judged again is counted and said, with the way out."""
    quick = rule("measure: recall, positive: ill")
    now = 20_000 * DAY_US
    state = RuleState(checkpoint_us=now - HOUR_US, ingested_us=now - HOUR_US)
    span = span_of(
        quick, state, Arrivals(now, now, now), Late(0, None, 1234), Limits(None, now, 7 * DAY_US, now)
    )
    (note,) = span.notes
    assert note.startswith("1,234 labels came for cohorts more than 2d older")
    assert "labels_within" in note


def test_a_backtest_counts_an_alert_where_its_cohort_is() -> None:
    """Labels of thirty days: the alert is about the fault of its cohort, and its delay tells the thirty days."""
    alert = Raised("q", {}, 10 * DAY_US, 41 * DAY_US, None, wait_us=30 * DAY_US)
    fault = Fault(10 * DAY_US, 12 * DAY_US)
    found = measured([alert], (0, 20 * DAY_US), [fault], Price())
    assert (found.recall, found.precision, found.delay_us) == (1.0, 1.0, 31 * DAY_US)
