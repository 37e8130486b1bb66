"""Records as Kafka stores them: the bytes of many, joined in one go from the spool's rows.

A record of a batch, format version 2 (KIP-98; `varint` is zigzag, as in protocol buffers)::

    varint length | int8 attributes = 0 | varint timestamp delta = 0 | varint offset delta
    | varint key length, key | varint value length, value | varint count of headers
    | each header: varint name length, name, varint value length, value

The records of a block differ in their value, their `event.id` and their `@timestamp`; all else is made once. The
timestamp delta is 0: Kafka's own timestamp is the time of sending, the same for the whole block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from shipper.errors import RecordTooLarge, TransportError
from shipper.kafka.headers import (
    DATASET,
    EVENT_ID,
    INDEX,
    SCHEMA,
    SCHEMA_VERSION,
    TIMESTAMP,
    index_of,
    no_calendar,
)
from shipper.record import RecordBatch, Row

DAY_US: Final = 86_400_000_000
_KNOWN_MAX: Final = 1 << 15
_LENGTH_OVERHEAD_BYTES: Final = 128
"""Room for the header of a batch that holds one record alone."""
_RECORD_BYTES: Final = 256
"""About what a record has besides its payload."""


def varint(number: int) -> bytes:
    """Return a number >= 0 as zigzag varint."""
    left = number << 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


class _Varints(dict[int, bytes]):
    """Varints that were asked for before; bounded."""

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _KNOWN_MAX:
            self.clear()
        found = self[number] = varint(number)
        return found


_VARINTS: Final = _Varints()


def _header(name: str, value: bytes) -> bytes:
    return _named(name) + varint(len(value)) + value


def _named(name: str) -> bytes:
    encoded = name.encode()
    return varint(len(encoded)) + encoded


_HEADERS: Final = varint(5) + _named(EVENT_ID)
_TAIL: Final = _header(SCHEMA, SCHEMA_VERSION)


@dataclass(frozen=True, slots=True)
class Block:
    """Records for one request.

    Attributes:
        body: what stands behind the header of a batch, not compressed.
        places: of the records in the batch that they come from, in order.
    """

    body: bytes
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """When a block is full, and which record is too large for any.

    Attributes:
        max_records, max_bytes: of one block; a record that is larger than that has one for itself.
        max_record_bytes: of one record: key, value and headers.
    """

    max_records: int
    max_bytes: int
    max_record_bytes: int


def blocks(
    batch: RecordBatch,
    places: Sequence[int],
    namespace: str,
    limits: BlockLimits,
    refused: dict[int, TransportError],
) -> Iterator[Block]:
    """Give the records at `places` of a batch in blocks; those that cannot be sent go to `refused` by their place."""
    rows = batch.rows
    encoder = _Encoder(batch.producer_id, namespace, limits.max_record_bytes)
    behind = list(accumulate(len(rows[place][4]) + _RECORD_BYTES for place in places))
    start = 0
    while start < len(places):
        before = behind[start - 1] if start else 0
        fitting = bisect_right(behind, before + limits.max_bytes, start)
        stop = min(start + limits.max_records, max(fitting, start + 1))
        block = encoder.block(rows, places[start:stop], refused)
        if block.places:
            yield block
        start = stop


class _Encoder:
    """Joins records of one producer."""

    def __init__(self, producer_id: str, namespace: str, max_record_bytes: int) -> None:
        producer = producer_id.encode()
        self._key = varint(len(producer)) + producer
        self._prefix = producer + b"-"
        self._namespace = namespace
        self._max_record_bytes = max_record_bytes - _LENGTH_OVERHEAD_BYTES

    def block(self, rows: Sequence[Row], places: Sequence[int], refused: dict[int, TransportError]) -> Block:
        """Return the block of these records, without those that cannot be sent."""
        key, prefix, known, limit = self._key, self._prefix, _VARINTS, self._max_record_bytes
        fixed = 2 + len(key) + len(_HEADERS) + len(prefix) + len(_TAIL)
        since, until, seen, middle = 0, 0, "", b""
        parts: list[bytes] = []
        taken: list[int] = []
        for place in places:
            sequence, timestamp_us, _, dataset, payload = rows[place]
            if not since <= timestamp_us < until or dataset != seen:
                middle = self._middle(dataset, timestamp_us)
                if not middle:
                    refused[place] = no_calendar(timestamp_us)
                    until = 0
                    continue
                since, seen = timestamp_us // DAY_US * DAY_US, dataset
                until = since + DAY_US
            number, time, length = b"%d" % sequence, b"%d" % timestamp_us, len(payload)
            offset, value_length = known[len(taken)], known[length]
            id_length, time_length = known[len(prefix) + len(number)], known[len(time)]
            whole = fixed + len(offset) + len(value_length) + length + len(id_length) + len(number)
            whole += len(middle) + len(time_length) + len(time)
            if whole > limit:
                refused[place] = RecordTooLarge(
                    whole + _LENGTH_OVERHEAD_BYTES, limit + _LENGTH_OVERHEAD_BYTES
                )
                continue
            parts += (
                known[whole], b"\0\0", offset, key, value_length, payload, _HEADERS, id_length, prefix, number,
                middle, time_length, time, _TAIL,
            )  # fmt: skip
            taken.append(place)
        return Block(b"".join(parts), taken)

    def _middle(self, dataset: str, timestamp_us: int) -> bytes:
        """Return the headers between id and time, and the latter's name; empty for a time of no calendar."""
        index = index_of(dataset, self._namespace, timestamp_us)
        if index is None:
            return b""
        return _header(DATASET, dataset.encode()) + _header(INDEX, index.encode()) + _named(TIMESTAMP)
