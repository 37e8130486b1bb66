"""The group of settings `spool`; `shipper.spool.policy.SpoolPolicy` has the same fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from shipper.setting_groups import GROUP, state_directory


class SpoolSettings(BaseModel):
    """The durable buffer on local disk."""

    model_config = GROUP
    directory: Path = Field(
        default_factory=lambda: state_directory() / "spool",
        description="each process has its own folder in it; ~/.local/state/shipper/spool",
    )
    max_bytes: int = Field(
        1 << 30, ge=1 << 20, le=1 << 44, description="cap of one process's folder, in bytes"
    )
    segment_max_bytes: int = Field(
        16 << 20, ge=1 << 16, le=1 << 30, description="a segment is closed at this size, in bytes"
    )
    free_space_floor_bytes: int = Field(
        64 << 20, ge=0, le=1 << 44, description="nothing is written while less disk is free"
    )
    fsync: Literal["never", "interval", "always"] = Field(
        "never", description="never: survives the process; interval, always: survives the machine"
    )
    fsync_interval_s: float = Field(1.0, gt=0, le=3600, description="for fsync = interval")
    when_full: Literal["drop_newest", "drop_oldest", "block"] = Field(
        "drop_newest", description="what happens to records when there is no room"
    )
    block_timeout_s: float = Field(
        0.05, ge=0, le=60, description="longest wait of one logging call for when_full = block"
    )
    warning_wait_s: float = Field(
        0.05,
        ge=0,
        le=60,
        description="longest wait of one logging call at warning or above while there is no room; below: none",
    )
    writes: Literal["auto", "mapped", "plain"] = Field(
        "auto", description="how segments are written; auto: mapped where the file system makes that safe"
    )
