"""`error.*`: type, message, the whole text with causes, contexts, groups and notes, and a fingerprint."""

from __future__ import annotations

import hashlib
import re
import traceback
from types import TracebackType
from typing import Final

from shipper.ecs.event import ExcInfo
from shipper.ecs.limits import Limits, cut_middle
from shipper.ecs.local_variables import shown_locals
from shipper.ecs.redaction import Redaction
from shipper.ecs.values import text, type_name

_LAST_LINE: Final = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?\Z")
_HEADING: Final = "Traceback (most recent call last):"
_MOST_LINKS: Final = 16
_MOST_FRAMES: Final = 256
_MARGIN: Final = 16_384
"""Characters beyond a cut that are still looked at for secrets."""


def error_fields(error: ExcInfo, limits: Limits, redaction: Redaction | None = None) -> dict[str, str]:
    """Return `type`, `message`, `stack_trace` and `id` of an exception; never raises for an odd one.

    With a redaction, what is too long is redacted before it is cut: half of a secret would not be known as one.
    `limits.locals_frames` needs a redaction; without one, no local variable is shown.
    """
    exception, trace = error[1], error[2]
    shown = _stack_trace(exception, trace)
    if limits.locals_frames and redaction is not None:
        shown = f"{shown}\n\n{shown_locals(trace, limits.locals_frames, redaction)}".rstrip("\n")
    return {
        "type": text(type_name(exception), limits.keyword),
        "message": _fitted(_message(exception), limits.text, redaction, keeps_end=False),
        "stack_trace": _fitted(shown, limits.stack_trace, redaction, keeps_end=True),
        "id": fingerprint(exception, trace),
    }


def error_fields_from_text(
    stack_trace: str, limits: Limits, redaction: Redaction | None = None
) -> dict[str, str]:
    """Return the same from the text of a traceback, for records whose exception is gone."""
    line = _exception_line(stack_trace)
    # The line is redacted as a whole: `password: x` would no longer be known once it is split.
    found = _LAST_LINE.match(line if redaction is None else redaction.scan(line[:_MARGIN]))
    kind = found["type"] if found else "Exception"
    frames = re.findall(r'^\s*File "(.*)", line \d+, in (.*)$', stack_trace, re.MULTILINE)
    message = (found["message"] or "") if found else ""
    return {
        "type": text(kind, limits.keyword),
        "message": _fitted(message, limits.text, redaction, keeps_end=False),
        "stack_trace": _fitted(stack_trace, limits.stack_trace, redaction, keeps_end=True),
        "id": _digest([kind, *(f"{file}:{function}" for file, function in frames)]),
    }


def _exception_line(stack_trace: str) -> str:
    """Return the line of a printed traceback that names the exception: the first that is not indented after its frames.

    What follows it are further lines of the message and notes; of a chain the last traceback counts.
    """
    lines = [line.removeprefix("  | ") for line in stack_trace.splitlines() if line.strip()]
    starts = [at for at, line in enumerate(lines) if line.endswith(_HEADING) and not line.startswith("   ")]
    rest = lines[starts[-1] + 1 :] if starts else lines
    return next((line for line in rest if not line.startswith(" ")), "")


def _fitted(whole: str, limit: int, redaction: Redaction | None, *, keeps_end: bool) -> str:
    """Return a text of at most `limit` characters, cut at its end or in its middle, redacted before the cut."""
    if len(whole) <= limit:
        return whole
    if redaction is None:
        return cut_middle(whole, limit) if keeps_end else text(whole, limit)
    mark = f"…[cut, {len(whole)} characters]"
    if not keeps_end:
        return f"{redaction.scan(whole[: limit + _MARGIN])[: limit - len(mark) - 1]} {mark}"
    room = (limit - len(mark) - 3) // 2
    if len(whole) <= 2 * (limit + _MARGIN):
        head = tail = redaction.scan(whole)
    else:
        head = redaction.scan(whole[: room + _MARGIN])
        tail = redaction.scan(whole[-(room + _MARGIN) :])
    if head is tail and len(head) <= 2 * room:
        return head
    return f"{head[:room]}\n {mark}\n{tail[-room:]}"


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


def _message(exception: BaseException) -> str:
    try:
        return str(str(exception))
    except Exception as error:  # noqa: BLE001 - hostile __str__
        return f"<{type_name(exception)} without text: {type_name(error)}>"


def _stack_trace(exception: BaseException, trace: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(exception), exception, trace)).rstrip("\n")
    except Exception as error:  # noqa: BLE001 - hostile notes, broken source files
        frames = "".join(traceback.format_tb(trace)) if trace is not None else ""
        return f"{frames}{type_name(exception)} (its text failed: {type_name(error)})"
