"""What a rule about any number over time may say."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, Duration, Rule


class SeriesEffect(BaseModel):
    """Least change that matters, in the number's own unit; 0: whatever is improbable enough."""

    model_config = {"frozen": True, "extra": "forbid"}
    change: float = Field(0.0, ge=0, allow_inf_nan=False)


class SeriesRule(Rule):
    """A number over time is not what it was."""

    kind: Literal["series"] = "series"
    field: str = Field("", description="a number; not needed for `statistic: events`")
    statistic: Literal["mean", "sum", "events"] = "mean"
    direction: Literal["both", "up", "down"] = "both"
    effect: SeriesEffect = SeriesEffect()
    window: Duration = 15 * MINUTE_US
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(preceding=14 * DAY_US, minimum_windows=48, minimum_samples=1)
    needs_every_window: ClassVar[bool] = True

    @model_validator(mode="after")
    def _has_a_field(self) -> Self:
        if not self.field and self.statistic != "events":
            raise ValueError("field is missing; name a number, or write statistic: events")
        return self

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("field", self.field)] if self.field else []

    def parts(self) -> dict[str, Any]:
        """Return the aggregations of one window."""
        return {"value": {"stats": {"field": self.field}}} if self.field else {}
