"""Where a logging call stands: file, line and function of the first frame that is not machinery."""

from __future__ import annotations

import os.path
import sys
from types import FrameType
from typing import Final

_MACHINERY: Final = frozenset({"structlog", "logging"})
_OURS: Final = "shipper.emit."


def is_machinery(frame: FrameType) -> bool:
    """Tell whether a frame belongs to the way of a logging call and not to its caller."""
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith(_OURS) or module.partition(".")[0] in _MACHINERY


def calling_frame() -> FrameType | None:
    """Return the first frame that is neither ours nor structlog's."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads source files
    while frame is not None and is_machinery(frame):
        frame = frame.f_back
    return frame


def origin(frame: FrameType | None) -> tuple[str, int, str] | None:
    """Return file name, line and function of a frame."""
    if frame is None:
        return None
    code = frame.f_code
    return os.path.basename(code.co_filename), frame.f_lineno or 0, code.co_name  # noqa: PTH119
