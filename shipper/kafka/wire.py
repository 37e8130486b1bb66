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
from functools import lru_cache
from itertools import accumulate, chain, repeat
from operator import add, itemgetter, mod
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
from shipper.kafka.varint import framed_size, known_varint, varint, varint_beyond
from shipper.record import RecordBatch, Row

_PAYLOAD: Final = itemgetter(4)
DAY_US: Final = 86_400_000_000
_LENGTH_OVERHEAD_BYTES: Final = 128
"""Room for the header of a batch that holds one record alone."""


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
        payload_bytes: of these records.
    """

    body: bytes
    places: Sequence[int]
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """When a block is full, and which record is too large for any.

    Attributes:
        max_records, max_bytes: of one block, in bytes of payload; a larger record has a block for itself.
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
    rows = batch.rows if places == range(len(batch.rows)) else [batch.rows[place] for place in places]
    encoder = _Encoder(batch.producer_id, namespace, limits.max_record_bytes)
    behind = list(accumulate(map(len, map(_PAYLOAD, rows))))
    start = 0
    while start < len(places):
        before = behind[start - 1] if start else 0
        fitting = bisect_right(behind, before + limits.max_bytes, start)
        stop = min(start + limits.max_records, max(fitting, start + 1))
        body, taken = encoder.block(rows[start:stop], places[start:stop], refused)
        if len(taken) == stop - start:
            yield Block(body, taken, behind[stop - 1] - before)
        elif taken:
            yield Block(body, taken, sum(len(batch.rows[place][4]) for place in taken))
        start = stop


@dataclass(frozen=True, slots=True)
class _Shape:
    """What records have in common as long as dataset and day stay, and the number of digits.

    Attributes:
        since_us, until_us: event times for which it holds.
        since, until: sequences for which it holds.
        headers: all of them, with a `%d` each for sequence and time.
        headers_bytes: their size when these are filled in.
    """

    dataset: str
    since_us: int
    until_us: int
    since: int
    until: int
    headers: bytes
    headers_bytes: int


_NO_SHAPE: Final = _Shape("", 0, 0, 0, 0, b"", 0)


_TOGETHER: Final = 128
"""So many records are joined together: what one step reads is still in the processor's own cache for the next."""


@lru_cache(maxsize=8)
def _starts(count: int) -> Sequence[bytes]:
    """Return attributes, timestamp delta and offset delta of a block's records, at least so many (a power of two)."""
    return [b"\0\0" + varint(number) for number in range(count)]


class _Encoder:
    """Joins records of one producer."""

    def __init__(self, producer_id: str, namespace: str, max_record_bytes: int) -> None:
        producer = producer_id.encode()
        self._key = varint(len(producer)) + producer
        self._prefix = producer + b"-"
        self._namespace = namespace
        self._shapes: dict[str, _Shape] = {}
        self._max_record_bytes = max_record_bytes - _LENGTH_OVERHEAD_BYTES

    def block(
        self, rows: Sequence[Row], places: Sequence[int], refused: dict[int, TransportError]
    ) -> tuple[bytes, list[int]]:
        """Return the bytes of these records, without those that cannot be sent, and the places of the others.

        Args:
            rows: one for each place.
        """
        starts = _starts(1 << len(rows).bit_length())
        parts: list[bytes] = []
        taken: list[int] = []
        for first in range(0, len(rows), _TOGETHER):
            some, theirs = rows[first : first + _TOGETHER], places[first : first + _TOGETHER]
            offsets = starts[len(taken) : len(taken) + len(some)]
            found = self._alike(some, offsets)
            if found is None:
                theirs = self._one_by_one(some, theirs, offsets, parts, refused)
            else:
                parts += found
            taken += theirs
        return b"".join(parts), taken

    def _alike(self, rows: Sequence[Row], offsets: Sequence[bytes]) -> Iterator[bytes] | None:
        """Return the parts of records of one day whose numbers have as many digits; None if they are others.

        Each step is one call for all records. What it gives is what `_one_by_one` gives; it refuses nothing.
        """
        sequences, times_us, _, datasets, payloads = zip(*rows, strict=True)
        formats = self._formats(sequences, times_us, set(datasets))
        if formats is None or len(offsets[0]) != len(offsets[-1]):
            return None
        headers = list(map(mod, map(formats.__getitem__, datasets), zip(sequences, times_us, strict=True)))
        sizes = list(map(len, payloads))
        # Without what all of them have: that is in `varint_beyond`.
        wholes = list(map(add, map(framed_size, sizes), map(len, headers)))
        fixed = len(self._key) + len(offsets[0])
        if fixed + max(wholes) > self._max_record_bytes:
            return None
        parts = zip(
            map(varint_beyond(fixed), wholes),
            offsets,
            repeat(self._key),
            map(known_varint, sizes),
            payloads,
            headers,
            strict=False,
        )
        return chain.from_iterable(parts)

    def _formats(
        self, sequences: Sequence[int], times_us: Sequence[int], datasets: set[str]
    ) -> dict[str, bytes] | None:
        """Return how headers are written, by dataset; None where that is not the same for all of these records."""
        earliest, latest, lowest, highest = min(times_us), max(times_us), min(sequences), max(sequences)
        found: dict[str, bytes] = {}
        for dataset in datasets:
            shape = self._shapes.get(dataset, _NO_SHAPE)
            if not (shape.since_us <= earliest < shape.until_us and shape.since <= lowest < shape.until):
                made = self._shape(dataset, lowest, earliest)
                if made is None:
                    return None
                shape = self._shapes[dataset] = made
            if latest >= shape.until_us or highest >= shape.until:
                return None
            found[dataset] = shape.headers
        return found

    def _one_by_one(
        self,
        rows: Sequence[Row],
        places: Sequence[int],
        offsets: Sequence[bytes],
        parts: list[bytes],
        refused: dict[int, TransportError],
    ) -> list[int]:
        """Add the parts of records of any shapes; return the places of those that can be sent."""
        shape, taken = _NO_SHAPE, list[int]()
        for place, (sequence, timestamp_us, _, dataset, payload) in zip(places, rows, strict=True):
            if (
                dataset != shape.dataset
                or not shape.since_us <= timestamp_us < shape.until_us
                or not shape.since <= sequence < shape.until
            ):
                found = self._shape(dataset, sequence, timestamp_us)
                if found is None:
                    refused[place] = no_calendar(timestamp_us)
                    continue
                shape = found
            offset, value = offsets[len(taken)], known_varint(len(payload))
            whole = len(offset) + len(self._key) + len(value) + len(payload) + shape.headers_bytes
            if whole > self._max_record_bytes:
                refused[place] = RecordTooLarge(
                    whole + _LENGTH_OVERHEAD_BYTES, self._max_record_bytes + _LENGTH_OVERHEAD_BYTES
                )
                continue
            headers = shape.headers % (sequence, timestamp_us)
            parts += (known_varint(whole), offset, self._key, value, payload, headers)
            taken.append(place)
        return taken

    def _shape(self, dataset: str, sequence: int, timestamp_us: int) -> _Shape | None:
        """Return the shape of a record; None if its event time belongs to no calendar."""
        index = index_of(dataset, self._namespace, timestamp_us)
        if index is None:
            return None
        number, time = b"%d" % sequence, b"%d" % timestamp_us
        start = _HEADERS + varint(len(self._prefix) + len(number)) + self._prefix
        middle = _header(DATASET, dataset.encode()) + _header(INDEX, index.encode()) + _named(TIMESTAMP)
        middle += varint(len(time))
        day_us = timestamp_us // DAY_US * DAY_US
        lowest, highest = _same_digits(timestamp_us)
        return _Shape(
            dataset,
            max(day_us, lowest),
            min(day_us + DAY_US, highest),
            *_same_digits(sequence),
            b"%d".join(part.replace(b"%", b"%%") for part in (start, middle, _TAIL)),
            len(start) + len(number) + len(middle) + len(time) + len(_TAIL),
        )


def _same_digits(number: int) -> tuple[int, int]:
    """Return the range of numbers around this one that are written with as many characters."""
    if number <= 0:
        return number, number + 1
    digits = len(str(number))
    return 10 ** (digits - 1), 10**digits
