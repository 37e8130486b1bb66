"""The least level that structlog loggers take; `configure(level=...)` sets it."""

from __future__ import annotations

import logging
from typing import Final


class Threshold:
    """A level that is looked up at each call, so that it can change while loggers live."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = logging.NOTSET


THRESHOLD: Final = Threshold()
"""The one threshold of this process."""
