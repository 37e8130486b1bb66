"""The road of `logging`: a `LogRecord` becomes an `Event`; the record stays as it was."""

from __future__ import annotations

import logging
import os.path
import sys
import threading
from types import TracebackType
from typing import Final

from shipper.ecs.event import Event, ExcInfo
from shipper.emit.message import message_and_fields
from shipper.emit.reentry import THREADS
from shipper.emit.third_party import read
from shipper.enrich.context import bound_fields

RECORD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName", "_from_structlog", "_record", "_logger", "_name", "positional_args",
}  # fmt: skip
"""What a record holds without `extra`, and what structlog and other formatters hang on it."""

_TRACEBACK: Final = "\nTraceback (most recent call last):\n"


def extra(**fields: object) -> dict[str, object]:
    """Return `fields` for `extra=`, with the names that `logging` refuses put under `labels.`.

    `logger.info("hello", extra={"name": "x"})` raises `KeyError` inside `logging` itself, because a
    `LogRecord` has an attribute of that name; `extra=shipper.emit.extra(name="x")` does not, and gives
    the same document as structlog's `log.info("hello", name="x")`.
    """
    return {f"labels.{name}" if name in RECORD_ATTRIBUTES else name: value for name, value in fields.items()}


def event_from_record(record: logging.LogRecord, *, use_created: bool) -> Event:
    """Return the event that `record` describes.

    Args:
        record: is read, never changed.
        use_created: take the time from the record; False under a simulated clock.
    """
    attributes = record.__dict__
    known = read(record)
    hidden = RECORD_ATTRIBUTES | known.hidden if known.hidden else RECORD_ATTRIBUTES
    given = {name: value for name, value in attributes.items() if name not in hidden}
    message, inner = message_and_fields(record.msg, record.args)
    fields: dict[object, object] = {}
    fields.update(bound_fields())
    fields.update(known.fields)
    fields.update(given)
    fields.update(inner)
    inner_error = exc_info(fields.pop("exc_info", None)) if inner else None
    error_text = record.exc_text or None
    if record.args is None and error_text is None and type(message) is str:
        message, error_text = _without_traceback(message)
    return Event(
        level=_level(record.levelno),
        message=known.message or message,
        logger=record.name,
        fields=fields,
        created_us=_microseconds(record.created) if use_created else None,
        origin=known.origin or _origin(record),
        thread=_thread(record),
        error=exc_info(record.exc_info) or inner_error,
        error_text=error_text,
        stack=record.stack_info or None,
        template=record.msg if record.args else None,
    )


def _without_traceback(message: str) -> tuple[str, str | None]:
    """Take a prepared message apart: a `QueueHandler` writes the traceback behind it and forgets the exception."""
    head, found, rest = message.partition(_TRACEBACK)
    return (head, found.lstrip("\n") + rest) if found else (message, None)


def exc_info(value: object) -> ExcInfo | None:
    """Return a usable triple from what callers pass as `exc_info`, or None."""
    if value is True or value == 1:
        value = sys.exc_info()
    if isinstance(value, BaseException):
        return type(value), value, value.__traceback__
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], BaseException):
        trace = value[2] if isinstance(value[2], TracebackType) else None
        return type(value[1]), value[1], trace
    return None


def _origin(record: logging.LogRecord) -> tuple[str, int, str]:
    return os.path.basename(str(record.pathname)), record.lineno, str(record.funcName)  # noqa: PTH119


def _level(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else logging.INFO


def _microseconds(created: object) -> int | None:
    return round(created * 1_000_000) if isinstance(created, (int, float)) and created >= 0 else None


def _thread(record: logging.LogRecord) -> tuple[int | None, str] | None:
    if not record.threadName:
        return None
    is_here = record.thread == threading.get_ident()
    return (THREADS.state.native_id if is_here else None), str(record.threadName)
