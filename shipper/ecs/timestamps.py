"""Times to ECS and back: UTC, microseconds, `Z`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

LAST_US: Final = 9_214_646_400_000_000
"""2262-01-01: Elasticsearch's nanosecond dates end in that year."""

_LARGEST_SECONDS: Final = 100_000_000_000


@lru_cache(maxsize=256)
def _whole_seconds(second: int) -> str:
    # Not `strftime`: it imports `time` at each call, which fails while the interpreter ends (destructors that log).
    return datetime.fromtimestamp(second, UTC).isoformat()[:19] + "."


def iso_timestamp(timestamp_us: int) -> str:
    """Return 27 characters such as `2026-11-21T10:11:12.123456Z`.

    Args:
        timestamp_us: 0 .. `LAST_US`, microseconds since the epoch.
    """
    second, micro = divmod(timestamp_us, 1_000_000)
    return f"{_whole_seconds(second)}{micro:06d}Z"


def parse_timestamp(value: object) -> int | None:
    """Return microseconds since the epoch, or None if `value` is no time between 1970 and 2262.

    A number counts as seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else
    nanoseconds. A date-time or text without zone is UTC, so that a document does not depend on the
    zone of the machine that wrote it.
    """
    try:
        found = _microseconds(value)
    except Exception:  # noqa: BLE001 - no such day, out of range, or a value that refuses to be asked
        return None
    return found if found is not None and 0 <= found < LAST_US else None


def _microseconds(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _from_number(value)
    if isinstance(value, datetime):
        return _from_datetime(value)
    if isinstance(value, date):
        return _from_datetime(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, str) and 10 <= len(value) <= 64:
        return _from_datetime(datetime.fromisoformat(value))
    return None


def _from_number(value: float) -> int:
    size = abs(value)
    for limit, factor in (
        (_LARGEST_SECONDS, 1_000_000),
        (_LARGEST_SECONDS * 1_000, 1_000),
        (_LARGEST_SECONDS * 1_000_000, 1),
    ):
        if size < limit:
            return value * factor if isinstance(value, int) else round(value * factor)
    return int(value) // 1_000


def _from_datetime(value: datetime) -> int:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    difference = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (difference.days * 86_400 + difference.seconds) * 1_000_000 + difference.microseconds
