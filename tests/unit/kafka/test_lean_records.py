"""Records of kafka-python without what nobody asked for: the same as the client's own, on whole and on damaged bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.kafka.lean_records import LeanPartitionRecords, LeanRecord, Page, fits, read_page

# isort: split
from kafka import KafkaConsumer, TopicPartition  # after shipper.kafka, which silences its warnings
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

WHERE = TopicPartition("t", 3)
BYTES = st.one_of(
    st.none(), st.binary(max_size=70), st.sampled_from([b"", bytes(64), bytes(8191), bytes(8192)])
)
RECORDS = st.lists(
    st.tuples(
        st.integers(1_790_000_000_000, 1_790_000_200_000),
        BYTES,
        BYTES,
        st.lists(st.tuples(st.sampled_from(["", "event.id", "ü"]), BYTES), max_size=3),
    ),
    min_size=1,
    max_size=8,
)
Stored = list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]]


def batch_of(records: Stored, codec: int) -> bytes:
    """Return what the client itself makes of records."""
    builder = MemoryRecordsBuilder(2, codec, 1 << 30)
    for record in records:
        assert builder.append(*record) is not None
    builder.close()
    return bytes(builder.buffer())


def lean(stored: bytes, start: int = 0) -> list[LeanRecord]:
    """Return what the fetcher would hand out of an answer, from an offset on."""
    found = LeanPartitionRecords(start, WHERE, MemoryRecords(stored))
    return list(found.take())


def own(stored: bytes) -> list[Any]:
    """Return the client's own records of an answer."""
    return [record for batch in MemoryRecords(stored) for record in batch]


@given(RECORDS, st.sampled_from([0, 1, 3]))
@example([(1_790_000_000_000 + n * 7, b"k", b"v" * n, [("event.id", b"%d" % n)]) for n in range(200)], 3)
def test_they_are_the_records_of_the_client(records: Stored, codec: int) -> None:
    """Offset, key, value and headers of each, whatever their sizes, compressed or not."""
    stored = batch_of(records, codec)
    found = lean(stored)
    assert [(one.offset, one.key, one.value, one.headers) for one in found] == [
        (one.offset, one.key, one.value, one.headers) for one in own(stored)
    ]
    assert {(one.topic, one.partition) for one in found} == {("t", 3)}


@given(RECORDS, st.integers(0, 9))
def test_reading_begins_in_the_middle_of_a_batch(records: Stored, start: int) -> None:
    """From an offset on; what was taken in part goes on behind it, and nothing comes twice."""
    found = LeanPartitionRecords(start, WHERE, MemoryRecords(batch_of(records, 3)))
    taken = found.take(1)
    assert found.next_fetch_offset == (taken[0].offset + 1 if taken else len(records))
    if found:
        taken += found.take(100)
    assert [one.offset for one in taken] == list(range(start, len(records)))
    assert found.next_fetch_offset == len(records)


@pytest.mark.slow
@given(RECORDS, st.data())
def test_damage_is_told_and_nothing_is_made_up(records: Stored, data: st.DataObject) -> None:
    """A changed byte fails the checksum. Behind a right one whatever is wrong is an error of the client's, or readable."""
    stored = bytearray(batch_of(records, 0))
    at = data.draw(st.integers(61, len(stored) - 1))
    stored[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptRecordError):
        lean(bytes(stored))
    page = Page("t", 3, bytes(stored[61:]))
    try:
        found = read_page(page, len(records), 0)
    except CorruptRecordError:
        return
    assert len(found) == len(records)
    for one in found:
        assert one.value is None or one.value in page.data
        assert isinstance(one.headers, list)


@given(st.binary(max_size=60), st.integers(1, 4))
def test_any_bytes_are_records_or_an_error(data: bytes, count: int) -> None:
    """Never another exception, and never a value beyond the page."""
    try:
        found = read_page(Page("t", 0, data), count, 0)
    except CorruptRecordError:
        return
    assert len(found) == count


def test_control_batches_are_passed_over() -> None:
    """What a transaction leaves behind is no record, and reading goes on behind it."""
    marker = bytearray(batch_of([(1, b"\0\0\0\1", b"", [])], 0))
    marker[22] |= 0x20
    found = LeanPartitionRecords(0, WHERE, MemoryRecords(bytes(marker)), check_crcs=False)
    assert found.take() == []
    assert found.next_fetch_offset == 1


def test_an_unknown_client_is_not_reached_into() -> None:
    """A client with another inside makes its records its own way; the one at hand is known."""
    assert not fits(object())
    consumer = KafkaConsumer.__new__(KafkaConsumer)
    consumer._fetcher = type("Fetcher", (), {"PartitionRecords": object})()
    assert not fits(consumer)
