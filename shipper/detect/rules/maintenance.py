"""Announced maintenance, as a rules file says it; what it means for windows is `shipper.detect.event_time.quiet`.

It is announced once (`start`, `end`) or comes again (`every`, `at`, `lasts`); all times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shipper.detect.event_time.window import (
    DAY_US,
    MINUTE_US,
    floor_to,
    format_duration,
    iso,
    parse_duration,
    parse_iso,
)

_WEEK_DAYS: Final = ("thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday")
"""In the order of the epoch, which began on a Thursday."""

_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MINUTES_OF_A_DAY: Final = 24 * 60


def _moment(value: object) -> object:
    if isinstance(value, datetime):  # YAML reads moments by itself
        value = value.isoformat()
    if isinstance(value, date):
        value = f"{value.isoformat()}T00:00:00Z"
    if not isinstance(value, str):
        return value
    try:
        return parse_iso(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a moment such as 2026-11-21T22:00:00Z") from None


def _time_of_day(value: object) -> object:
    if isinstance(value, int) and 0 <= value < _MINUTES_OF_A_DAY:  # YAML reads 12:30 as 750
        return value * MINUTE_US
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a time of day such as 02:00")
    return (int(match[1]) * 60 + int(match[2])) * MINUTE_US


def _length(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


class Maintenance(BaseModel):
    """A time in which nothing is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: Annotated[int, BeforeValidator(_moment)] | None = Field(None, description="once: from here")
    end: Annotated[int, BeforeValidator(_moment)] | None = Field(None, description="once: up to here")
    every: (
        Literal["day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None
    ) = Field(None, description="again and again: each day, or that day of the week")
    at: Annotated[int, BeforeValidator(_time_of_day)] = Field(0, description="time of day, UTC")
    lasts: Annotated[int, BeforeValidator(_length), Field(gt=0, le=7 * DAY_US)] | None = Field(
        None, description="for so long"
    )
    group: Mapping[str, str] = Field(default_factory=dict, description="only what has these values")
    reason: str = Field("", max_length=200)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        once = self.start is not None and self.end is not None
        again = self.every is not None and self.lasts is not None
        if once == again or (once and (self.every or self.lasts)) or (again and (self.start or self.end)):
            raise ValueError("write start and end, or every, at and lasts")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end does not lie after start")
        return self

    def as_written(self) -> dict[str, Any]:
        """Return it as a rules file says it."""
        minutes = self.at // MINUTE_US
        written: dict[str, Any] = {
            "start": iso(self.start) if self.start is not None else None,
            "end": iso(self.end) if self.end is not None else None,
            "every": self.every,
            "at": f"{minutes // 60:02}:{minutes % 60:02}" if self.every is not None else None,
            "lasts": format_duration(self.lasts) if self.lasts is not None else None,
            "group": dict(self.group),
            "reason": self.reason,
        }
        return {key: value for key, value in written.items() if value}

    def times(self, from_us: int, to_us: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches [start, end) that overlap [from, to), in order."""
        if self.start is not None and self.end is not None:
            if self.start < to_us and self.end > from_us:
                yield self.start, self.end
            return
        if self.every is None or self.lasts is None:
            return
        for day in range(floor_to(from_us - self.lasts - DAY_US, DAY_US), to_us, DAY_US):
            if self.every not in ("day", _WEEK_DAYS[day // DAY_US % 7]):
                continue
            start = day + self.at
            if start < to_us and start + self.lasts > from_us:
                yield start, start + self.lasts
