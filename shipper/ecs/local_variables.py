"""Local variables of an exception's innermost frames, for those who ask for them; always redacted."""

from __future__ import annotations

from types import FrameType, TracebackType
from typing import Final

from shipper.ecs.limits import cut
from shipper.ecs.redaction import Redaction
from shipper.ecs.values import text
from shipper.treatment import Treatment

_MOST_NAMES: Final = 32
_LONGEST_VALUE: Final = 256
_LOOKED_AT: Final = 4096
"""Characters of a value that are looked at before it is cut, so that no half of a secret is left."""


def shown_locals(trace: TracebackType | None, frames: int, redaction: Redaction) -> str:
    """Return the local variables of the innermost `frames` frames, the innermost last; empty where there are none."""
    innermost: list[tuple[FrameType, int]] = []
    while trace is not None:
        innermost.append((trace.tb_frame, trace.tb_lineno))
        if len(innermost) > frames:
            innermost.pop(0)
        trace = trace.tb_next
    return "\n".join(_of_frame(frame, line, redaction) for frame, line in innermost)


def _of_frame(frame: FrameType, line: int, redaction: Redaction) -> str:
    code = frame.f_code
    lines = [f"Locals of {code.co_qualname} ({code.co_filename}:{line})"]
    try:
        found = [(name, value) for name, value in frame.f_locals.items() if not name.startswith("__")]
    except Exception:  # noqa: BLE001 - a namespace may be any mapping
        found = []
    lines.extend(f"  {name} = {_shown(name, value, redaction)}" for name, value in found[:_MOST_NAMES])
    if len(found) > _MOST_NAMES:
        lines.append(f"  … and {len(found) - _MOST_NAMES} more")
    return "\n".join(lines)


def _shown(name: str, value: object, redaction: Redaction) -> str:
    treatment = redaction.treatment(f"labels.{name}")
    shown = text(value, _LOOKED_AT)
    if treatment is Treatment.DROP:
        return "(left out)"
    if treatment is Treatment.MASK:
        return redaction.mask(name, shown)
    if treatment is Treatment.PSEUDONYM:
        return redaction.pseudonym(shown)
    return cut(redaction.scan(shown), _LONGEST_VALUE)
