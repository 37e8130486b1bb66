"""Many frames in one go are the frames that are read one by one."""

from __future__ import annotations

import struct

from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from shipper.spool.frame import FrameKind, encode_frame
from shipper.spool.run import scan
from shipper.spool.segment import VERSION

FRAMES = st.lists(
    st.tuples(
        st.integers(-1, 2),
        st.sampled_from([0, 1, 63, 255]),
        st.sampled_from([0, 10, 20, 255]),
        st.sampled_from(["", "ml.app", "ml.inference", "ü"]),
        st.binary(max_size=40),
    ),
    max_size=12,
)


@given(FRAMES, st.data())
def test_a_run_ends_before_whatever_is_not_ordinary(
    frames: list[tuple[int, int, int, str, bytes]], data: st.DataObject
) -> None:
    """Only whole records that follow each other are in a run: no tombstone, unknown kind, jump or damaged byte."""
    encoded, whole, sequence = b"", [], 4
    is_ordinary = True
    for step, kind, level, dataset, payload in frames:
        is_next = step < 2
        is_ordinary = is_ordinary and is_next and kind == FrameKind.RECORD
        sequence += 1 if is_next else 2
        frame = bytearray(
            encode_frame(payload, sequence=sequence, timestamp_us=step, level=level, dataset=dataset)
        )
        if kind:
            other = encode_frame(
                payload,
                sequence=sequence,
                timestamp_us=step,
                level=level,
                dataset=dataset,
                kind=FrameKind.TOMBSTONE,
            )
            frame = bytearray(other)
        encoded += frame
        if is_ordinary:
            whole.append(((sequence, step, level, dataset, payload), len(encoded)))
    rows, ends, size = scan(encoded + bytes(64), 0, 100, 4, 1000, 1 << 20, version=VERSION)
    assert list(zip(rows, ends, strict=True)) == [(row, 100 + end) for row, end in whole]
    assert size == sum(len(row[4]) for row in rows)
    if encoded:
        at = data.draw(st.integers(0, len(encoded) - 1))
        damaged = bytearray(encoded)
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        found, _, _ = scan(bytes(damaged), 0, 100, 4, 1000, 1 << 20, version=VERSION)
        assert found == [row for row, end in whole if end <= at]


def test_a_kind_that_nobody_knows_is_no_record() -> None:
    """Whatever its number, a frame of another kind ends a run, also as the first."""
    for kind in range(1, 256):
        frame = bytearray(encode_frame(b"x", sequence=1, timestamp_us=0, level=0, dataset=""))
        frame[28] = kind
        frame[8:12] = struct.pack("<I", crc32c(frame[12:]))
        assert scan(bytes(frame), 0, 0, 0, 10, 100, version=VERSION)[0] == []


def test_a_run_is_bounded() -> None:
    """It ends with the record that reaches the bytes asked for, and never has more records than that."""
    data = b"".join(
        encode_frame(bytes(10), sequence=n, timestamp_us=0, level=0, dataset="") for n in range(1, 9)
    )
    assert len(scan(data, 0, 0, 0, 3, 1000, version=VERSION)[0]) == 3
    assert len(scan(data, 0, 0, 0, 100, 25, version=VERSION)[0]) == 3
    assert scan(data, 0, 0, 0, 100, 0, version=VERSION)[0] == []
