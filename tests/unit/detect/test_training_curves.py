"""Spikes, divergence and overfitting on curves that a person would judge at a glance: short, quiet, or with leaps in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.curving.runs import Run
from shipper.detect.curves.noise import beyond, blocks_of
from tests.unit.detect.test_training import anomalous, judged, rule_of, run_of


def leapt(run: Run, place: int, factor: float, length: int = 1) -> Run:
    """The run with some points of its loss raised."""
    loss = run.loss.copy()
    loss[place : place + length] *= factor
    return replace(run, loss=loss)


@pytest.mark.parametrize("seed", range(5))
def test_a_leap_in_a_short_run_that_logs_seldom_is_told(seed: int) -> None:
    """With 40 points in all and 2 % noise a leap to five times the loss is a spike; the run without it is quiet."""
    rule, run = rule_of("loss_spike"), run_of(seed, every=75, noise=0.02)
    assert len(run.loss) == 40
    assert anomalous(judged(rule, leapt(run, 20, 5.0)))
    assert not anomalous(judged(rule, run))


def test_a_leap_is_told_where_nothing_ever_leapt() -> None:
    """A curve that falls so steeply that no point of hundreds lies above those before it has a spike, too."""
    falling = run_of(2, every=10, noise=0.001, tied=0.0, floor=0.0)
    assert anomalous(judged(rule_of("loss_spike"), leapt(falling, 250, 2.0)))


@pytest.mark.parametrize("seed", range(3))
def test_harder_data_before_do_not_hide_a_spike(seed: int) -> None:
    """Levels that rose and stayed say nothing of how high a peak may be."""
    rule = rule_of("loss_spike")
    run = run_of(seed, shape="curriculum", every=40, noise=0.01, drops=(0.2, 0.4, 0.6))
    assert anomalous(judged(rule, leapt(run, int(0.8 * len(run.loss)), 5.0)))
    assert not anomalous(judged(rule, run))


def test_a_run_that_leaps_all_the_time_is_ordinary() -> None:
    """A loss that doubles at one point in ten is as noisy as that, and no news each time."""
    chance, run = np.random.default_rng(4), run_of(4, every=10)
    loss = run.loss * np.where(chance.random(len(run.loss)) < 0.1, 2.0, 1.0)
    told = anomalous(judged(rule_of("loss_spike"), replace(run, loss=loss)))
    assert len(told) <= 1


@pytest.mark.parametrize("every", [1, 100])
def test_what_has_lost_half_of_all_it_had_learnt_diverges_even_if_it_rises_no_more(every: int) -> None:
    """A rise at once to ten times the loss, where it stays, is told; one to 1.6 times is harder data."""
    rule, run = rule_of("divergence"), run_of(5, every=every, noise=0.02)
    place = len(run.loss) // 2
    assert anomalous(judged(rule, leapt(run, place, 10.0, len(run.loss))))
    assert not anomalous(judged(rule, leapt(run, place, 1.6, len(run.loss))))


def test_one_high_point_at_the_end_is_no_divergence() -> None:
    """Of a run whose points are blocks by themselves one leap is a spike."""
    run = run_of(6, every=75, noise=0.02)
    assert not anomalous(judged(rule_of("divergence"), leapt(run, 30, 20.0)))


@pytest.mark.parametrize("seed", range(4))
def test_a_validation_loss_that_rises_by_half_is_told(seed: int) -> None:
    """Twenty epochs, the training loss falls by 40 %, the validation loss turns at a third and ends 50 % higher."""
    run = run_of(seed, epochs=20, every=50, noise=0.03)
    part = np.arange(20) / 19
    valid = 1.2 * np.exp(np.clip((part - 0.33) / 0.67, 0, 1) * np.log(1.5))
    valid *= np.exp(np.random.default_rng(seed).normal(0, 0.01, 20))
    train = np.exp(-0.5 * part)
    assert anomalous(judged(rule_of("overfitting"), replace(run, valid=valid, train=train)))


@pytest.mark.parametrize("seed", range(4))
def test_losses_that_leap_together_are_no_overfitting(seed: int) -> None:
    """Both rise with a learning rate that is not logged, and fall again: the training loss is not below where it was."""
    run = run_of(seed, epochs=30, every=50, noise=0.03)
    part = np.arange(30) / 29
    both = np.where(part < 0.5, np.exp(-2 * part), np.exp(-1) * 1.6 * np.exp(-0.8 * (part - 0.5)))
    chance = np.random.default_rng(seed)
    noisy = [both * np.exp(chance.normal(0, 0.01, 30)) for _ in range(2)]
    assert not anomalous(judged(rule_of("overfitting"), replace(run, valid=noisy[0], train=noisy[1])))


def test_one_window_is_the_whole_evidence_of_a_spike() -> None:
    """It is over in the next one. What the rule says of hysteresis replaces that much of it and no more."""
    assert (rule_of("loss_spike").hysteresis.open, rule_of("loss_spike").hysteresis.of) == (1, 1)
    longer = rule_of("loss_spike", hysteresis={"recover": 6}).hysteresis
    assert (longer.open, longer.of, longer.recover) == (1, 1, 6)
    assert rule_of("plateau").hysteresis.open == 2


@pytest.mark.parametrize(("tied", "least", "most"), [(0.0, 1.0, 2.2), (0.6, 1.2, 4.5)])
def test_noise_is_told_from_a_trend(tied: float, least: float, most: float) -> None:
    """The spread counts what a mean over many blocks wanders by, at least, in the middle of 100 curves that fall.

    Of an autoregression with a correlation of 0.6 that is twice the size of its noise.
    """
    found = []
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(0, 0.02, 60)
        for place in range(1, 60):
            noise[place] = tied * noise[place - 1] + np.sqrt(1 - tied**2) * noise[place]
        found.append(blocks_of(np.linspace(1, 0, 40) ** 2 + noise[20:], 40).spread / 0.02)
    assert least <= np.median(found) <= most


def test_a_believed_tail_is_not_surer_than_what_was_seen() -> None:
    """Larger numbers are less probable, a larger belief makes them more so, and nothing is claimed inside of the past."""
    past = np.concatenate([np.zeros(30), np.linspace(0.01, 0.1, 10)])
    sizes = (0.05, 0.2, 0.5, 2.0)
    seen = [beyond(size, past, prior=0.02, believed=5) for size in sizes]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.05
    assert all(
        beyond(size, past, prior=0.2, believed=5) >= one for size, one in zip(sizes, seen, strict=True)
    )
