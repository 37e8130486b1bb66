"""What shipper tells of itself: keys, ranges, defaults and meanings."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shipper.setting_groups import GROUP


class HealthSettings(BaseModel):
    """What shipper tells of itself."""

    model_config = GROUP
    heartbeat_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="a process that logs sends a record of its counters this often, and so do shipper agent and "
        "shipper index; 0: never. In a process that logs the thread of levels.watch_s does it",
    )
