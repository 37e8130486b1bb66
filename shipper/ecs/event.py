"""What every road hands to the encoder: one event as the application gave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, TypeAlias

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]
"""What `sys.exc_info()` returns while an exception is handled."""

LEVEL_NAMES: Final[tuple[tuple[int, str], ...]] = (
    (50, "critical"),
    (40, "error"),
    (30, "warning"),
    (20, "info"),
)

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""The five levels by name."""


def level_name(level: int) -> str:
    """Return the name of the nearest of the five levels at or below `level`; below 20 all is debug."""
    for number, name in LEVEL_NAMES:
        if level >= number:
            return name
    return "debug"


@dataclass(slots=True)
class Event:
    """One event before encoding. The encoder reads it and changes neither it nor what it refers to.

    Attributes:
        level: numeric level of the standard library.
        message: what happened; anything that is not text is turned into text.
        logger: name of the logger.
        fields: what the caller gave, bound context included; keys and values are arbitrary.
        created_us: the event's own time, microseconds since the epoch; None: the clock is asked.
        origin: file name, line and function of the logging call.
        thread: native id (None where it is not known any more) and name of the calling thread.
        error: the exception that is reported.
        error_text: its traceback as text, where the exception itself is gone (a pickled record).
        stack: text of the stack of the call, where it was asked for.
        template: the message before its arguments were put in, where a road knows it.
    """

    level: int
    message: object
    logger: str
    fields: Mapping[object, object] = field(default_factory=dict)
    created_us: int | None = None
    origin: tuple[str, int, str] | None = None
    thread: tuple[int | None, str] | None = None
    error: ExcInfo | None = None
    error_text: str | None = None
    stack: str | None = None
    template: object = None
