"""What a rule about errors that were never seen before may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Rule, Terms


class NewErrorRule(Rule):
    """An error that the baseline has none of."""

    kind: Literal["new_error"] = "new_error"
    dataset: DatasetName = "ml.app"
    bad: Terms = Field(
        {"log.level": ("error", "critical")}, min_length=1, description="which events are errors"
    )
    minimum_count: int = Field(1, ge=1, le=10**6, description="sightings within a window")
    window: Duration = 15 * MINUTE_US
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(preceding=7 * DAY_US, minimum_windows=24, minimum_samples=100)

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("bad", name) for name in self.bad]
