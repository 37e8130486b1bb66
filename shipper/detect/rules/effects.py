"""Least changes that matter, one model per kind of measure: what is less is no alert, however certain it is."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

_MODEL: Final = ConfigDict(frozen=True, extra="forbid")


class RatioEffect(BaseModel):
    """Least change that matters, as a ratio and as a difference; both must be reached."""

    model_config = _MODEL
    ratio: float = Field(2.0, gt=1, le=1000)
    difference: float = Field(0.02, ge=0, le=1)


class LatencyEffect(BaseModel):
    """Least change of the percentile that matters, as a ratio and in milliseconds; both must be reached."""

    model_config = _MODEL
    ratio: float = Field(1.5, gt=1, le=1000)
    difference_ms: float = Field(5.0, ge=0, le=1e9)


class ChangeEffect(BaseModel):
    """Least change that matters, in the measure's own unit (0.05: five points of accuracy)."""

    model_config = _MODEL
    change: float = Field(0.05, gt=0)


class DriftEffect(BaseModel):
    """Least change that matters, beyond what chance gives; both must be reached."""

    model_config = _MODEL
    share: float = Field(0.02, ge=0, le=1, description="of the values that sit elsewhere")
    psi: float = Field(0.0, ge=0, le=100, description="population stability index")
