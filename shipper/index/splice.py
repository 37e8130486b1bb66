"""The usual way of a value into a bulk request: looked over, never taken apart.

A value in canonical form (see `document.py`) goes into the request as its own bytes, with `event.ingested` spliced
in. A strict JSON decoder passes over it, which makes objects of the few texts that decide anything and of nothing
else. Whatever is not exactly as shipper writes it goes the exact way, `read_document`, which is several times
dearer. So this module may refuse nothing, and may only take what the exact way takes, for the same index and
under the same id: the two are held against each other in `tests/property/test_splice_equal.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
import orjson

from shipper.datasets import index_name
from shipper.index.document import ID_MAX_BYTES, Document, Limits, Refusal, unfit
from shipper.index.moment import rfc3339
from shipper.index.strict_json import may_be_deep

# In canonical form these stand at bytes 0 and 41 of a value, and the time stamp from 15 to 42.
_START: Final = b'{"@timestamp":"'
_MIDDLE: Final = b'Z","event":{"id":"'
_BEHIND_ID: Final = b'}}\n{"@timestamp":"'
_PLACES_MAX: Final = 1000
_TOGETHER: Final = 128
"""So many values are looked at together: what one step reads is still in the processor's own cache for the next."""
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
    type: Literal["logs"] = "logs"
    dataset: str = ""


class _Look(msgspec.Struct, gc=False, kw_only=True):
    """What is looked at; it must all be there, nested and of these types. What is `_Absent` must not."""

    timestamp: datetime = msgspec.field(name="@timestamp")
    event: _Event
    message: str
    log: _Log
    data_stream: _DataStream
    ingested: _Absent = msgspec.field(name="event.ingested", default="")
    id: _Absent = msgspec.field(name="event.id", default="")
    dataset: _Absent = msgspec.field(name="event.dataset", default="")
    stream_type: _Absent = msgspec.field(name="data_stream.type", default="")
    stream_dataset: _Absent = msgspec.field(name="data_stream.dataset", default="")
    stream_namespace: _Absent = msgspec.field(name="data_stream.namespace", default="")
    # The reserved names of the schema; a test holds this list against it.
    metadata: _Absent = msgspec.field(name="@metadata", default="")
    own_data_stream_timestamp: _Absent = msgspec.field(name="_data_stream_timestamp", default="")
    own_doc_count: _Absent = msgspec.field(name="_doc_count", default="")
    own_field_names: _Absent = msgspec.field(name="_field_names", default="")
    own_id: _Absent = msgspec.field(name="_id", default="")
    own_ignored: _Absent = msgspec.field(name="_ignored", default="")
    own_ignored_source: _Absent = msgspec.field(name="_ignored_source", default="")
    own_index: _Absent = msgspec.field(name="_index", default="")
    own_nested_path: _Absent = msgspec.field(name="_nested_path", default="")
    own_routing: _Absent = msgspec.field(name="_routing", default="")
    own_seq_no: _Absent = msgspec.field(name="_seq_no", default="")
    own_source: _Absent = msgspec.field(name="_source", default="")
    own_tier: _Absent = msgspec.field(name="_tier", default="")
    own_version: _Absent = msgspec.field(name="_version", default="")


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
        pieces, others = self._pieces(values, span, read_us, ingested)
        if not others:
            return Parcel(b"".join(pieces), span, ())
        taken = set(others)
        usual = [position for position in span if position not in taken]
        return _with_others(pieces, usual, others, ingested, exact)

    def _pieces(
        self, values: Sequence[bytes | None], span: range, read_us: int, ingested: bytes
    ) -> tuple[list[bytes], list[int]]:
        """Return pieces of a body, and the positions of the values that are not as usual."""
        times = tuple(moment.encode() for moment in self._limits.around(read_us))
        event = b'","event":{"ingested":"' + ingested + b'",'
        pieces: list[bytes] = []
        others: list[int] = []
        for start in range(span.start, span.stop, _TOGETHER):
            some = range(start, min(start + _TOGETHER, span.stop))
            self._add(pieces, others, values[start : some.stop], some, times, event)
        return pieces, others

    def _add(
        self,
        pieces: list[bytes],
        others: list[int],
        values: Sequence[bytes | None],
        span: range,
        times: Sequence[bytes],
        event: bytes,
    ) -> None:
        """Add the pieces of these values; the positions of those that are not as usual go to `others`."""
        (earliest, latest), places, look_over, quoted = times, self._places, _look_over, orjson.dumps
        max_bytes = self._limits.max_bytes
        plain, has_lists = _without_odd(values)
        for position, value in zip(span, plain, strict=True):
            if value is None or value[:15] != _START or value[41:59] != _MIDDLE:
                others.append(position)
                continue
            try:
                seen = look_over(value)
            except _NOT_AS_USUAL:
                others.append(position)
                continue
            its, stream = seen.event, seen.data_stream
            stamp = value[15:42]
            place = (stamp[:11], its.dataset, stream.namespace)
            line = places.get(place) or self._new_place(*place)
            event_id = quoted(its.id)
            if (
                stream.dataset not in ("", its.dataset)
                or len(value) > max_bytes
                or may_be_deep(value, has_lists=has_lists)
                or not (line and earliest <= stamp <= latest and 2 < len(event_id) <= ID_MAX_BYTES)
            ):
                others.append(position)
                continue
            # What is behind `"event":{` follows as it is.
            pieces += (line, event_id, _BEHIND_ID, stamp, event, value[53:], b"\n")

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
    pieces: list[bytes], usual: list[int], others: Sequence[int], ingested: bytes, exact: Exact
) -> Parcel:
    """Return the request with those documents, too, whose values are not as usual."""
    refused: list[tuple[int, Refusal]] = []
    for position in others:
        read = exact(position)
        if isinstance(read, Refusal):
            refused.append((position, read))
        else:
            pieces.extend(read.bulk_lines(ingested))
            usual.append(position)
    return Parcel(b"".join(pieces), usual, refused)


def _without_odd(values: Sequence[bytes | None]) -> tuple[Sequence[bytes | None], bool]:
    """Return the values with None for those that hold a raw line end, or bytes that are no UTF-8; and whether there is
    a list in any.

    The decoder takes a line end for white space, and does not look into the texts that it passes over.
    """
    # Nearly always there is none, and one look at all of them is much cheaper than one at each.
    together = b"".join([value for value in values if value is not None])
    has_lists = b"[" in together
    if _is_plain(together):
        return values, has_lists
    return [value if value is not None and _is_plain(value) else None for value in values], has_lists


def _is_plain(value: bytes) -> bool:
    if b"\n" in value or b"\r" in value:
        return False
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
