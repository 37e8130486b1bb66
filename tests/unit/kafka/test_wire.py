"""Batches joined from rows, read back by the client's own decoder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.config import KafkaSettings
from shipper.errors import RecordRefused, RecordTooLarge, TransportError
from shipper.kafka.headers import record_messages
from shipper.kafka.python_producer import PythonProducer
from shipper.kafka.raw_batch import CODECS, RawRecords, fits
from shipper.kafka.varint import varint
from shipper.kafka.wire import BlockLimits, _Encoder, blocks
from shipper.record import RecordBatch, Row

LIMITS = BlockLimits(100, 5000, 3000)
DAY = 86_400_000_000
MIDNIGHT = 20_000 * DAY
TIMES = st.one_of(
    st.integers(-DAY, 3 * DAY),
    st.integers(1_790_000_000_000_000, 1_790_000_000_000_000 + 2 * DAY),
    st.sampled_from([10**18, -(10**18), 999_999_999_999_999, 10**15]),
)
ROWS: st.SearchStrategy[Row] = st.tuples(
    st.one_of(st.integers(1, 20), st.sampled_from([9, 10, 99, 100, 2**63])),
    TIMES,
    st.just(20),
    st.sampled_from(["ml.app", "ml.inference", "100%s", "ünï"]),
    st.one_of(
        st.binary(max_size=200), st.sampled_from([b"", b"%d" * 30, bytes(2700), bytes(2999), bytes(9000)])
    ),
)


def decoded(
    batch: RecordBatch, codec: str
) -> tuple[list[tuple[Any, ...]], dict[int, TransportError], list[int]]:
    """Return what a consumer would see of a batch, what was refused, and the places that were sent."""
    from kafka.record.memory_records import MemoryRecords  # after shipper.kafka, which silences its warnings

    refused: dict[int, TransportError] = {}
    found: list[tuple[Any, ...]] = []
    places: list[int] = []
    for block in blocks(batch, range(len(batch)), "default", LIMITS, refused):
        records = RawRecords(block.body, len(block.places), 1_790_000_000_000, codec)
        records.set_producer_state(7, 1, 3, False)
        records.close()
        (one,) = MemoryRecords(records.buffer())
        assert one.validate_crc()
        assert (one.producer_id, one.producer_epoch, one.base_sequence) == (7, 1, 3)
        read = list(one)
        assert [record.offset for record in read] == list(range(len(block.places)))
        found += [(record.key, record.value, record.headers) for record in read]
        places += block.places
    return found, refused, places


@given(st.lists(ROWS, max_size=150), st.sampled_from(sorted(CODECS)))
@example([(n, 1_790_000_000_000_000 + n, 20, "ml.app", b"v%d" % n) for n in range(150)], "lz4")
@example(
    [(n, 1_790_000_000_000_000 + n % 3, 20, "ml.app", bytes(3000 * (n % 9 == 8))) for n in range(400)], "none"
)
@example([(n, MIDNIGHT - 70 + n, 20, f"ml.{n % 7}", b"v") for n in range(100, 300)], "lz4")
def test_batches_are_what_the_client_itself_would_send(rows: list[Row], codec: str) -> None:
    """Key, value and headers of each record, in order, are those of the same record sent as a message."""
    batch = RecordBatch("p%d-1", rows)
    found, refused, places = decoded(batch, codec)
    of_messages: dict[int, TransportError] = {}
    expected = dict(record_messages("t", batch, range(len(rows)), "default", 10**9, of_messages))
    sent = [expected[place] for place in places]
    assert found == [(message.key, message.value, list(message.headers)) for message in sent]
    assert sorted([*places, *refused]) == list(range(len(rows)))
    for place, error in refused.items():
        assert isinstance(error, RecordTooLarge if place in expected else RecordRefused)


@given(
    st.lists(
        st.tuples(
            st.integers(1000, 9999),
            st.integers(MIDNIGHT, MIDNIGHT + DAY - 1),
            st.just(20),
            st.sampled_from(["ml.app", "ml.inference", "100%s", "ünï"]),
            st.one_of(st.binary(max_size=100), st.sampled_from([bytes(9000), bytes(8192), bytes(8191)])),
        ),
        min_size=1,
        max_size=90,
    )
)
@pytest.mark.slow
def test_all_at_once_gives_the_bytes_of_one_by_one(rows: list[Row]) -> None:
    """The way for records that are alike, and the way for any, write the same block; datasets and sizes may differ."""
    encoder = _Encoder("p%d-1", "default", 10**6)
    offsets = [b"\0\0" + varint(number) for number in range(8200, 8200 + len(rows))]
    together = encoder._alike(rows, offsets)
    assert together is not None
    parts: list[bytes] = []
    assert encoder._one_by_one(rows, range(len(rows)), offsets, parts, {}) == list(range(len(rows)))
    assert list(together) == parts


def test_too_large_is_refused_by_its_size_on_the_wire() -> None:
    """U38: one over the limit is refused alone, with its size; its neighbours are in the block."""
    rows: list[Row] = [(n, 1, 20, "ml.app", bytes(4000 if n == 2 else 10)) for n in (1, 2, 3)]
    _, refused, places = decoded(RecordBatch("p", rows), "none")
    assert places == [0, 2]
    assert isinstance(refused[1], RecordTooLarge)
    assert 4000 < refused[1].size_bytes < 4400


def test_blocks_end_at_their_limits() -> None:
    """A block has at most so many records, and at most so many bytes of payload unless one record has more."""
    rows: list[Row] = [(n, 1, 20, "ml.app", bytes(2000)) for n in range(1, 8)]
    refused: dict[int, TransportError] = {}
    found = list(blocks(RecordBatch("p", rows), range(7), "default", LIMITS, refused))
    assert [len(block.places) for block in found] == [2, 2, 2, 1]
    rows = [(n, 1, 20, "ml.app", b"") for n in range(1, 251)]
    found = list(blocks(RecordBatch("p", rows), range(250), "default", LIMITS, refused))
    assert [len(block.places) for block in found] == [100, 100, 50]
    assert not refused


@pytest.mark.parametrize(
    ("number", "text"), [(0, "00"), (1, "02"), (63, "7e"), (64, "8001"), (8192, "808001")]
)
def test_varints(number: int, text: str) -> None:
    """Zigzag varints of protocol buffers."""
    assert varint(number).hex() == text


def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    """A body that compression would make larger goes uncompressed, and says so."""
    records = RawRecords(b"\x02\0\0\0\x01\x01\0"[:1] + b"ab", 1, 1, "lz4")
    before = records.size_in_bytes()
    records.close()
    assert records.size_in_bytes() == before
    assert records.buffer()[22] == 0


def test_an_unknown_client_is_not_reached_into() -> None:
    """A client object with another inside gets messages by its own `send`; nothing is lost for it."""
    assert not fits(object())


def test_without_a_broker_each_record_is_answered_for() -> None:
    """No broker: every record of the batch has a retriable outcome."""
    producer = PythonProducer(
        KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.2), "test", 10**6
    )
    rows: list[Row] = [(n, 1, 20, "ml.app", b"x") for n in range(5)]
    failures = producer.begin_records("t", RecordBatch("p", rows), range(5), "default", LIMITS)()
    assert sorted(failures.answered) == list(range(5))
    assert all(error.retriable for error in failures.answered.values())
