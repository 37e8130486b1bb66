"""Logs of machine-learning systems: emitted complete, found once, watched.

::

    application ── emit ── enrich ── ecs ── spool ── ship ──▶ Kafka ──▶ Elasticsearch ◀── detect ── alert

Importing this loads nothing of the above; each name below loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from shipper.emit.outlet import REGISTRY
from shipper.loading import LOADING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shipper.emit import events
    from shipper.emit.level_watch import reset_level, set_level
    from shipper.emit.logger import get_logger
    from shipper.emit.outlet import Outlet
    from shipper.enrich.context import carry, context, request, run
    from shipper.enrich.model import file_digest, model
    from shipper.pipeline import Pipeline
    from shipper.process import bind_model, close, configure, flush

__all__ = [
    "Pipeline",
    "__version__",
    "bind_model",
    "carry",
    "close",
    "configure",
    "context",
    "events",
    "file_digest",
    "flush",
    "get_logger",
    "model",
    "request",
    "reset_level",
    "run",
    "set_level",
]

__version__ = "0.1.0"

_HOMES = {
    "Pipeline": "shipper.pipeline",
    "bind_model": "shipper.process",
    "carry": "shipper.enrich.context",
    "close": "shipper.process",
    "configure": "shipper.process",
    "context": "shipper.enrich.context",
    "file_digest": "shipper.enrich.model",
    "flush": "shipper.process",
    "get_logger": "shipper.emit.logger",
    "model": "shipper.enrich.model",
    "request": "shipper.enrich.context",
    "reset_level": "shipper.emit.level_watch",
    "run": "shipper.enrich.context",
    "set_level": "shipper.emit.level_watch",
}


if not TYPE_CHECKING:  # a type checker sees the imports above, and refuses other names

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name != "events" and name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with LOADING:
            if name == "events":
                return import_module("shipper.emit.events")
            return getattr(import_module(_HOMES[name]), name)


def _load_outlets() -> Callable[[Mapping[str, object]], Outlet]:
    with LOADING:
        from shipper.process import outlet_for

    return outlet_for


# The roads of `shipper.emit` ask for an outlet at the first record; the composition root gives it.
REGISTRY.register(_load_outlets)
