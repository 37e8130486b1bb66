"""One call from an event to the log, by structlog or by `logging`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, TypeAlias

from shipper.ecs.values import is_mapping, pairs, text, type_name
from shipper.emit.logger import get_logger
from shipper.emit.outlet import REGISTRY
from shipper.emit.stdlib import extra as without_conflicts

Logger: TypeAlias = Any
"""A logger of `structlog` (ours or any other), a `logging.Logger`, or an adapter of one."""

ExcInfo: TypeAlias = (
    "tuple[type[BaseException], BaseException, TracebackType | None] | BaseException | bool | None"
)

_MESSAGES: Final = {
    "train-start": "training starts",
    "train-step": "step done",
    "train-epoch": "epoch done",
    "train-end": "training ends",
    "evaluate": "evaluated",
    "experiment": "experiment done",
    "predict": "prediction",
    "predict-batch": "batch of predictions",
    "feedback": "feedback",
    "explain": "explanation",
    "profile": "data profile",
    "prepare": "data prepared",
    "deploy": "deployed",
    "rollback": "rolled back",
    "stage-change": "stage changed",
    "resource-use": "resource use",
    "debug": "debug values",
}
_NOUNS: Final = {
    "train-end": "training",
    "evaluate": "evaluation",
    "predict": "prediction",
    "predict-batch": "batch of predictions",
    "prepare": "data preparation",
    "deploy": "deployment",
}
_LEVELS: Final = {"debug": logging.DEBUG}
_OURS: Final = "shipper.emit"


def log(
    logger: Logger | None,
    event: Mapping[str, object],
    message: str | None = None,
    *,
    level: int | None = None,
    exc_info: ExcInfo = None,
    **fields: object,
) -> None:
    """Log an event in one call, with a logger of structlog or of `logging`. No `Exception` leaves.

    ::

        events.log(log, events.feedback(prediction_id="p-1", label="benign"))

    Args:
        logger: None: shipper's own, named for the calling module.
        event: what a builder returned.
        message: None: a few words on what was done.
        level: numeric level of `logging`; None: error if the event's outcome is failure, debug for debug
            values, else info.
        exc_info: as for `logging`.
        fields: further fields of yours; the event's own win.
    """
    try:
        _send(logger, event, message, level, exc_info, fields)
    except Exception as error:  # noqa: BLE001 - somebody else's logger or chain failed
        _refuse(error)


def _send(
    logger: Logger | None,
    event: Mapping[str, object],
    message: str | None,
    level: int | None,
    exc_info: ExcInfo,
    fields: Mapping[str, object],
) -> None:
    given: dict[str, Any] = {**fields}
    if type(event) is dict and all(type(name) is str for name in event):
        given.update(event)
    elif is_mapping(event):
        given.update({str(name): value for name, value in pairs(event, 4096)})  # type: ignore[arg-type]
    else:
        given["event_given"] = event
    action = text(given.get("event.action", ""), 64)
    outcome = given.get("event.outcome")
    has_failed = type(outcome) is str and outcome == "failure"
    if message is None:
        message = f"{_NOUNS.get(action, action)} failed" if has_failed else _MESSAGES.get(action, "event")
    if level is None:
        level = logging.ERROR if has_failed else _LEVELS.get(action, logging.INFO)
    if exc_info:
        given["exc_info"] = exc_info
    if logger is None:
        logger = get_logger(_calling_module())
    if isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
        _send_by_logging(logger, level, message, given)
    else:
        logger.log(level, message, **given)


def _send_by_logging(
    logger: logging.Logger | logging.LoggerAdapter[Any], level: int, message: str, given: dict[str, Any]
) -> None:
    exc_info = given.pop("exc_info", None)
    extra = given
    while isinstance(logger, logging.LoggerAdapter):
        # An adapter's own `extra` replaces a call's before Python 3.13: both are wanted.
        processed, options = logger.process(message, {"extra": extra})
        message = str(processed)
        extra = {**(logger.extra or {}), **(options.get("extra") or {}), **extra}
        logger = logger.logger
    logger.log(
        level, message, extra=without_conflicts(**extra), exc_info=exc_info, stacklevel=_frames_of_ours()
    )


def _calling_module() -> str:
    frame = sys._getframe(1)  # noqa: SLF001 - no other way
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_OURS):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "root"))


def _frames_of_ours() -> int:
    """Return the stack level, seen from this function's caller, of the first frame that is not ours."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - no other way
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_OURS):
        level, frame = level + 1, frame.f_back
    return level


def _refuse(error: Exception) -> None:
    try:
        problem = f"{type_name(error)}: {text(error, 300)}"
        REGISTRY.outlet({}).refuse("chain_failed", f"an event could not be logged ({problem})")
    except Exception:  # noqa: BLE001, S110 - there is nobody left to tell
        pass
