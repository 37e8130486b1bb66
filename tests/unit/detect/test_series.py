"""The views of a series, and all of them together: what each survives, promises and finds."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.fetching.table import Floats
from shipper.detect.series.alarms import THRESHOLD, alarms
from shipper.detect.series.rarity import NEIGHBOURS, own_distances, rarity
from shipper.detect.series.rolling import rolling_mean
from shipper.detect.series.scoring import FEWEST_NUMBERS, VIEWS, Scorer, merged, score_rows
from shipper.detect.series.tail import tail_probability
from shipper.detect.series.view import Series, View

STEP_US = 5 * MINUTE_US
BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US
ROWS = 1200

each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


def daily(rows: int = ROWS, seed: int = 1) -> Floats:
    """A daily course with noise."""
    place = np.arange(rows)
    course: Floats = 50 + 20 * np.sin(2 * np.pi * place / 288)
    return course + np.random.default_rng(seed).normal(0, 1, rows)


def series(values: Floats) -> Series:
    """One value every five minutes."""
    return Series.of(BEGIN_US + np.arange(len(values)) * STEP_US, values)


def strongest(values: Floats, name: str, rows: range) -> float:
    """The strongest opinion of one view on some rows."""
    scorer = Scorer(series(values))
    return max(scorer.opinion(row).views.get(name, 0.0) for row in rows)


@each_view
def test_a_view_documents_itself(view: View) -> None:
    """Each view states its idea, when it fails, its cost and its source, in a file of its own name."""
    text = inspect.getdoc(type(view)) or ""
    assert all(word in text for word in ("Idea:", "Fails:", "Cost:", "Source:"))
    assert inspect.getmodule(type(view)).__name__.endswith(f".{view.name}")  # type: ignore[union-attr]


@each_view
def test_a_view_is_causal_and_deterministic(view: View) -> None:
    """A prefix has the same numbers as the whole, twice."""
    whole = view.numbers(series(daily(700)))
    for rows in (1, 2, 47, 289, 600):
        np.testing.assert_array_equal(view.numbers(series(daily(700)[:rows])), whole[:rows])


@pytest.mark.slow
def test_scores_are_causal_and_deterministic() -> None:
    """A prefix has the same scores as the whole, faults and all; the input is left as it was."""
    values = daily(700)
    values[[620, 650]] += 30
    before = values.copy()
    whole = score_rows(series(values))
    for rows in (1, 31, 300, 625):
        np.testing.assert_array_equal(score_rows(series(values[:rows])), whole[:rows])
    np.testing.assert_array_equal(values, before)


def test_the_past_is_bounded() -> None:
    """What lies further back than the memory, and than the views reach, has no say."""
    values = daily(400)
    other = values.copy()
    other[:40] += 1000
    assert Scorer(series(values), 100).opinion(399).views["value"] == Scorer(series(other), 100).opinion(
        399
    ).views.get("value")


def test_order_doubles_and_zones_do_not_matter() -> None:
    """Unsorted rows are sorted, rows of one time are averaged, and times are moments."""
    values = daily(300)
    times = BEGIN_US + np.arange(300) * STEP_US
    shuffled = np.random.default_rng(2).permutation(300)
    expected = score_rows(Series.of(times, values))
    np.testing.assert_array_equal(score_rows(Series.of(times[shuffled], values[shuffled])), expected)
    twice = Series.of(np.tile(times, 2), np.concatenate([values - 1, values + 1]))
    np.testing.assert_allclose(twice.values, values)


@pytest.mark.parametrize("hole", [slice(200, 260), slice(0, 299), slice(100, 101)])
def test_gaps_and_no_numbers_are_survived(hole: slice) -> None:
    """NaN and infinity are not there; scores stay finite and in range."""
    values = daily(300)
    values[hole] = np.nan
    values[299] = np.inf
    known = series(values)
    assert len(known) == np.isfinite(values).sum()
    scores = score_rows(known)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 12)).all()


@pytest.mark.parametrize("value", [0.0, 7.5, -1e300, 1e-300])
def test_a_constant_series_is_ordinary(value: float) -> None:
    """The same value again and again is no news; nor is what differs by rounding."""
    values = np.full(200, value)
    assert not score_rows(series(values)).any()
    values[150] = np.nextafter(value, 1.0)
    assert score_rows(series(values))[150] < THRESHOLD


@pytest.mark.parametrize("rows", [0, 1, 2, FEWEST_NUMBERS])
def test_little_past_is_no_opinion(rows: int) -> None:
    """U64: nothing, one point, and fewer rows than any view takes are never an anomaly."""
    scores = score_rows(series(daily(rows)))
    assert len(scores) == rows
    assert not scores.any()


@pytest.mark.slow
def test_a_spike_is_seen_by_its_value() -> None:
    """One row far out."""
    values = daily()
    values[1100] += 60
    assert score_rows(series(values))[1100] >= THRESHOLD
    assert strongest(values, "value", range(1100, 1101)) > 3


def test_a_gap_that_the_values_never_filled_is_rare() -> None:
    """Between two levels that it has known, a third is news."""
    values = np.where(np.arange(ROWS) // 50 % 2, 10.0, 90.0) + np.random.default_rng(3).normal(0, 1, ROWS)
    values[1100] = 50
    assert strongest(values, "value", range(1100, 1101)) > 3


def test_a_usual_value_at_a_wrong_hour_is_seen_by_the_season() -> None:
    """The value of noon at midnight, whose value alone says nothing."""
    values = daily()
    top, bottom = 288 * 3 + 72, 288 * 3 + 216
    values[bottom : bottom + 3] = values[top]
    assert strongest(values, "season", range(bottom, bottom + 3)) > 3
    assert strongest(values, "value", range(bottom, bottom + 1)) < 2


def test_another_level_is_seen_within_the_while() -> None:
    """A shift of two standard deviations, too small for one row, is seen by the mean."""
    values = np.random.default_rng(4).normal(0, 1, ROWS)
    values[1000:] += 2
    assert strongest(values, "level", range(1000, 1048)) > 2.5
    assert strongest(values, "level", range(900, 1000)) < 2.5


@pytest.mark.parametrize("factor", [4.0, 0.02])
def test_another_variance_is_seen(factor: float) -> None:
    """Four times as restless, or nearly dead."""
    values = np.random.default_rng(5).normal(0, 1, ROWS)
    values[1000:] *= factor
    assert strongest(values, "variation", range(1000, 1048)) > 2.5
    assert strongest(values, "variation", range(940, 1000)) < 2.5


@pytest.mark.slow
def test_a_trend_is_ordinary() -> None:
    """A steady rise is always at its maximum, and no news."""
    values = np.arange(ROWS) * 0.02 + np.random.default_rng(6).normal(0, 1, ROWS)
    assert (score_rows(series(values))[300:] >= THRESHOLD).mean() < 0.01


def test_merging_lets_one_view_disagree_and_one_be_sure_alone() -> None:
    """The mean of the three strongest of four, or the strongest at a price; an absent view speaks for nothing."""
    assert merged([]) == 0
    assert merged([3.0, 3.0, 3.0, 0.0]) == merged([3.0, 3.0, 3.0]) == pytest.approx(3.0)
    assert merged([9.0]) == pytest.approx(7.5)
    assert merged([1.0]) == pytest.approx(1 / 3)


def test_an_alarm_is_followed_by_quiet() -> None:
    """Told once; again only after the quiet rows."""
    scores = np.array([0, 3, 3, 9, 0, 3, 3.0])
    np.testing.assert_array_equal(alarms(scores, 3.0, 4), [1, 5])
    assert len(alarms(np.zeros(5))) == 0


def test_distances_are_those_of_a_search_through_all() -> None:
    """The fast distances to the 4th nearest are the slow ones."""
    values = np.sort(np.random.default_rng(7).lognormal(0, 2, 40))
    slow = [np.sort(np.abs(np.delete(values, place) - values[place]))[NEIGHBOURS - 1] for place in range(40)]
    np.testing.assert_allclose(own_distances(values), slow)


def test_rarity_of_one_more_is_fair() -> None:
    """One more of the same kind is as rare as its probability says, within what chance allows."""
    chance = np.random.default_rng(8)
    found = np.array([rarity(float(chance.normal()), chance.normal(size=400)) for _ in range(2000)])
    for level in (0.5, 0.1, 0.02):
        assert (found <= level).mean() == pytest.approx(level, rel=0.35)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [3, 8])
def test_a_tail_is_followed_beyond_the_past(degrees: int) -> None:
    """Of 2,000 numbers the probability of what is ten times rarer than their largest is right within a factor."""
    chance = np.random.default_rng(9)
    true = np.quantile(np.abs(chance.standard_t(degrees, 4_000_000)), 1 - 5e-5)
    found = [tail_probability(true, np.abs(chance.standard_t(degrees, 2000))) for _ in range(60)]
    assert 1e-5 < np.median(found) < 2.5e-4


def test_means_forget() -> None:
    """A huge value leaves nothing behind when it is out of the mean."""
    values = np.ones(20)
    values[3] = 1e18
    np.testing.assert_array_equal(rolling_mean(values, 4)[8:], np.ones(12))
    assert len(rolling_mean(np.zeros(0), 4)) == 0
