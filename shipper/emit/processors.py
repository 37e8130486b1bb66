"""Our links for a structlog chain; each works in a chain of the user's own.

`shipper.configure()` sets `[ship]`. To put a link of yours before it, or to keep another renderer::

    structlog.configure(processors=[my_link, shipper.emit.processors.ship], wrapper_class=BoundLogger)
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import FrameType
from typing import Any, Final

from shipper.ecs.event import LEVELS, Event
from shipper.ecs.timestamps import parse_timestamp
from shipper.emit.message import message_and_fields
from shipper.emit.origin import calling_frame, origin
from shipper.emit.outlet import REGISTRY, Outlet
from shipper.emit.reentry import THREADS
from shipper.emit.renderer import Renderer
from shipper.emit.road import travel
from shipper.emit.stdlib import exc_info
from shipper.enrich.context import bound_fields

LEVEL_KEY: Final = "_shipper_level"
"""Key under which our logger passes on a numeric level that is none of the five."""

_METHOD_LEVELS: Final = {**LEVELS, "warn": 30, "exception": 40, "fatal": 50, "err": 40}
_INTERNAL: Final = frozenset({LEVEL_KEY, "_record", "_from_structlog", "_logger", "_name"})
_NO_GROUPS: Final[Mapping[str, object]] = {}

_EventDict = MutableMapping[str, Any]


def ship(logger: object, method_name: str, event_dict: _EventDict) -> _EventDict:
    """Last link: put the event into the spool. The event dict is returned as it came."""
    frame = calling_frame()
    name = _logger_name(logger, event_dict, frame)
    if not _is_taken_quickly(name, method_name, event_dict, frame):
        travel(_NO_GROUPS, name, _make_event, name, method_name, event_dict, frame)
    return event_dict


def _is_taken_quickly(name: str, method_name: str, event_dict: _EventDict, frame: FrameType | None) -> bool:
    """Store the event by the quick way; return whether that was done."""
    try:
        outlet, level = REGISTRY.current, LEVELS.get(method_name)
        if (
            outlet is None or REGISTRY.diversion is not None or (road := outlet.fused) is None
            or level is None or frame is None or type(event_dict) is not dict or LEVEL_KEY in event_dict
        ):  # fmt: skip
            return False
        fields = event_dict.copy()
        # What usual links add and the call says anyway: left in, it would need to be looked at closer.
        for key, said in (("level", method_name), ("logger", name)):
            if key in fields and type(fields[key]) is str and fields[key] == said:
                del fields[key]
        moment_us = None
        if "timestamp" in fields:
            moment_us = parse_timestamp(fields.pop("timestamp"))
            if moment_us is None or "@timestamp" in fields:
                return False
        message = fields.pop("event", "")
    except Exception:  # noqa: BLE001 - a key that refuses to be compared: the general way says so
        return False
    return road.emit(level, name, message, fields, frame, moment_us)


class RenderEcs:
    """Last link for other outputs: return the document as text, like structlog's `JSONRenderer`.

    Each instance is a producer of its own: its documents have its id and sequence.
    """

    def __init__(self, **groups: object) -> None:
        self._renderer = Renderer(groups)

    def __call__(self, logger: object, method_name: str, event_dict: _EventDict) -> str:
        """Return one line of JSON without the line's end."""
        frame = calling_frame()
        name = _logger_name(logger, event_dict, frame)
        return self._renderer.render(_make_event, name, method_name, event_dict, frame)


def merge_context(logger: object, method_name: str, event_dict: _EventDict) -> _EventDict:
    """Link: add what `shipper.context` binds, for chains that end in somebody else's renderer."""
    del logger, method_name
    for key, value in bound_fields().items():
        event_dict.setdefault(key, value)
    return event_dict


def event_from_dict(
    name: str, method_name: str, event_dict: Mapping[str, Any], frame: FrameType | None
) -> Event:
    """Return the event that a structlog event dict describes; the dict is read, never changed."""
    fields: dict[object, object] = {}
    fields.update(bound_fields())
    fields.update(event_dict)
    level = fields.get(LEVEL_KEY)
    message, inner = message_and_fields(fields.pop("event", ""), ())
    error = exc_info(fields.pop("exc_info", None))
    wants_stack, text = fields.pop("stack_info", None), fields.pop("exception", None)
    rendered_stack = fields.pop("stack", None) if type(fields.get("stack")) is str else None
    for key in _INTERNAL:
        fields.pop(key, None)
    if text is not None and (error is not None or type(text) is not str):
        fields["exception"] = text
    return Event(
        level=level if isinstance(level, int) else _METHOD_LEVELS.get(method_name, 20),
        message=message,
        logger=name,
        fields={**fields, **inner} if inner else fields,
        origin=origin(frame),
        thread=(THREADS.state.native_id, threading.current_thread().name),
        error=error,
        error_text=text if error is None and type(text) is str else None,
        stack=_stack(frame) if wants_stack else rendered_stack,  # type: ignore[arg-type]
    )


def _make_event(
    outlet: Outlet, name: str, method_name: str, event_dict: _EventDict, frame: FrameType | None
) -> Event:
    del outlet
    return event_from_dict(name, method_name, event_dict, frame)


def _logger_name(logger: object, event_dict: Mapping[str, Any], frame: FrameType | None) -> str:
    name = getattr(logger, "name", None)
    if type(name) is str and name:
        return name
    given = event_dict.get("logger")
    if type(given) is str and given:
        return given
    return str(frame.f_globals.get("__name__", "root")) if frame is not None else "root"


def _stack(frame: FrameType | None) -> str:
    return "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")
