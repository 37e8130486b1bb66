"""What a rule about resolved errors that occur again may say."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from shipper.detect.event_time.window import MINUTE_US
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Hysteresis, Rule, Terms

FINGERPRINT: Final = "error.id"
_SPARE_WINDOWS: Final = 2


class RegressionRule(Rule):
    """An error that was resolved occurs again."""

    kind: Literal["regression"] = "regression"
    dataset: DatasetName = "ml.app"
    bad: Terms = Field(
        {"log.level": ("error", "critical")}, min_length=1, description="which events are errors"
    )
    version: str = Field("service.version", description="the field that `--in-version` is about")
    group_by: tuple[str, ...] = Field(("service.name",), max_length=5)
    window: Duration = 15 * MINUTE_US
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(minimum_windows=1, minimum_samples=1)
    hysteresis: Hysteresis = Hysteresis(open=1, of=1, recover=96)
    needs_every_window: ClassVar[bool] = True
    is_test: ClassVar[bool] = False

    @model_validator(mode="after")
    def _by_fingerprint(self) -> Self:
        # Frozen for others: one alert per error, and it is looked back as far as an alert needs to end.
        if FINGERPRINT not in self.group_by:
            object.__setattr__(self, "group_by", (*self.group_by, FINGERPRINT))
        if self.group_by[-1] != FINGERPRINT:
            raise ValueError(f"group_by: {FINGERPRINT} stands last, or is left out")
        reach = (self.hysteresis.recover + _SPARE_WINDOWS) * self.window
        object.__setattr__(self, "baseline", self.baseline.model_copy(update={"preceding": reach}))
        return self

    def _own_fields(self) -> list[tuple[str, str]]:
        return [*(("bad", name) for name in self.bad), ("version", self.version)]
