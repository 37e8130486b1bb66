"""What a rule about training runs may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

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

_OF_CHECK: Final[Mapping[str, tuple[int, int, float]]] = {
    "loss_spike": (5 * MINUTE_US, 6 * HOUR_US, 0.5),
    "nonfinite": (5 * MINUTE_US, 6 * HOUR_US, 0.0),
    "plateau": (15 * MINUTE_US, 7 * DAY_US, 0.02),
    "divergence": (15 * MINUTE_US, 7 * DAY_US, 0.2),
    "overfitting": (15 * MINUTE_US, 7 * DAY_US, 0.1),
    "underfitting": (15 * MINUTE_US, 30 * DAY_US, 0.1),
    "stalled": (5 * MINUTE_US, 2 * DAY_US, 2.0),
    "killed": (5 * MINUTE_US, 2 * DAY_US, 2.0),
    "slower": (15 * MINUTE_US, 30 * DAY_US, 0.3),
    "out_of_band": (15 * MINUTE_US, 30 * DAY_US, 0.5),
}
"""Window, baseline and least relative effect of each check, unless the rule says otherwise."""

TOLD_AT_ONCE: Final = ("loss_spike", "divergence", "overfitting")
"""Checks whose one window is the whole evidence: a spike is over in the next one, and what rests on all points so far is
not confirmed by being said again."""

SPIKE_POINTS: Final = 10
"""Points of the curve before one that may be a spike; a short run that logs seldom has not many more in all."""

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
        window, preceding, change = _OF_CHECK[check]
        usual: dict[str, Any] = {"window": window, "effect": {"change": change}}
        if check == "loss_spike":
            usual["points"] = SPIKE_POINTS
        parts = {"baseline": {"preceding": preceding, "minimum_windows": 1, "minimum_samples": 1}}
        if check in TOLD_AT_ONCE:
            parts["hysteresis"] = {"open": 1, "of": 1}
        # What is given of a part replaces that much of it.
        given_parts = {name: given.get(name, {}) for name in parts}
        merged = {
            name: {**parts[name], **one} if isinstance(one, Mapping) else one
            for name, one in given_parts.items()
        }
        return {**usual, **given, **merged}

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
