"""One stored record: what is written is read back, and whatever else is there is named."""

from __future__ import annotations

import pytest

from shipper.errors import CorruptFrame, TornFrame
from shipper.spool.frame import (
    HEADER_BYTES,
    Frame,
    FrameKind,
    encode_frame,
    parse_frame,
    tombstone_first,
    tombstone_payload,
)
from shipper.spool.segment import VERSION


def frame(payload: bytes = b"payload", sequence: int = 7) -> bytes:
    """Encode one frame with defaults."""
    return encode_frame(payload, sequence=sequence, timestamp_us=-5, level=30, dataset="ml.app")


def parse(data: bytes, offset: int = 0) -> Frame | None:
    """Parse a frame of the present version."""
    return parse_frame(data, offset, "1", version=VERSION)


def test_a_frame_reads_back_as_written() -> None:
    """Everything that later hops need stands in the header; nothing is changed on the way."""
    data = frame() + frame(b"next", 8)
    first = parse(data)
    assert first is not None
    assert (first.kind, first.sequence, first.timestamp_us, first.level) == (FrameKind.RECORD, 7, -5, 30)
    assert (first.dataset, first.payload, first.end) == ("ml.app", b"payload", len(frame()))
    second = parse(data, first.end)
    assert second is not None
    assert (second.sequence, second.payload) == (8, b"next")
    assert parse(data, second.end) is None


def test_every_cut_is_torn_and_never_a_record() -> None:
    """A frame that ends anywhere inside is reported as torn."""
    data = frame()
    for size in range(1, len(data)):
        with pytest.raises(TornFrame):
            parse(data[:size])


@pytest.mark.parametrize(
    "behind", [b"", bytes(3), bytes(4), bytes(500), bytes(4) + b"a body without its head"]
)
def test_zeros_where_a_frame_would_start_end_a_segment(behind: bytes) -> None:
    """What is preallocated and not written is no damage; what an append left that never came to its end neither."""
    data = frame() + behind
    assert parse(data, len(frame())) is None


def test_a_frame_without_content_is_none() -> None:
    """A magic and zeros do not make a frame, although zero is the checksum of nothing."""
    with pytest.raises(CorruptFrame):
        parse(b"\xff\xfeSF" + bytes(60))


def test_every_flipped_bit_is_noticed() -> None:
    """No bit of a frame can change without the frame being refused."""
    data = frame()
    for position in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            with pytest.raises((CorruptFrame, TornFrame)):
                parse(bytes(damaged))


def test_header_values_out_of_range_are_bounded() -> None:
    """A level outside 0..255 is bounded and a dataset's name cut: neither loses the record."""
    data = encode_frame(b"x", sequence=1, timestamp_us=0, level=1000, dataset="d" * 300)
    read = parse(data)
    assert read is not None
    assert read.level == 255
    assert read.dataset == "d" * 255
    low = parse(encode_frame(b"x", sequence=1, timestamp_us=0, level=-3, dataset=""))
    assert low is not None
    assert (low.level, low.dataset) == (0, "")


def test_magic_cannot_occur_in_text() -> None:
    """The resynchronisation mark is invalid UTF-8, so no JSON payload can imitate a frame."""
    with pytest.raises(UnicodeDecodeError):
        frame()[:4].decode("utf-8")
    assert len(encode_frame(b"", sequence=1, timestamp_us=0, level=0, dataset="")) == HEADER_BYTES == 32


def test_a_tombstone_names_its_range() -> None:
    """A tombstone tells the first and, by its own sequence, the last of the range it stands for."""
    data = encode_frame(
        tombstone_payload(3, "shed"),
        sequence=9,
        timestamp_us=0,
        level=0,
        dataset="",
        kind=FrameKind.TOMBSTONE,
    )
    read = parse(data)
    assert read is not None
    assert (tombstone_first(read), read.sequence, read.payload[8:]) == (3, 9, b"shed")
