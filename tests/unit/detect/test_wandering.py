"""How far a share wanders, and what the next window may then show."""

from __future__ import annotations

import numpy as np
import pytest

from shipper.detect.fetching.table import Floats
from shipper.detect.judging.share import ShareModel, in_blocks
from shipper.detect.judging.wandering import Prior, Wandering
from shipper.detect.statistics.probability import binomial_tail

WINDOWS = 288


def baseline(seed: int, scale: float, *, season: float = 0.0) -> tuple[Floats, Floats]:
    """A day of windows of some 300 events whose log odds have Student's t with 6 degrees, and a wave."""
    chance = np.random.default_rng(seed)
    noise = chance.standard_t(6, WINDOWS) * scale * (4 / 6) ** 0.5
    wave = season * np.sin(2 * np.pi * np.arange(WINDOWS) / WINDOWS)
    total = chance.poisson(300, WINDOWS)
    rate = 1 / (1 + 49 * np.exp(-noise - wave))
    return chance.binomial(total, rate).astype(float), total.astype(float)


def test_a_share_that_does_not_wander_has_nearly_binomial_tails() -> None:
    """Where windows vary by chance alone, what is certain stays certain."""
    learnt = Wandering.of(*baseline(1, 0.0))
    for count in (10, 14, 16):
        exact = binomial_tail(count, 300, 0.02)
        assert exact / 4 <= learnt.tail(count, 300) <= exact * 8
    assert learnt.tail(60, 300) < 1e-7


def test_tails_are_as_heavy_as_the_windows_show() -> None:
    """The same count is improbable after calm windows and ordinary after wild ones."""
    calm, wild = Wandering.of(*baseline(2, 0.05)), Wandering.of(*baseline(2, 0.5))
    assert calm.tail(24, 300) < 1e-5
    assert wild.tail(24, 300) > 1e-3


@pytest.mark.parametrize("scale", [0.0, 0.1, 0.3])
def test_the_level_holds_for_noise_that_is_heavy_tailed(scale: float) -> None:
    """Of windows like those of the baseline, no more are past a level than it says, within chance."""
    past, tests = 0, 0
    for seed in range(12):
        bad, total = baseline(100 + seed, scale)
        learnt = Wandering.of(bad[:144], total[:144])
        probabilities = [learnt.tail(int(k), int(n)) for k, n in zip(bad[144:], total[144:], strict=True)]
        past += sum(one <= 0.01 for one in probabilities)
        tests += len(probabilities)
    assert past <= 0.01 * tests + 4 * (0.01 * tests) ** 0.5


def test_the_level_of_the_last_hour_sees_no_season() -> None:
    """A wave of the day widens the tails around the mean, not those around the hour before."""
    bad, total = baseline(3, 0.05, season=0.5)
    around_mean = ShareModel.of(bad, total).tail(32, 300)
    around_hour = ShareModel.of(bad, total, Prior(lag=3)).tail(32, 300)
    assert around_hour < around_mean / 3


def test_a_few_windows_leave_wide_tails() -> None:
    """What four windows show is no certainty; a hundred like them are one."""
    few, many = (Wandering.of(np.full(n, 6.0), np.full(n, 300.0)) for n in (4, 100))
    assert few.tail(25, 300) > 10 * many.tail(25, 300)


def test_a_link_says_what_a_shift_does() -> None:
    """With a link that hardly moves, large counts stay improbable however much windows wander."""
    from shipper.detect.judging.wandering import SHIFTS

    bad, total = baseline(4, 0.3)
    stiff = 1 / (1 + 49 * np.exp(-0.2 * SHIFTS))
    assert Wandering.of(bad, total, Prior(link=stiff)).tail(60, 300) < Wandering.of(bad, total).tail(60, 300)


def test_a_longer_look_is_told_by_windows_of_its_own_length() -> None:
    """A day of windows with two labels each: hours of them know better how far hours go astray, and none is lost."""
    total, gained = np.full(576, 2.0), []
    for seed in range(7):
        bad = np.random.default_rng([4, seed]).binomial(2, 0.1, 576).astype(float)
        blocks = in_blocks(bad, total, 115.0)
        assert (blocks[0].sum(), blocks[1].sum()) == (bad.sum(), total.sum())
        assert len(blocks[0]) == 10
        gained.append(ShareModel.of(*blocks).tail(30, 115) / ShareModel.of(bad, total).tail(30, 115))
    assert float(np.median(gained)) < 0.7
    assert len(in_blocks(bad, total, 2.0)[0]) == 576
    assert len(in_blocks(bad, total, 1e6)[0]) >= 10
    assert len(in_blocks(np.zeros(0), np.zeros(0), 5.0)[0]) == 0


def test_kin_tell_how_far_a_share_wanders() -> None:
    """Ten windows leave wide tails; those of the version before, whatever its share was, narrow or widen them."""
    chance = np.random.default_rng(8)
    total = np.full(10, 300.0)
    bad = chance.binomial(300, 0.08, 10).astype(float)
    calm = chance.binomial(300, 0.2, 60).astype(float), np.full(60, 300.0)
    wild = np.asarray(chance.beta(2, 8, 60) * 300).round(), np.full(60, 300.0)
    alone = Wandering.of(bad, total).tail(60, 300)
    assert Wandering.of(bad, total, Prior(kin=calm)).tail(60, 300) < alone / 5
    assert Wandering.of(bad, total, Prior(kin=wild)).tail(60, 300) > alone
    model = ShareModel.of(bad, total, Prior(kin=calm))
    assert model.rate == ShareModel.of(bad, total).rate
    assert model.rough_tail(60, 300) < ShareModel.of(bad, total).rough_tail(60, 300)


def test_kin_without_a_bad_event_are_no_evidence() -> None:
    """A version that never failed, or had no events, changes nothing and breaks nothing."""
    bad, total = np.array([3.0, 5.0, 2.0, 4.0]), np.full(4, 100.0)
    for kin in ((np.zeros(5), np.full(5, 50.0)), (np.zeros(0), np.zeros(0)), (np.zeros(3), np.zeros(3))):
        found = ShareModel.of(bad, total, Prior(kin=kin))
        assert found.wander == ShareModel.of(bad, total).wander
        assert 0 < found.tail(20, 100) <= 1
