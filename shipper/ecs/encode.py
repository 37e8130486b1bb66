"""Event to bytes, in the canonical form that the spool's stamp and the indexer's splice rely on.

::

    {"@timestamp":"2026-11-21T10:11:12.123456Z","event":{   ← prefix
    "id":"<producer>-<sequence>","sequence":<sequence>,      ← stamp, made under the spool's lock
    "dataset":"ml.app"},"message":...}                       ← suffix
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from shipper.datasets import DATASETS, DEFAULT_DATASET
from shipper.ecs.constants import Constants
from shipper.ecs.document import RESERVED, Document, Tree
from shipper.ecs.event import LEVELS, Event, level_name
from shipper.ecs.exceptions import error_fields, error_fields_from_text
from shipper.ecs.limits import Limits, cut_middle
from shipper.ecs.redaction import Redaction
from shipper.ecs.timestamps import LAST_US, iso_timestamp, parse_timestamp
from shipper.ecs.values import JsonValue, is_mapping, pairs, text, type_name
from shipper.record import event_id

STAMP_MAX_BYTES: Final = 128
_STANDARD_LEVELS: Final = frozenset(LEVELS.values())
DIFFERS_US: Final = 1_000_000
_HIGHEST_LEVEL: Final = 100
_MOST_FIELDS: Final = 1024


class Encoded(NamedTuple):
    """An encoded event: its document is `prefix + stamp + suffix`."""

    prefix: bytes
    suffix: bytes
    timestamp_us: int
    level: int
    dataset: str


def stamp(producer_id: str, sequence: int) -> bytes:
    """Return the part of a document that is known only once its sequence is."""
    return b'"id":"%b","sequence":%d,' % (event_id(producer_id, sequence).encode(), sequence)


def stamp_template(producer_id: str) -> bytes:
    """Return `stamp` of a producer with `%d` in both places of the sequence, as the spool takes it."""
    return b'"id":"%b-%%d","sequence":%%d,' % producer_id.encode()


class Encoder:
    """Encodes events of one producer. Total: whatever an event holds, a valid document comes out.

    Args:
        constants: facts that each document carries.
        limits: caps on what callers give.
        redaction: takes secrets and personal data out; None: nothing is taken out.
    """

    __slots__ = ("constants", "limits", "redaction")

    def __init__(self, constants: Constants, limits: Limits, redaction: Redaction | None = None) -> None:
        self.constants = constants
        self.limits = limits
        self.redaction = redaction

    def encode(self, event: Event, now_us: int) -> Encoded:
        """Return the encoded event; `now_us` is when shipper took it, microseconds since the epoch."""
        limits = self.limits
        try:
            for _ in range(5):
                encoded = self._encode(event, now_us, limits)
                if len(encoded.prefix) + len(encoded.suffix) + STAMP_MAX_BYTES <= limits.record_bytes:
                    return encoded
                limits = limits.tightened()
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not lose the record
            return self._encode(_remnant(event, type_name(error)), now_us, self.limits)
        return self._encode(_remnant(event, "document too large"), now_us, limits)

    def document(self, event: Event) -> dict[str, Any]:
        """Return the document of an event as a reader would parse it; taken at the epoch, with sequence 0."""
        encoded = self.encode(event, 0)
        found: dict[str, Any] = orjson.loads(encoded.prefix + stamp("", 0) + encoded.suffix)
        return found

    def _encode(self, event: Event, now_us: int, limits: Limits) -> Encoded:
        document = Document(limits)
        fields = event.fields
        moment, consumed = _event_time(event, now_us)
        dataset = dataset_of(fields)
        own: Tree = {"dataset": dataset}
        if consumed is not None and abs(now_us - moment) >= DIFFERS_US:
            own["created"] = iso_timestamp(now_us)
        if event.level not in _STANDARD_LEVELS:
            own["severity"] = event.level
        document.roots["event"] = own
        document.roots["message"] = text(event.message, limits.text)
        _place_call(document.roots, event, self.constants.identity, limits, self.redaction)
        document.place(_without_own(document, fields, event, consumed))
        roots = document.finish()
        if self.redaction is not None:
            self.redaction.apply(roots)
        constant = self.constants.complete(roots, dataset)
        return _join(roots, constant, moment, min(event.level, _HIGHEST_LEVEL), dataset)


def _event_time(event: Event, now_us: int) -> tuple[int, str | None]:
    """Return the event's time and the name of the caller's key that gave it."""
    for key in ("@timestamp", "timestamp"):
        if key in event.fields:
            given = parse_timestamp(event.fields[key])
            if given is not None:
                return given, key
    own = event.created_us
    return (own if own is not None and 0 <= own < LAST_US else min(max(now_us, 0), LAST_US - 1)), None


def dataset_of(fields: Mapping[object, object]) -> str:
    """Return the dataset that an event's fields choose; the default one where they name none that exists."""
    group = fields.get("event")
    nested = group.get("dataset") if type(group) is dict else None
    for given in (fields.get("event.dataset"), nested, fields.get("dataset")):
        if type(given) is str and given in DATASETS:
            return given
    return DEFAULT_DATASET


def _place_call(
    roots: Tree, event: Event, identity: Mapping[str, Tree], limits: Limits, redaction: Redaction | None
) -> None:
    """Place what the call itself states; no caller's key can take these places."""
    log: Tree = {"level": level_name(event.level), "logger": text(event.logger, limits.keyword)}
    if event.origin is not None:
        file, line, function = event.origin
        log["origin"] = {"file": {"name": file, "line": line}, "function": function}
    roots["log"] = log
    process: Tree = dict(identity.get("process", {}))
    if event.thread is not None:
        number, name = event.thread
        thread: Tree = {"name": text(name, limits.keyword)}
        if number is not None:
            thread["id"] = number
        process["thread"] = thread
    roots["process"] = process
    error: Tree = {}
    if event.error is not None:
        error.update(error_fields(event.error, limits, redaction))
    elif event.error_text:
        error.update(error_fields_from_text(event.error_text, limits, redaction))
    if event.stack:
        shown = "\n\n".join(str(part) for part in (error.get("stack_trace"), event.stack) if part)
        error["stack_trace"] = cut_middle(shown, limits.stack_trace)
    if error:
        roots["error"] = error


def _without_own(
    document: Document, fields: Mapping[object, object], event: Event, consumed: str | None
) -> Mapping[object, object]:
    """Take out what the call or shipper states itself; what says something else becomes a label."""
    if fields.keys().isdisjoint(SPECIAL):
        return fields
    stated = {
        "dataset": document.roots["event"]["dataset"],  # type: ignore[index, call-overload]
        "level": level_name(event.level),
        "logger": event.logger,
    }
    rest: dict[object, object] = {}
    for key, value in fields.items():
        if type(key) is str and key == consumed:
            continue
        if type(key) is str and (key in stated or key in RESERVED or key == "@timestamp"):
            if key not in stated or type(value) is not str or value != stated[key]:
                document.label(key, value)
        elif type(key) is str and key in _HOLDS_RESERVED and is_mapping(value):
            rest[key] = _without_reserved(document, key, value)  # type: ignore[arg-type]
        else:
            rest[key] = value
    return rest


_HOLDS_RESERVED: Final = frozenset(name.partition(".")[0] for name in RESERVED)
SPECIAL: Final = RESERVED | _HOLDS_RESERVED | {"dataset", "level", "logger", "@timestamp", "timestamp"}
"""Names that the call or shipper states itself, or that hold such names."""


def _without_reserved(document: Document, group: str, given: Mapping[object, object]) -> dict[object, object]:
    rest: dict[object, object] = {}
    for key, value in pairs(given, _MOST_FIELDS):
        if f"{group}.{key}" in RESERVED:
            document.label(f"{group}.{key}", value)
        else:
            rest[key] = value
    return rest


def _join(roots: Tree, constant: bytes, moment: int, level: int, dataset: str) -> Encoded:
    own = roots.pop("event")
    prefix = b'{"@timestamp":"%b","event":{' % iso_timestamp(moment).encode()
    suffix = b"%b,%b%b}" % (_dump(own)[1:], _dump(roots)[1:-1], constant)
    return Encoded(prefix, suffix, moment, level, dataset)


def _dump(value: JsonValue) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # lone surrogates: the only thing left that JSON cannot say
        return orjson.dumps(_encodable(value))


def _encodable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_encodable(part) for part in value]
    if isinstance(value, dict):
        return {str(_encodable(name)): _encodable(part) for name, part in value.items()}
    return value


def _remnant(event: Event, reason: str) -> Event:
    """Return what can always be encoded of an event, and why the rest is missing."""
    return Event(
        level=event.level,
        message=text(event.message, 1024),
        logger=event.logger,
        fields={"shipper.incomplete": reason},
        created_us=event.created_us,
        origin=event.origin,
        thread=event.thread,
    )
