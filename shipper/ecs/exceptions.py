"""`error.*`: type, message, the whole text with causes, contexts, groups and notes, and a fingerprint."""

from __future__ import annotations

import hashlib
import re
import traceback
from types import TracebackType
from typing import Final

from shipper.ecs.event import ExcInfo
from shipper.ecs.limits import Limits, cut_middle
from shipper.ecs.values import text, type_name

_LAST_LINE: Final = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?\Z")
_MOST_LINKS: Final = 16
_MOST_FRAMES: Final = 256


def error_fields(error: ExcInfo, limits: Limits) -> dict[str, str]:
    """Return `type`, `message`, `stack_trace` and `id` of an exception; never raises for an odd one."""
    exception, trace = error[1], error[2]
    return {
        "type": text(type_name(exception), limits.keyword),
        "message": _message(exception, limits),
        "stack_trace": cut_middle(_stack_trace(exception, trace), limits.stack_trace),
        "id": fingerprint(exception, trace),
    }


def error_fields_from_text(stack_trace: str, limits: Limits) -> dict[str, str]:
    """Return the same from the text of a traceback, for records whose exception is gone."""
    lines = [line for line in stack_trace.splitlines() if line.strip()]
    found = next((match for line in reversed(lines) if (match := _LAST_LINE.match(line))), None)
    kind = found["type"] if found else "Exception"
    frames = re.findall(r'^\s*File "(.*)", line \d+, in (.*)$', stack_trace, re.MULTILINE)
    return {
        "type": text(kind, limits.keyword),
        "message": text((found["message"] or "") if found else "", limits.text),
        "stack_trace": cut_middle(stack_trace, limits.stack_trace),
        "id": _digest([kind, *(f"{file}:{function}" for file, function in frames)]),
    }


def fingerprint(exception: BaseException, trace: TracebackType | None) -> str:
    """Return 16 hexadecimal digits that are equal for equal faults.

    They come from the types along the chain of causes and the functions passed through, each once
    (a recursion's depth does not matter); not from line numbers, messages or values.
    """
    parts: list[str] = []
    link: BaseException | None = exception
    seen: set[int] = set()
    while link is not None and id(link) not in seen and len(seen) < _MOST_LINKS:
        seen.add(id(link))
        parts.append(type_name(link))
        parts.extend(_functions(trace if link is exception else link.__traceback__))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return _digest(parts)


def _functions(trace: TracebackType | None) -> list[str]:
    found: dict[str, None] = {}
    steps = 0
    while trace is not None and steps < _MOST_FRAMES * 16:
        frame = trace.tb_frame
        module = frame.f_globals.get("__name__", "?")
        found[f"{module}:{frame.f_code.co_qualname}"] = None
        if len(found) >= _MOST_FRAMES:
            break
        trace, steps = trace.tb_next, steps + 1
    return list(found)


def _digest(parts: list[str]) -> str:
    joined = "\n".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(joined).hexdigest()[:16]


def _message(exception: BaseException, limits: Limits) -> str:
    try:
        return text(str(exception), limits.text)
    except Exception as error:  # noqa: BLE001 - hostile __str__
        return f"<{type_name(exception)} without text: {type_name(error)}>"


def _stack_trace(exception: BaseException, trace: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(exception), exception, trace)).rstrip("\n")
    except Exception as error:  # noqa: BLE001 - hostile notes, broken source files
        frames = "".join(traceback.format_tb(trace)) if trace is not None else ""
        return f"{frames}{type_name(exception)} (its text failed: {type_name(error)})"
