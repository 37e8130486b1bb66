"""From the value of a Kafka record to a document that may be stored, or the reason why not.

A value that shipper made has the canonical form

    {"@timestamp":"2026-11-21T10:11:12.123456Z","event":{"id":"...

and is stored byte for byte as it was emitted, with `event.ingested` spliced in behind `"event":{`. It
is parsed to be checked, never to be written again. Other writers' values are put into that form first.

This is the exact way, which decides; `splice.py` is the short one that nearly all values go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from shipper.dataset_table import RESERVED
from shipper.datasets import DATASETS, REQUIRED_FIELDS, index_name
from shipper.index.moment import rfc3339
from shipper.index.strict_json import NESTING_MAX, FieldTwice, dumps, is_too_deep, may_be_deep, mutable
from shipper.index.strict_json import parsed as read_json

_CANONICAL: Final = re.compile(
    rb'\{"@timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","event":\{(?="id":")'
)
_ID_AT_THE_HEAD: Final = re.compile(rb'\{"@timestamp":"[0-9T:.Z-]{27}","event":\{"id":"([!#-\[\]-~]{1,512})"')
_TIMESTAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)"
)
_NAMESPACE: Final = re.compile(r"[a-z0-9_]{1,100}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ID_MAX_BYTES: Final = 512
"""Elasticsearch refuses a whole request for one id that is longer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken: how far from now an event's own time may lie (seconds), how large a value may be (bytes)."""

    past_s: float = 90 * 86_400.0
    future_s: float = 3600.0
    max_bytes: int = 1 << 28

    def around(self, now_us: int) -> tuple[str, str]:
        """Return the earliest and the latest time that are accepted at a moment (microseconds), as RFC 3339."""
        return rfc3339(now_us - round(self.past_s * 1e6)), rfc3339(now_us + round(self.future_s * 1e6))


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be stored.

    Attributes:
        event_id: its `_id`.
        head, tail: its JSON, cut where `"ingested":"...",` belongs.
    """

    event_id: str
    dataset: str
    index: str
    head: bytes
    tail: bytes

    @property
    def size_bytes(self) -> int:
        """Size of its two lines in a bulk request, at most."""
        return len(self.head) + len(self.tail) + len(self.index) + len(self.event_id) + 100

    def bulk_lines(self, ingested: bytes) -> tuple[bytes, ...]:
        """Return the pieces of its two lines; `ingested` is the time of sending as RFC 3339 text."""
        return (
            b'{"create":{"_index":"',
            self.index.encode(),
            b'","_id":',
            orjson.dumps(self.event_id),
            b"}}\n",
            self.head,
            b'"ingested":"',
            ingested,
            b'",',
            self.tail,
            b"\n",
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value is no document: `reason` is too_large, json, schema, dataset, id, clock or mapping; the ids as
    far as known."""

    reason: str
    detail: str
    event_id: str = ""
    dataset: str = ""
    index: str = ""


def read_document(
    value: bytes | None, *, header_id: str | None, namespace: str, now_us: int, limits: Limits
) -> Document | Refusal:
    """Check the value of a Kafka record and prepare it for storing.

    Nothing but the document itself decides where it goes and under which id: a header may be forged or
    stale, and two headers for one document would store it twice.

    Args:
        header_id: the header `event.id` where the record has one; names a value that cannot be read.
        namespace: for documents that do not name one.
        now_us: microseconds since the epoch.
    """
    size_bytes = len(value or b"")
    if size_bytes > limits.max_bytes:
        detail = f"{size_bytes} bytes, {limits.max_bytes} are allowed"
        return Refusal("too_large", detail, _id_at_the_head(value) or header_id or "")
    try:
        parsed = read_json(value or b"")
    except orjson.JSONDecodeError as error:
        return Refusal("json", f"not valid JSON: {error}", _id_at_the_head(value) or header_id or "")
    if not isinstance(parsed, dict):
        return Refusal("json", "not a JSON object", header_id or "")
    if may_be_deep(value or b"") and is_too_deep(parsed):
        detail = f"nested deeper than {NESTING_MAX} levels"
        return Refusal("json", detail, _id_at_the_head(value) or header_id or "")
    event_id = _text(parsed, "event.id") or header_id or ""
    dataset = _text(parsed, "event.dataset") or ""
    index = ""
    try:
        index = _place(parsed, namespace, now_us, limits)
        head, tail = _cut(value or b"", parsed)
    except _Refused as refused:
        return Refusal(refused.reason, refused.detail, event_id, dataset, refused.index or index)
    return Document(event_id, dataset, index, head, tail)


def _id_at_the_head(value: bytes | None) -> str:
    """Return the id with which shipper begins a value; "" where it begins otherwise. The rest may be broken."""
    match = _ID_AT_THE_HEAD.match(value or b"")
    return "" if match is None else match[1].decode()


class _Refused(Exception):
    """Carries a refusal out of the checks; never leaves this module."""

    def __init__(self, reason: str, detail: str, index: str = "") -> None:
        super().__init__(reason, detail, index)
        self.reason = reason
        self.detail = detail
        self.index = index


def _place(parsed: Mapping[str, object], namespace: str, now_us: int, limits: Limits) -> str:
    """Return the index of a document after all checks."""
    missing = [name for name in REQUIRED_FIELDS if _value(parsed, name) is None]
    if missing:
        raise _Refused("schema", f"required fields are missing: {', '.join(missing)}")
    if reserved := [name for name in RESERVED if name in parsed]:
        raise _Refused("schema", f"reserved fields are there: {', '.join(reserved)}")
    event_id = _text(parsed, "event.id")
    if not event_id or len(event_id.encode()) > ID_MAX_BYTES:
        raise _Refused("id", f"event.id must be a text of 1 to {ID_MAX_BYTES} bytes")
    dataset = _text(parsed, "event.dataset") or ""
    if (named := _value(parsed, "data_stream.namespace")) is not None:
        namespace = named if isinstance(named, str) else ""
    if problem := unfit(dataset, namespace) or _contradicted(parsed, dataset, namespace):
        raise _Refused(*problem)
    timestamp_us = _timestamp_us(parsed)
    index = index_name(dataset, namespace, timestamp_us)
    ahead_s = (timestamp_us - now_us) / 1e6
    if ahead_s > limits.future_s:
        raise _Refused("clock", f"@timestamp lies {ahead_s:.0f} s ahead of the indexer's clock", index)
    if -ahead_s > limits.past_s:
        raise _Refused("clock", f"@timestamp lies {-ahead_s / 86_400:.1f} days in the past", index)
    return index


def unfit(dataset: str, namespace: str) -> tuple[str, str] | None:
    """Return why no index of ours has these in its name, as reason and sentence; None where one has."""
    if dataset not in DATASETS:
        # No template of ours would match its index: Elasticsearch would guess a mapping without a cap.
        return "dataset", f"the dataset {dataset!r} is not declared; see `shipper schema show`"
    if not _NAMESPACE.fullmatch(namespace):
        return "schema", f"data_stream.namespace {namespace!r} does not fit an index name"
    return None


def _contradicted(parsed: Mapping[str, object], dataset: str, namespace: str) -> tuple[str, str] | None:
    """Return why a field names another place than the one where the document goes; None if none does.

    Elasticsearch takes a field that is there nested and with a dotted key, or in a list of objects, for one with
    several values: then the document would be found under each of them.
    """
    if not isinstance(parsed.get("data_stream"), (dict, type(None))):
        return "schema", "data_stream is not an object"
    wanted = {"event.dataset": dataset, "data_stream.dataset": dataset, "data_stream.namespace": namespace}
    for name, place in (*wanted.items(), ("data_stream.type", "logs")):
        if _nested(parsed, name) not in (None, place) or parsed.get(name) not in (None, place):
            return "schema", f"{name} is not {place}"
    return None


def _timestamp_us(parsed: Mapping[str, object]) -> int:
    text = _text(parsed, "@timestamp")
    if text is None or not _TIMESTAMP.fullmatch(text):
        raise _Refused("schema", "@timestamp is not RFC 3339 with a zone")
    try:
        # In UTC it may lie before the first year, or behind the last.
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _Refused("schema", f"@timestamp is no date: {error}") from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _cut(value: bytes, parsed: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Return the document's JSON in two pieces, cut where `event.ingested` belongs."""
    event = parsed.get("event", {})
    if not isinstance(event, dict):
        raise _Refused("schema", "event is not an object")
    canonical = _CANONICAL.match(value)
    # A raw line's end is only white space in JSON, but it would end the line of the bulk request.
    is_odd = "ingested" in event or "event.ingested" in parsed or "event.id" in parsed
    if canonical and not is_odd and b"\n" not in value and b"\r" not in value:
        return value[: canonical.end()], value[canonical.end() :]
    return _rebuilt(value)


def _rebuilt(value: bytes) -> tuple[bytes, bytes]:
    """Write a value anew in canonical order. The standard library keeps integers of any length."""
    try:
        rest = mutable(value)
        event = {"id": rest.pop("event.id", None)} | rest.pop("event", {})
        event.pop("ingested", None)
        rest.pop("event.ingested", None)
        head = b'{"@timestamp":' + dumps(rest.pop("@timestamp")) + b',"event":{'
        tail = dumps(event)[1:] + (b"," + dumps(rest)[1:] if rest else b"}")
    except FieldTwice as error:
        raise _Refused("mapping", f"the field {error.args[0]!r} is there twice") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise _Refused("json", f"cannot be written anew: {error}") from None
    return head, tail


def _value(parsed: Mapping[str, object], name: str) -> object:
    """Return a field, written nested or (as other ECS libraries write some of them) with a dotted key."""
    value = _nested(parsed, name)
    return parsed.get(name) if value is None else value


def _nested(parsed: Mapping[str, object], name: str) -> object:
    value: object = parsed
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(parsed: Mapping[str, object], name: str) -> str | None:
    value = _value(parsed, name)
    return value if isinstance(value, str) else None
