"""Where the application logs: the handler, the formatter, the structlog logger and its processors, event builders."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipper.emit.formatter import EcsFormatter
    from shipper.emit.handler import ShipperHandler
    from shipper.emit.stdlib import extra

__all__ = ["EcsFormatter", "ShipperHandler", "extra"]

_HOMES = {"EcsFormatter": "formatter", "ShipperHandler": "handler", "extra": "stdlib"}


if not TYPE_CHECKING:  # a type checker sees the imports above, and refuses other names

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used: `logging` users need no structlog, and the reverse."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
