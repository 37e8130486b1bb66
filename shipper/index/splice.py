"""The usual way of a value into a bulk request: looked over, never taken apart.

A value in canonical form (see `document.py`) goes into the request as its own bytes, with `event.ingested` spliced
in. A strict JSON decoder passes over it, which makes objects of the few texts that decide anything and of nothing
else. Whatever is not exactly as shipper writes it goes the exact way, `read_document`, which is several times
dearer. So this module may refuse nothing, and may only take what the exact way takes, for the same index and
under the same id: the two are held against each other in `tests/property/test_splice_equal.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import orjson

from shipper.datasets import index_name
from shipper.index.document import ID_MAX_BYTES, Document, Limits, Refusal, unfit
from shipper.index.moment import rfc3339

_START: Final = b'{"@timestamp":"'
_MIDDLE: Final = b'Z","event":{"id":"'
_START_AT: Final = slice(0, 15)
_STAMP_AT: Final = slice(15, 42)
_MIDDLE_AT: Final = slice(41, 59)
_INSIDE_EVENT: Final = slice(53, None)
"""`ingested` goes before the first byte of this."""

_PLACES_MAX: Final = 1000
_Absent = Annotated[str, msgspec.Meta(min_length=1, max_length=0)]
"""Type of a field that must not be there: no value is of this type."""


class _Event(msgspec.Struct, gc=False):
    id: str
    dataset: str
    ingested: _Absent = ""


class _Log(msgspec.Struct, gc=False):
    level: str


class _DataStream(msgspec.Struct, gc=False):
    namespace: str


class _Look(msgspec.Struct, gc=False, kw_only=True):
    """What is looked at; it must all be there, nested and of these types."""

    timestamp: datetime = msgspec.field(name="@timestamp")
    event: _Event
    message: str
    log: _Log
    data_stream: _DataStream
    ingested: _Absent = msgspec.field(name="event.ingested", default="")


_look_over: Final = msgspec.json.Decoder(_Look).decode
_NOT_AS_USUAL: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Exact = Callable[[int], Document | Refusal]
"""Reads the value at a position of the batch the exact way."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """The body of one bulk request.

    Attributes:
        body: its bytes; empty where nothing is to be sent.
        positions: for each document in it, its value's position in the batch.
        refused: values that are no documents, by position.
    """

    body: bytes
    positions: Sequence[int]
    refused: Sequence[tuple[int, Refusal]]


class Splicer:
    """Makes bulk bodies of values; for one thread.

    Args:
        limits: how far event times may lie from now.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places: dict[tuple[bytes, str, str], bytes] = {}

    def splice(
        self,
        values: Sequence[bytes | None],
        span: range,
        exact: Exact,
        *,
        read_us: int,
        ingested_us: int,
    ) -> Parcel:
        """Return the request for the values at the positions `span` of a batch.

        Args:
            exact: asked for each value that is not as usual.
            read_us: event times may lie so far from this; microseconds since the epoch.
            ingested_us: what `event.ingested` will say.
        """
        ingested = rfc3339(ingested_us).encode()
        pieces, usual, others = self._pieces(values, span, read_us, ingested, ())
        body = b"".join(pieces)
        if not _is_sound(body, len(usual)):
            # A value with a raw line end, or with bytes that are no UTF-8: looked for one by one only now.
            odd = {position for position in span if _is_odd(values[position])}
            pieces, usual, others = self._pieces(values, span, read_us, ingested, odd)
            body = b"".join(pieces)
        return _with_others(body, usual, others, ingested, exact) if others else Parcel(body, usual, ())

    def _pieces(
        self, values: Sequence[Any], span: range, read_us: int, ingested: bytes, odd: Collection[int]
    ) -> tuple[list[bytes], Sequence[int], list[int]]:
        """Return pieces of a body, the positions of their values, and those of the values that are not as usual."""
        earliest, latest = (moment.encode() for moment in self._limits.around(read_us))
        event = b'","event":{"ingested":"' + ingested + b'",'
        places, look_over, quoted = self._places, _look_over, orjson.dumps
        pieces: list[bytes] = []
        others: list[int] = []
        add = pieces.append
        for position in span:
            value = values[position]
            if value is None or value[_START_AT] != _START or value[_MIDDLE_AT] != _MIDDLE or position in odd:
                others.append(position)
                continue
            try:
                seen = look_over(value)
            except _NOT_AS_USUAL:
                others.append(position)
                continue
            its = seen.event
            stamp = value[_STAMP_AT]
            line = places.get((stamp[:11], its.dataset, seen.data_stream.namespace))
            if line is None:
                line = self._new_place(stamp[:11], its.dataset, seen.data_stream.namespace)
            event_id = quoted(its.id)
            if not (line and earliest <= stamp <= latest and 2 < len(event_id) <= ID_MAX_BYTES):
                others.append(position)
                continue
            add(b'%b%b}}\n{"@timestamp":"%b%b' % (line, event_id, stamp, event))
            add(value[_INSIDE_EVENT])
            add(b"\n")
        taken = set(others)
        usual = [position for position in span if position not in taken] if taken else span
        return pieces, usual, others

    def _new_place(self, day: bytes, dataset: str, namespace: str) -> bytes:
        """Return how the action line of such documents begins; empty where they have to go the exact way."""
        try:
            moment = datetime.strptime(day.decode(), "%Y-%m-%dT").replace(tzinfo=UTC)
        except ValueError:
            return b""
        if unfit(dataset, namespace):
            return b""
        index = index_name(dataset, namespace, round(moment.timestamp()) * 1_000_000)
        if len(self._places) >= _PLACES_MAX:
            self._places.clear()
        line = b'{"create":{"_index":"' + index.encode() + b'","_id":'
        self._places[day, dataset, namespace] = line
        return line


def _with_others(
    body: bytes, usual: Sequence[int], others: Sequence[int], ingested: bytes, exact: Exact
) -> Parcel:
    """Return the request with those documents, too, whose values are not as usual."""
    pieces, positions = [body], list(usual)
    refused: list[tuple[int, Refusal]] = []
    for position in others:
        read = exact(position)
        if isinstance(read, Refusal):
            refused.append((position, read))
        else:
            pieces.extend(read.bulk_lines(ingested))
            positions.append(position)
    return Parcel(b"".join(pieces), positions, refused)


def _is_sound(body: bytes, count: int) -> bool:
    """Return whether a body has two lines for each document, and is text."""
    return body.count(b"\n") == 2 * count and b"\r" not in body and _is_text(body)


def _is_odd(value: bytes | None) -> bool:
    return value is None or b"\n" in value or b"\r" in value or not _is_text(value)


def _is_text(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
