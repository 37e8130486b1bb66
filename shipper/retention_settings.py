"""How long logs are kept, where a site differs from the schema: keys, ranges, defaults and meanings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from shipper.datasets import DATASETS
from shipper.setting_groups import GROUP


class RetentionSettings(BaseModel):
    """How long logs are kept."""

    model_config = GROUP
    days: dict[str, Annotated[int, Field(ge=1, le=36_500)]] = Field(
        default_factory=dict,
        description="by dataset, where it differs from the schema; counted from the end of an index's period",
    )

    @field_validator("days")
    @classmethod
    def _datasets_exist(cls, value: dict[str, int]) -> dict[str, int]:
        unknown = sorted(set(value) - set(DATASETS))
        if unknown:
            raise ValueError(f"there is no dataset {', '.join(unknown)}")
        return value
