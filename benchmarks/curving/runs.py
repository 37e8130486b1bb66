"""Made-up training runs: several shapes of healthy curves, and faults that are planted in them.

Times are seconds since the run began. Noise is lognormal with a correlation from step to step and, for some runs, heavy tails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Random = np.random.Generator

LONGEST_S: Final = 20 * 3600.0


@dataclass(frozen=True, slots=True)
class Run:
    """What a run logged.

    Attributes:
        step_s, steps, loss, norm, pace_ns: of each logged step: when, its number, measures, nanoseconds it took.
        epoch_s, epoch_steps, train, valid: of each epoch: when it was logged, last step, losses.
        rate: learning rate of each logged step, or None where it is not logged.
        starts_s: when the run said that it begins (or goes on).
        end_s: when it said that it finished; None: it never did.
        dead_s: when its process died; None: it lived on.
        nan_from: place in the steps from which on the loss is NaN.
    """

    step_s: Floats
    steps: Floats
    loss: Floats
    norm: Floats
    pace_ns: Floats
    epoch_s: Floats
    epoch_steps: Floats
    train: Floats
    valid: Floats
    rate: Floats | None = None
    starts_s: tuple[float, ...] = (0.0,)
    end_s: float | None = None
    dead_s: float | None = None
    nan_from: int | None = None

    def until(self, moment_s: float) -> Run:
        """Return the run as if it had said nothing from a moment on."""
        steps, epochs = self.step_s < moment_s, self.epoch_s < moment_s
        return replace(
            self,
            step_s=self.step_s[steps], steps=self.steps[steps], loss=self.loss[steps], norm=self.norm[steps],
            pace_ns=self.pace_ns[steps], rate=None if self.rate is None else self.rate[steps],
            epoch_s=self.epoch_s[epochs], epoch_steps=self.epoch_steps[epochs],
            train=self.train[epochs], valid=self.valid[epochs], end_s=None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What a kind of run is like; runs of one experiment share it.

    Attributes:
        shape: of the curve, a key of `SHAPES`.
        total: steps; `every`: of how many one is logged; `step_s`: seconds of a step.
        epochs: number of epochs, each followed by a pause for validation of `pause` times its length.
        noise: standard deviation of the logarithm of a step's loss; `tied`: correlation of neighbours.
        heavy: whether noise has heavy tails (Student's t with 4 degrees of freedom).
        floor: loss that is never passed, as part of the first; `gap`: how much higher validation loss ends.
        logs_rate: whether the learning rate is logged.
    """

    shape: str
    total: int
    every: int
    step_s: float
    epochs: int
    pause: float
    noise: float
    tied: float
    heavy: bool
    floor: float
    gap: float
    logs_rate: bool
    drops: tuple[float, ...] = field(default=())


def plan_of(chance: Random, shape: str) -> Plan:
    """Draw a kind of run."""
    total = int(np.exp(chance.uniform(np.log(20), np.log(100_000))))
    longest = LONGEST_S / total
    step_s = float(np.exp(chance.uniform(np.log(0.02), np.log(60))))
    step_s = min(step_s, longest)
    every = int(chance.choice([1, 1, 10, 50, 200]))
    return Plan(
        shape=shape, total=total, every=max(1, min(every, total // 20)), step_s=step_s,
        epochs=int(chance.integers(1, max(2, min(60, total // 5)))), pause=float(chance.uniform(0.01, 0.3)),
        noise=float(np.exp(chance.uniform(np.log(0.005), np.log(0.3)))), tied=float(chance.uniform(0, 0.9)),
        heavy=bool(chance.random() < 0.3), floor=float(chance.uniform(0.02, 0.4)), gap=float(chance.uniform(0, 0.1)),
        logs_rate=bool(chance.random() < 0.5),
        drops=tuple(sorted(chance.uniform(0.2, 0.9, int(chance.integers(1, 4))))),
    )  # fmt: skip


def power(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """A power law, as language models have."""
    return plan.floor + (1 - plan.floor) * (1 + 200 * part) ** -0.4, np.ones(len(part))


def exponential(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """An exponential fall that still goes on at the end."""
    return plan.floor + (1 - plan.floor) * np.exp(-3 * part), np.ones(len(part))


def staircase(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """A learning rate that drops at some steps, and a loss that falls with each."""
    stairs = sum((part > drop).astype(float) for drop in plan.drops) + np.zeros(len(part))
    return power(part, plan)[0] * 0.6**stairs, 0.1**stairs


def cosine(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Warm-up, then a learning rate that falls like a cosine: most is gained in the second half."""
    rate = np.where(part < 0.05, part / 0.05, 0.5 * (1 + np.cos(np.pi * np.clip((part - 0.05) / 0.95, 0, 1))))
    return power(part, plan)[0] * (0.6 + 0.4 * np.where(part < 0.05, 1.0, rate)), np.maximum(rate, 1e-3)


def restarts(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Cosine with warm restarts: the loss rises by about half with each and falls below where it was."""
    cycles = 1 + len(plan.drops)
    within = part * cycles % 1.0
    rate = 0.5 * (1 + np.cos(np.pi * within))
    return power(part, plan)[0] * (0.6 + 0.5 * rate), np.maximum(rate, 1e-3)


def curriculum(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Harder data from some steps on: the level rises by up to 60 % at once and falls again."""
    loss = power(part, plan)[0]
    for place, drop in enumerate(plan.drops):
        since = np.clip(part - drop, 0, None)
        loss = loss * np.where(part > drop, 1 + (0.6 - 0.15 * place) * np.exp(-4 * since), 1.0)
    return loss, np.ones(len(part))


def resumed(part: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """A power law; `made` stops it once and takes it up again at an earlier step."""
    return power(part, plan)


Shape = Callable[[Floats, Plan], tuple[Floats, Floats]]
SHAPES: Final[dict[str, Shape]] = {
    "power law": power,
    "exponential": exponential,
    "staircase": staircase,
    "cosine": cosine,
    "warm restarts": restarts,
    "curriculum": curriculum,
    "resumed": resumed,
}


def made(chance: Random, plan: Plan, *, differs: float = 0.03) -> Run:
    """Make a healthy run; runs of one plan differ by `differs` in level and pace."""
    numbers = np.arange(plan.total, dtype=np.float64)
    if plan.shape == "resumed":
        stop = max(2, int(plan.total * chance.uniform(0.3, 0.8)))
        begin = min(int(stop * chance.uniform(0.7, 0.95)), stop - 1)
        numbers = np.concatenate([numbers[:stop], numbers[begin:]])
    pace = plan.step_s * np.exp(chance.normal(0, differs)) * np.exp(chance.normal(0, 0.05, len(numbers)))
    per_epoch = max(1, plan.total // plan.epochs)
    is_last = (numbers + 1) % per_epoch == 0
    pauses = np.where(is_last, per_epoch * plan.step_s * plan.pause, 0.0)
    moments = np.cumsum(pace) + np.concatenate([[0.0], np.cumsum(pauses)[:-1]])
    starts = [0.0]
    if plan.shape == "resumed":
        stop = int(np.flatnonzero(np.diff(numbers) <= 0)[0]) + 1
        wait = float(chance.uniform(60, 1200))
        moments[stop:] += wait
        starts.append(float(moments[stop] - pace[stop] - min(30.0, wait / 2)))
    level = 3 * np.exp(chance.normal(0, differs))
    curve, rate = SHAPES[plan.shape](numbers / plan.total, plan)
    noise = _noise(chance, len(numbers), plan)
    loss = level * curve * np.exp(noise)
    norm = 2 * curve**0.5 * np.exp(_noise(chance, len(numbers), plan) + chance.normal(0, differs))
    logged = numbers % plan.every == 0
    ends = np.flatnonzero(is_last)
    smooth = level * curve
    epoch_noise = plan.noise / np.sqrt(10)
    valid = (
        smooth[ends]
        * (1 + plan.gap * (ends + 1) / len(numbers))
        * np.exp(chance.normal(0, epoch_noise, len(ends)))
    )
    train = smooth[ends] * np.exp(chance.normal(0, epoch_noise / 3, len(ends)))
    return Run(
        step_s=moments[logged], steps=numbers[logged], loss=loss[logged], norm=norm[logged],
        pace_ns=pace[logged] * 1e9, epoch_s=moments[ends] + pauses[ends] * 0.95, epoch_steps=numbers[ends],
        train=train, valid=valid, rate=rate[logged] if plan.logs_rate else None, starts_s=tuple(starts),
        end_s=float(moments[-1] + pauses[-1] + 1.0),
    )  # fmt: skip


def _noise(chance: Random, count: int, plan: Plan) -> Floats:
    fresh = chance.standard_t(4, count) / np.sqrt(2) if plan.heavy else chance.normal(0, 1, count)
    if not count:
        return fresh
    # An average in which the newest weighs 1 - tied is the autoregression, but for its size.
    smooth = pd.Series(fresh).ewm(alpha=1 - plan.tied, adjust=False).mean().to_numpy()
    found: Floats = plan.noise * np.sqrt((1 + plan.tied) / (1 - plan.tied)) * smooth
    return found
