"""Faults that are planted in healthy runs: one for each check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.curving.runs import Random, Run


@dataclass(frozen=True, slots=True)
class Planted:
    """A run with a fault that begins at a moment, seconds since the run began."""

    run: Run
    fault_s: float


def loss_spike(chance: Random, run: Run) -> Planted:
    """The loss leaps to 3 to 20 times its size for up to 1 % of the logged steps, and comes back."""
    n = len(run.loss)
    place = int(n * chance.uniform(0.35, 0.9))
    length = int(chance.integers(1, max(2, n // 100)))
    factor = np.exp(chance.uniform(np.log(3), np.log(20)))
    loss = run.loss.copy()
    loss[place : place + length] *= factor
    return Planted(replace(run, loss=loss), float(run.step_s[place]))


def nonfinite(chance: Random, run: Run) -> Planted:
    """The loss is NaN from a step on, any but the last."""
    place = int(chance.integers(0, max(1, len(run.loss) - 1)))
    return Planted(replace(run, nan_from=place), float(run.step_s[place]))


def plateau(chance: Random, run: Run) -> Planted:
    """Nothing is learnt any more from 10 to 40 % of the steps on; when it could be known is when half is flat."""
    n = len(run.loss)
    place = int(n * chance.uniform(0.1, 0.4))
    level = np.exp(np.log(run.loss[max(0, place - n // 20) : place + 1]).mean())
    noise = np.exp(np.diff(np.log(run.loss), prepend=np.log(run.loss[0])) / np.sqrt(2))
    loss = np.where(np.arange(n) >= place, level * noise, run.loss)
    late = run.epoch_steps >= run.steps[place]
    flat = run.valid[~late][-1] if (~late).any() else run.valid[0] if len(run.valid) else 1.0
    valid = np.where(late, flat, run.valid)
    return Planted(replace(run, loss=loss, valid=valid), float(run.step_s[place]))


def divergence(chance: Random, run: Run) -> Planted:
    """The loss grows to 3 to 100 times its size within a fifth of the run and stays there."""
    n = len(run.loss)
    place = int(n * chance.uniform(0.3, 0.75))
    grown = np.clip((np.arange(n) - place) / (0.2 * n), 0, 1) * chance.uniform(np.log(3), np.log(100))
    return Planted(replace(run, loss=run.loss * np.exp(grown)), float(run.step_s[place]))


def overfitting(chance: Random, run: Run) -> Planted:
    """The loss on validation data turns at 20 to 50 % of the run, and ends 40 to 200 % above where it turned."""
    begin = chance.uniform(0.2, 0.5)
    part = run.epoch_steps / run.steps[-1]
    grown = np.clip((part - begin) / (1 - begin), 0, 1) * chance.uniform(np.log(1.4), np.log(3))
    early = run.valid[part < begin]
    turn = early[-1] if len(early) else run.valid[0] if len(run.valid) else 1.0
    noise = np.exp(np.diff(np.log(run.valid), prepend=np.log(run.valid[:1])) / np.sqrt(2))
    valid = np.where(part < begin, run.valid, turn * noise * np.exp(grown))
    return Planted(replace(run, valid=valid), float(run.step_s[int(begin * len(run.step_s))]))


def underfitting(chance: Random, run: Run) -> Planted:
    """All losses are 1.5 to 3 times those of the runs before, from the beginning on; known at the end."""
    factor = chance.uniform(1.5, 3)
    run = replace(run, loss=run.loss * factor, valid=run.valid * factor, train=run.train * factor)
    return Planted(run, float(run.end_s or 0.0))


def stalled(chance: Random, run: Run) -> Planted:
    """The run hangs at a step; its process lives."""
    moment = float(run.step_s[int(len(run.step_s) * chance.uniform(0.4, 0.95))])
    return Planted(replace(run.until(moment), dead_s=moment + 86_400.0), moment)


def killed(chance: Random, run: Run) -> Planted:
    """The run's process dies at a step; for half of them nothing is known of the process."""
    moment = float(run.step_s[int(len(run.step_s) * chance.uniform(0.4, 0.95))])
    return Planted(replace(run.until(moment), dead_s=moment if chance.random() < 0.5 else None), moment)


def slower(chance: Random, run: Run) -> Planted:
    """Each step takes 1.5 to 4 times as long as in the runs before, from the beginning on."""
    return Planted(replace(run, pace_ns=run.pace_ns * chance.uniform(1.5, 4)), 0.0)


def out_of_band(chance: Random, run: Run) -> Planted:
    """The gradient's norm is 4 to 20 times that of the runs before, from a third of the steps on."""
    place = len(run.norm) // 3
    norm = run.norm.copy()
    norm[place:] *= np.exp(chance.uniform(np.log(4), np.log(20)))
    return Planted(replace(run, norm=norm), float(run.step_s[place]))


FAULTS: Final[dict[str, Callable[[Random, Run], Planted]]] = {
    "loss_spike": loss_spike,
    "nonfinite": nonfinite,
    "plateau": plateau,
    "divergence": divergence,
    "overfitting": overfitting,
    "underfitting": underfitting,
    "stalled": stalled,
    "killed": killed,
    "slower": slower,
    "out_of_band": out_of_band,
}
"""By check."""
