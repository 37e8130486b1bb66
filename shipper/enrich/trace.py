"""Trace and span of the moment: from OpenTelemetry where the application uses it, or from a W3C header."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_MODULE: Final = "opentelemetry.trace"
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class _Memory(threading.local):
    """The last span of a thread and its fields."""

    span: object = None
    fields: Mapping[str, object] = _NOTHING


_MEMORY: Final = _Memory()


def trace_fields() -> Mapping[str, object]:
    """Return `trace.id` and `span.id` of OpenTelemetry's current span; empty without one.

    OpenTelemetry is never imported here: an application that has not loaded it has no span. While the span is the
    same, a thread gets the very same mapping again. Whatever OpenTelemetry raises means no span.
    """
    module: Any = sys.modules.get(_MODULE)
    if module is None:
        return _NOTHING
    try:
        span = module.get_current_span()
        if span is module.INVALID_SPAN:
            return _NOTHING
        if span is _MEMORY.span:
            return _MEMORY.fields
        found = span.get_span_context()
        is_valid = bool(found.is_valid)
        fields: Mapping[str, object] = _NOTHING
        if is_valid:
            fields = MappingProxyType(
                {"trace.id": f"{found.trace_id:032x}", "span.id": f"{found.span_id:016x}"}
            )
    except Exception:  # noqa: BLE001 - half-imported, or replaced by something else
        return _NOTHING
    _MEMORY.span, _MEMORY.fields = span, fields
    return fields


def parse_traceparent(header: str) -> Mapping[str, str]:
    """Return `trace.id` and `span.id` from a W3C `traceparent` header; empty where it is not well formed.

    Source: W3C Trace Context, section 3.2; also what later versions append is accepted.
    """
    match = _TRACEPARENT.fullmatch(header.strip()) if isinstance(header, str) else None
    if match is None or match[1] == "ff" or (match[1] == "00" and match[4]):
        return {}
    if not int(match[2], 16) or not int(match[3], 16):
        return {}
    return {"trace.id": match[2], "span.id": match[3]}
