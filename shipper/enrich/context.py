"""Fields bound to the running thread or task, and to what copies its context."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_BOUND: Final[ContextVar[Mapping[str, object]]] = ContextVar("shipper_context", default=_NOTHING)


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Bind `fields` to each event that is logged inside, on every road.

    Inner values win over outer ones, a call's own values win over both. The binding follows asyncio
    tasks by itself. A thread or executor starts empty; hand it the caller's binding with
    `contextvars.copy_context().run(function, ...)`.

    Dotted names are given as a mapping: `context(**{"http.request.id": "r-1"})`.
    """
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_fields() -> Mapping[str, object]:
    """Return what is bound here and now: structlog's own context variables, then ours."""
    ours = _BOUND.get()
    foreign = _structlog_fields()
    return {**foreign, **ours} if foreign else ours


def _structlog_fields() -> Mapping[str, object]:
    # Only if the application uses them: looking through all context variables costs time on each call.
    module = sys.modules.get("structlog.contextvars")
    if module is None or not getattr(module, "_CONTEXT_VARS", True):
        return _NOTHING
    found: dict[str, object] = module.get_contextvars()
    return found
