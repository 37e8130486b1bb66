"""What is kept of a record of an erased person: its number, so that the books can say where it went."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from shipper.index.document import ID_MAX_BYTES, Document
from shipper.index.erasures import erasure_index
from shipper.index.moment import rfc3339

_ID_DIGITS: Final = 32
_SEQUENCE_DIGITS: Final = 18
_MESSAGE: Final = "A record was erased."
_NAMESPACE: Final = re.compile(r"[a-z0-9_]{1,100}")


def erased_document(value: bytes, header_id: str | None, namespace: str, now_us: int) -> Document:
    """Return the document that is stored in place of a record.

    Args:
        header_id: the header `event.id`, for a value that cannot be read.
        namespace: for records that do not name one.
    """
    event_id, own_namespace = _said(value)
    event_id = event_id or header_id or hashlib.sha256(value).hexdigest()[:_ID_DIGITS]
    content = erased_source(event_id, now_us)
    event = orjson.dumps(content.pop("event"))
    head = b'{"@timestamp":' + orjson.dumps(content.pop("@timestamp")) + b',"event":{'
    tail = event[1:] + b"," + orjson.dumps(content)[1:]
    return Document(event_id, "", erasure_index(own_namespace or namespace), head, tail)


def erased_source(event_id: str, now_us: int) -> dict[str, Any]:
    """Return the content of that document: nothing of the record but who made it and which number it had."""
    producer_id, _, digits = event_id.rpartition("-")
    event: dict[str, Any] = {"id": event_id, "kind": "state"}
    content: dict[str, Any] = {"@timestamp": rfc3339(now_us), "event": event, "message": _MESSAGE}
    if producer_id and digits.isdecimal() and len(digits) <= _SEQUENCE_DIGITS:
        event["sequence"] = int(digits)
        content["agent"] = {"ephemeral_id": producer_id}
    return content


def is_erased_document(document: Document) -> bool:
    """Return whether a document stands for an erased record."""
    return document.index.startswith(erasure_index(""))


def _said(value: bytes) -> tuple[str, str]:
    """Return the event id and the namespace that a value names, "" where it names none that can be used."""
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(parsed, dict):
        return "", ""
    event_id, namespace = _text(parsed, "event", "id"), _text(parsed, "data_stream", "namespace")
    return (
        event_id if len(event_id.encode()) <= ID_MAX_BYTES else "",
        namespace if _NAMESPACE.fullmatch(namespace) else "",
    )


def _text(parsed: Mapping[str, Any], outer: str, inner: str) -> str:
    """Return a field, written nested or with a dotted key; "" where it is no text."""
    group = parsed.get(outer)
    found = group.get(inner) if isinstance(group, dict) else None
    found = found if isinstance(found, str) else parsed.get(f"{outer}.{inner}")
    return found if isinstance(found, str) else ""
