"""What a rule about the use of a resource may say."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Rule


class ResourceRule(Rule):
    """A resource is used beyond its band, or will soon be full."""

    kind: Literal["resource"] = "resource"
    dataset: DatasetName = "ml.deployment"
    group_by: tuple[str, ...] = Field(("service.name", "host.name"), max_length=5)
    field: str = Field(description="a number, such as ml.resource.disk_used_share")
    band: tuple[float | None, float | None] = Field(
        (None, None), description="[least, most] mean of a window; null where there is no bound"
    )
    full: float | None = Field(None, description="value at which nothing is left")
    horizon: Duration = Field(6 * HOUR_US, description="full within this time is told")
    window: Duration = 15 * MINUTE_US
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(preceding=7 * DAY_US, minimum_windows=12, minimum_samples=1)

    @model_validator(mode="after")
    def _judges_something(self) -> Self:
        if self.full is None and self.band == (None, None):
            raise ValueError(
                "band and full are missing; write band: [least, most], or full: the value at which it is full"
            )
        return self

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("field", self.field)]

    def parts(self) -> dict[str, Any]:
        """Return the aggregations of one window."""
        return {"value": {"stats": {"field": self.field}}}
