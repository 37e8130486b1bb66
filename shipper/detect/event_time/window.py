"""Event-time windows: half-open, aligned to the epoch, so that every run sees the same ones.

All moments are microseconds since 1970-01-01T00:00:00Z; all lengths are microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

_UNITS: Final = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,6})\s*([smhd])")


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The moments from `start_us` up to but not including `end_us`."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us <= self.start_us:
            raise ValueError(f"a window ends after its start, not at {self.end_us} <= {self.start_us}")

    def __contains__(self, moment_us: int) -> bool:
        return self.start_us <= moment_us < self.end_us

    @property
    def length_us(self) -> int:
        """How long it is."""
        return self.end_us - self.start_us


def floor_to(moment_us: int, length_us: int) -> int:
    """Return the start of the aligned window of this length that holds the moment."""
    return moment_us - moment_us % length_us


def ceil_to(moment_us: int, length_us: int) -> int:
    """Return the first aligned start at or after the moment."""
    return -floor_to(-moment_us, length_us)


def windows_between(start_us: int, end_us: int, length_us: int) -> Iterator[Window]:
    """Yield, in order, the aligned windows that lie wholly inside [start, end)."""
    for start in range(ceil_to(start_us, length_us), end_us - length_us + 1, length_us):
        yield Window(start, start + length_us)


def parse_duration(text: str) -> int:
    """Return the microseconds of `90s`, `15m`, `6h` or `2d`.

    Raises:
        ValueError: it is not a positive whole number followed by one of these units.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a length of time such as 90s, 15m, 6h or 2d")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(length_us: int) -> str:
    """Return the shortest text that `parse_duration` reads back; whole seconds only."""
    for unit in ("d", "h", "m"):
        if length_us and length_us % _UNITS[unit] == 0:
            return f"{length_us // _UNITS[unit]}{unit}"
    return f"{length_us // SECOND_US}s"


def iso(moment_us: int) -> str:
    """Return the moment as our documents write it: UTC, microseconds, `Z`."""
    moment = datetime.fromtimestamp(moment_us // SECOND_US, UTC) + timedelta(
        microseconds=moment_us % SECOND_US
    )
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_iso(text: str) -> int:
    """Return the microseconds of an ISO 8601 moment; without a zone it is UTC.

    Raises:
        ValueError: it is not such a moment.
    """
    # Elasticsearch may write nanoseconds, which Python's parser refuses.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    moment = datetime.fromisoformat(trimmed)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * DAY_US + delta.seconds * SECOND_US + delta.microseconds
