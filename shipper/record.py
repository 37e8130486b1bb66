"""What stages hand to each other once an event is encoded: an immutable record with an id."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import overload

PRODUCER_ID_LENGTH = 20
"""Characters of a producer id: 80 random bits in hexadecimal."""


def new_producer_id() -> str:
    """Return a fresh producer id: one life of one process (ECS `agent.ephemeral_id`)."""
    return secrets.token_hex(PRODUCER_ID_LENGTH // 2)


def event_id(producer_id: str, sequence: int) -> str:
    """Return the id that is made once, at append, and is the Kafka header and the Elasticsearch `_id`."""
    return f"{producer_id}-{sequence}"


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded event.

    Attributes:
        producer_id: who made it; with `sequence` the identity of the record.
        sequence: 1, 2, 3 ... per producer, without unexplained gaps.
        timestamp_us: when it happened, microseconds since the epoch, UTC.
        level: numeric level of the standard library (10 debug ... 50 critical).
        dataset: ECS `event.dataset`, for example `ml.inference`.
        payload: the ECS document, one line of UTF-8 JSON without the line's end.
    """

    producer_id: str
    sequence: int
    timestamp_us: int
    level: int
    dataset: str
    payload: bytes

    @property
    def event_id(self) -> str:
        """The id under which the record is found, everywhere."""
        return event_id(self.producer_id, self.sequence)


Row = tuple[int, int, int, str, bytes]
"""A record of a known producer: sequence, timestamp_us, level, dataset, payload."""


class RecordBatch(Sequence[Record]):
    """Records of one producer, as rows: who sends a hundred thousand in a second makes no object for each.

    Attributes:
        producer_id: who made them all.
        rows: one per record; do not change them.
    """

    __slots__ = ("producer_id", "rows")

    def __init__(self, producer_id: str, rows: list[Row]) -> None:
        self.producer_id = producer_id
        self.rows = rows

    @classmethod
    def of(cls, records: Iterable[Record]) -> list[RecordBatch]:
        """Return records as batches, in the same order."""
        return [
            cls(producer_id, [(r.sequence, r.timestamp_us, r.level, r.dataset, r.payload) for r in group])
            for producer_id, group in groupby(records, lambda record: record.producer_id)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordBatch: ...
    def __getitem__(self, index: int | slice) -> Record | RecordBatch:
        if isinstance(index, slice):
            return RecordBatch(self.producer_id, self.rows[index])
        return Record(self.producer_id, *self.rows[index])
