"""Records as kafka-python's consumer hands them out, without what nobody asked for.

The client's own way makes a record, its headers and a second record of it, some thirty objects in all. Here a record is
its offset and its value; key and headers are read when somebody wants them. Everything before and behind that is the
client's: fetching, checksums, decompression, control batches, positions. What is relied upon of its inside is listed by
`fits`, which a test asks; where a version of it has others, records are made in its own way, slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint
from kafka.structs import TopicPartition

from shipper.kafka.varint import varint

_MAGIC: Final = 2
_INSIDE: Final = (
    "_maybe_uncompress",
    "_buffer",
    "_pos",
    "_num_records",
    "base_offset",
    "is_control_batch",
    "validate_crc",
    "leader_epoch",
    "next_offset",
)


class LeanRecord(NamedTuple):
    """One record.

    Attributes:
        page: what it stands in.
        start: where it begins there.
    """

    offset: int
    value: bytes | None
    page: Page
    start: int

    @property
    def topic(self) -> str:
        """Its topic."""
        return self.page.topic

    @property
    def partition(self) -> int:
        """Its partition."""
        return self.page.partition

    @property
    def key(self) -> bytes | None:
        """Its key."""
        return _bytes_at(self.page.data, self._key_at())[0]

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """Its headers; none where they cannot be read: the record goes on by what its value says."""
        data = self.page.data
        found: list[tuple[str, bytes | None]] = []
        with suppress(ValueError, IndexError):
            _, at = _bytes_at(data, self._key_at())
            _, at = _bytes_at(data, at)
            count, at = decode_varint(data, at)
            for _ in range(count):
                name, at = _bytes_at(data, at)
                value, at = _bytes_at(data, at)
                found.append(((name or b"").decode(), value))
            return found
        return []

    def _key_at(self) -> int:
        data = self.page.data
        _, at = decode_varint(data, self.start)
        _, at = decode_varint(data, at + 1)
        _, at = decode_varint(data, at)
        return int(at)


class Page(NamedTuple):
    """Records that were stored together: decompressed, as Kafka keeps them."""

    topic: str
    partition: int
    data: bytes


def read_page(page: Page, count: int, base_offset: int) -> list[LeanRecord]:
    """Return the records of a page.

    Raises:
        CorruptRecordError: it does not hold so many whole ones, and nothing else.
    """
    try:
        found, end = _records(page, count, base_offset)
    except (IndexError, ValueError) as error:
        raise CorruptRecordError(f"a record is cut: {error!r}") from error
    if end != len(page.data):
        raise CorruptRecordError(f"{len(page.data) - end} bytes behind the last record")
    return found


def _records(page: Page, count: int, base_offset: int) -> tuple[list[LeanRecord], int]:
    """Return the records, and where they end. Numbers of one byte, or two, are read on the spot: nearly all are."""
    data, size, at = page.data, len(page.data), 0
    new, found = LeanRecord._make, list[LeanRecord]()
    for _ in range(count):
        start = at
        if data[at] < 0x80 or data[at] & 1 or data[at + 1] >= 0x80:
            length, at = decode_varint(data, at)
        else:
            length, at = (data[at] & 0x7F | data[at + 1] << 7) >> 1, at + 2
        end = at + length
        if length <= 0 or end > size:
            raise ValueError(f"length {length} at byte {start} of {size}")
        at += 2 if data[at + 1] < 0x80 else decode_varint(data, at + 1)[1] - at
        delta, at = (data[at] >> 1, at + 1) if not data[at] & 0x81 else decode_varint(data, at)
        number, at = (data[at] >> 1, at + 1) if not data[at] & 0x81 else decode_varint(data, at)
        if number > 0:
            at += number
        if data[at] < 0x80 or data[at] & 1 or data[at + 1] >= 0x80:
            number, at = decode_varint(data, at)
        else:
            number, at = (data[at] & 0x7F | data[at + 1] << 7) >> 1, at + 2
        behind = at + number if number > 0 else at
        if behind >= end:
            raise ValueError(f"a value of {number} bytes in a record of {length}")
        found.append(new((base_offset + delta, data[at:behind] if number >= 0 else None, page, start)))
        at = end
    return found, at


def _bytes_at(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise ValueError("cut")
    return data[at : at + length], at + length


_Client: Final[Any] = getattr(Fetcher, "PartitionRecords", object)


class LeanPartitionRecords(_Client):  # type: ignore[misc]  # the client is not annotated
    """What the client's fetcher makes of an answer, with lean records. For readers of what is not committed, too."""

    def _unpack_records(self, tp: TopicPartition, records: Any, *_deserializers: Any) -> Iterator[Any]:
        batch = records.next_batch()
        while batch is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(
                    f"the batch at {tp.topic}/{tp.partition}@{batch.base_offset} is damaged"
                )
            following = None
            if batch.magic == _MAGIC:
                self.leader_epoch, following = batch.leader_epoch, batch.next_offset
            if following is None or not batch.is_control_batch:
                for record in self._of_batch(tp, batch):
                    self.records_read += 1
                    self.next_fetch_offset = record.offset + 1
                    yield record
            # Where the last ones were removed by compaction, they count as read.
            self.next_fetch_offset = following or self.next_fetch_offset
            batch = records.next_batch()
        self.drain()

    @staticmethod
    def _of_batch(tp: TopicPartition, batch: Any) -> list[LeanRecord]:
        if batch.magic == _MAGIC:
            batch._maybe_uncompress()  # noqa: SLF001  # see the module
            page = Page(tp.topic, tp.partition, bytes(memoryview(batch._buffer)[batch._pos :]))  # noqa: SLF001
            return read_page(page, batch._num_records, batch.base_offset)  # noqa: SLF001
        # Formats of brokers before 0.11: no headers.
        return [_old(tp, record) for record in batch]


def _old(tp: TopicPartition, record: Any) -> LeanRecord:
    parts = [b"\x01" if part is None else varint(len(part)) + part for part in (record.key, record.value)]
    body = b"".join((b"\0\0\0", *parts, b"\0"))
    return LeanRecord(record.offset, record.value, Page(tp.topic, tp.partition, varint(len(body)) + body), 0)


def fits(client: Any) -> bool:
    """Return whether a consumer of the client has inside what `use` needs."""
    return (
        getattr(getattr(client, "_fetcher", None), "PartitionRecords", None) is _Client
        and hasattr(_Client, "_unpack_records")
        and all(hasattr(DefaultRecordBatch, name) for name in _INSIDE)
        and client.config.get("isolation_level") == "read_uncommitted"
    )


def use(client: Any) -> None:
    """Let a consumer of the client hand out lean records, where it fits."""
    if fits(client):
        client._fetcher.PartitionRecords = LeanPartitionRecords  # noqa: SLF001  # see the module
