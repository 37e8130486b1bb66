"""What a rule about training runs may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Rule

Check = Literal[
    "loss_spike",
    "nonfinite",
    "plateau",
    "divergence",
    "overfitting",
    "underfitting",
    "stalled",
    "killed",
    "slower",
    "out_of_band",
]
Split = Literal["train", "validation"]

RUN: Final = "ml.run.id"
PARTS: Final = 20
"""Parts of a window; of each the measures are summed up by themselves: the points of a run's curve."""


class _Usual(NamedTuple):
    """What holds for a check unless its rule says otherwise; durations in microseconds.

    Attributes:
        window, preceding: length of a window, and of the baseline.
        change: least relative effect.
        points: of the curve, that a judgement takes.
        is_told_at_once: one window is the whole evidence: a spike is over in the next one, and what rests on all points so
            far is not confirmed by being said again.
    """

    window: int
    preceding: int
    change: float
    points: int = 20
    is_told_at_once: bool = False


_OF_CHECK: Final[Mapping[str, _Usual]] = {
    # A short run that logs seldom has not many more than ten points in all.
    "loss_spike": _Usual(5 * MINUTE_US, 6 * HOUR_US, 0.5, points=10, is_told_at_once=True),
    "nonfinite": _Usual(5 * MINUTE_US, 6 * HOUR_US, 0.0),
    "plateau": _Usual(15 * MINUTE_US, 7 * DAY_US, 0.02),
    "divergence": _Usual(15 * MINUTE_US, 7 * DAY_US, 0.2, is_told_at_once=True),
    "overfitting": _Usual(15 * MINUTE_US, 7 * DAY_US, 0.1, is_told_at_once=True),
    "underfitting": _Usual(15 * MINUTE_US, 30 * DAY_US, 0.1),
    "stalled": _Usual(5 * MINUTE_US, 2 * DAY_US, 2.0),
    "killed": _Usual(5 * MINUTE_US, 2 * DAY_US, 2.0),
    "slower": _Usual(15 * MINUTE_US, 30 * DAY_US, 0.3),
    "out_of_band": _Usual(15 * MINUTE_US, 30 * DAY_US, 0.5),
}

COMPARED: Final = ("underfitting", "slower", "out_of_band", "stalled", "killed")
"""Checks that look at earlier runs."""


class TrainingEffect(BaseModel):
    """Least change that matters."""

    model_config = {"frozen": True, "extra": "forbid"}
    change: float = Field(0.1, ge=0, le=1000, description="relative: 0.5 is half as much again")


class TrainingRule(Rule):
    """A training run goes wrong: one check per rule, each run judged by itself."""

    kind: Literal["training"] = "training"
    check: Check
    dataset: DatasetName = "ml.training"
    group_by: tuple[str, ...] = Field((RUN,), max_length=5)
    field: str = Field("ml.metrics.loss", description="the measure that is watched")
    better: Literal["lower", "higher"] = "lower"
    split: Split = Field(
        "train", description="of which data; a run that has none of it is judged by the other"
    )
    same: tuple[str, ...] = Field(
        ("ml.model.name", "ml.experiment.name"), max_length=5, description="what runs that are compared share"
    )
    runs: int = Field(5, ge=3, le=1000, description="earlier runs that it takes to compare with")
    points: int = Field(20, ge=5, le=10_000, description="points of the curve that it takes to judge one")
    band: tuple[float | None, float | None] | None = Field(
        None, description="out_of_band: [least, most]; without it, learnt from earlier runs"
    )
    silence: Duration = Field(15 * MINUTE_US, description="stalled, killed: shorter silence is none")
    effect: TrainingEffect = TrainingEffect()
    minimum_samples: int = Field(1, ge=1, le=10**9)
    window: Duration = 15 * MINUTE_US
    baseline: Baseline = Baseline(preceding=7 * DAY_US, minimum_windows=1, minimum_samples=1)
    needs_every_window: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _by_check(cls, given: Any) -> Any:
        check = given.get("check") if isinstance(given, Mapping) else None
        if not isinstance(check, str) or check not in _OF_CHECK:
            return given
        usual = _OF_CHECK[check]
        whole = {"window": usual.window, "effect": {"change": usual.change}, "points": usual.points}
        # What is given of these replaces that much of them.
        parts = {"baseline": {"preceding": usual.preceding, "minimum_windows": 1, "minimum_samples": 1}}
        if usual.is_told_at_once:
            parts["hysteresis"] = {"open": 1, "of": 1}
        for name, part in parts.items():
            one = given.get(name, {})
            parts[name] = {**part, **one} if isinstance(one, Mapping) else one
        return {**whole, **given, **parts}

    @model_validator(mode="after")
    def _is_about_runs(self) -> Self:
        if RUN not in self.group_by:
            raise ValueError(f"group_by must name {RUN}: each run is judged by itself")
        if self.band is not None and self.check != "out_of_band":
            raise ValueError(f"band means nothing to the check {self.check}")
        if self.band is not None and self.band[0] is None and self.band[1] is None:
            raise ValueError("band has no bound; write [least, most], null where there is none")
        return self

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("field", self.field), *(("same", name) for name in self.same)]

    @property
    def shares_budget(self) -> bool:
        """A loss that is no number is no matter of chance."""
        return self.check != "nonfinite"

    @property
    def compares(self) -> bool:
        """Whether earlier runs are looked at."""
        return self.check in COMPARED

    @property
    def gives_up_us(self) -> int:
        """How long a run that neither says anything nor ended is waited for, in whole windows."""
        waited = min(DAY_US, self.baseline.preceding // 2)
        return waited - waited % self.window

    @property
    def lasting(self) -> int:
        """Windows after a run's end that are judged, so that its alerts end."""
        return self.hysteresis.recover + 2
