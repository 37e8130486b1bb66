"""What ordinary windows did beyond chance widens the tails of the next one, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from shipper.detect.fetching.table import Floats
from shipper.detect.judging.excess import Past
from shipper.detect.statistics.probability import chi_squared_tail, normal_tail

Random = np.random.Generator


def shares(chance: Random, windows: int, events: Floats, wander: float, memory: float = 0.0) -> Floats:
    """Bad events of windows whose log odds wander by Student's t with 5 degrees."""
    steps = chance.standard_t(5, windows) * np.sqrt(3 / 5)
    for row in range(1, windows):
        steps[row] = memory * steps[row - 1] + np.sqrt(1 - memory**2) * steps[row]
    return chance.binomial(events.astype(int), 1 / (1 + np.exp(1 - wander * steps))).astype(float)


def judged(bad: Floats, events: Floats) -> tuple[float, float]:
    """The plain probability of the last window against all before it, and the widened one."""
    past = Past.of_share(bad[:-1], events[:-1])
    n, m = events[-1], events[:-1].sum()
    share = bad.sum() / events.sum()
    size = n * m / (n + m)
    z2 = (bad[-1] / n - bad[:-1].sum() / m) ** 2 * size / (share * (1 - share))
    exact = 2 * normal_tail(float(np.sqrt(z2)))
    return exact, past.widened(exact, float(z2), 1, float(size))


def test_windows_that_show_chance_alone_leave_the_exact_probability_nearly_alone() -> None:
    """A day of windows without wandering: a tail of one in a million grows to a few in a hundred thousand at most."""
    chance = np.random.default_rng(8)
    events = np.full(145, 500.0)
    for _ in range(20):
        past = Past.of_share(shares(chance, 144, events[1:], 0.0), events[1:])
        assert 1e-6 <= past.widened(1e-6, 23.9, 1, 497.0) < 4e-5


def test_few_windows_leave_wide_tails_and_many_narrow_ones() -> None:
    """The same surprise after 3 windows that showed chance alone, and after 60 of them; what wandered leaves wider ones."""
    statistics, sizes = np.tile([0.2, 1.5, 0.01, 2.0, 0.6, 1.0], 10), np.full(60, 100.0)
    before = np.arange(1.0, 61)
    few = Past(statistics[:3], 1, sizes[:3], before[:3])
    many, restless = (Past(some, 1, sizes, before) for some in (statistics, 5 * statistics))
    exact = 2 * normal_tail(9.0)
    found = [past.widened(exact, 81.0, 1, 100.0) for past in (few, many, restless)]
    assert found[0] > 50 * found[1] > 50 * exact
    assert found[2] > 1e3 * found[1]


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_tails_hold_for_noise_that_is_heavy_tailed_and_correlated(memory: float) -> None:
    """One window in a hundred is past one in a hundred, where the plain test takes one in three for a change."""
    chance = np.random.default_rng([5, round(10 * memory)])
    events = np.full(61, 2000.0)
    found = np.array([judged(shares(chance, 61, events, 0.15, memory), events) for _ in range(250)])
    plain, widened = (found < 0.01).mean(axis=0)
    assert plain > 0.25
    assert widened <= 0.03
    assert (found[:, 1] < 1e-4).sum() == 0


def test_a_change_far_beyond_the_wandering_is_still_found() -> None:
    """Odds that are five times what they were, where they wander by fifteen percent."""
    chance = np.random.default_rng(6)
    events = np.full(61, 2000.0)
    bad = shares(chance, 61, events, 0.15)
    bad[-1] = 1200
    assert judged(bad, events)[1] < 1e-4


def test_levels_that_wander_are_told_from_clumps_by_windows_of_different_sizes() -> None:
    """Clumps make small windows as odd as large ones; where the level wanders, only large ones are."""
    sizes = np.tile([10.0, 1000.0], 30)
    wander = np.where(sizes > 100, 25.0, 1.0)
    clumps = np.full(60, 12.0)
    exact = 2 * normal_tail(6.0)
    before = np.arange(1.0, 61)
    small = [Past(some, 1, sizes, before).widened(exact, 36.0, 1, 10.0) for some in (wander, clumps)]
    assert small[0] < 0.05 * small[1]
    large = [Past(some, 1, sizes, before).widened(exact, 36.0, 1, 1000.0) for some in (wander, clumps)]
    assert large[0] > large[1]


def test_many_bins_are_judged_by_one_direction_that_wanders() -> None:
    """A histogram whose mean moves: its statistic is no chi-squared variable, and the tail knows."""
    chance = np.random.default_rng(7)
    cuts = np.linspace(-1.5, 1.5, 9)
    rows = np.array(
        [
            np.bincount(
                np.searchsorted(cuts, chance.normal(0.06 * chance.standard_t(6), 1, 3000)), minlength=10
            )
            for _ in range(50)
        ]
    ).astype(float)
    past = Past.of_counts(rows)
    assert past.degrees == 9
    exact = chi_squared_tail(45.0, 9)
    assert past.widened(exact, 45.0, 9, 2900.0) > 1e3 * exact


def test_nothing_is_learnt_from_nothing() -> None:
    """No window, one window, windows without events: the exact probability stays."""
    for history in (np.zeros((0, 3)), np.ones((1, 3)), np.zeros((5, 3))):
        assert Past.of_counts(history).widened(1e-5, 30.0, 2, 50.0) == 1e-5
        assert Past.of_scores(history, np.array([-1.0, 0.0, 1.0])).widened(1e-5, 30.0, 1, 50.0) == 1e-5
    assert Past.of_share(np.zeros(9), np.full(9, 50.0)).widened(1e-5, 20.0, 1, 50.0) < 1e-3
