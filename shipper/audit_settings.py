"""Settings of the audit trail."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shipper.setting_groups import GROUP


class AuditSettings(BaseModel):
    """What the audit trail says of whoever acts."""

    model_config = GROUP
    by: str = Field(
        "",
        max_length=200,
        description="who acts, for jobs and shared accounts; empty: the user of the operating system",
    )
