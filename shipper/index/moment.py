"""Points in time as text."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(time_us: int) -> str:
    """Return microseconds since the epoch as `2026-11-21T10:11:12.123456Z`, always 27 characters."""
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
