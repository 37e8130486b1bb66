"""What a writer notes of how far it came, and what a reader makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.spool.directory import segment_path
from shipper.spool.disk import Disk
from shipper.spool.end import encode_end, read_end
from shipper.spool.tail import SegmentTail
from tests.unit.spool.bench import Bench


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """A damaged note says nothing: it names no record missing that was never there."""
    note = encode_end(77)
    path = tmp_path / "writer.lock"
    path.write_bytes(note)
    assert read_end(path) == 77
    for bit in range(8 * len(note)):
        damaged = bytearray(note)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert read_end(path) == 1


@pytest.mark.parametrize("content", [None, b"", b"x", encode_end(9)[:-1]])
def test_no_note_says_nothing(tmp_path: Path, content: bytes | None) -> None:
    """A folder of a former version has an empty lock file, a damaged one perhaps none."""
    path = tmp_path / "writer.lock"
    if content is not None:
        path.write_bytes(content)
    assert read_end(path) == 1


def test_what_is_missing_at_the_end_is_named(bench: Bench) -> None:
    """U23: the last segments deleted: as many records as were in them are missing, and the folder can be finished."""
    writer = bench.writer("p", segment_max_bytes=1024)
    for _ in range(40):
        bench.append(writer, bytes(100))
    writer.close()
    paths = sorted((bench.root / "p").glob("*.segment"))
    for path in paths[-2:]:
        path.unlink()
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert len(found) < 40
        assert reader.missing_at_end == (40 - len(found), 40)
        assert reader.damage.missing_records == 40 - len(found)
        assert reader.read() is None
        assert reader.damage.missing_records == 40 - len(found), "named once"
        reader.acknowledge(found[-1].position)
        assert reader.is_finished()


def test_all_segments_deleted(bench: Bench) -> None:
    """U23: a folder without its segments is a gap of its whole length, not an empty folder."""
    writer = bench.writer("p")
    for _ in range(5):
        bench.append(writer)
    writer.close()
    segment_path(bench.root / "p", 1).unlink()
    with bench.reader() as reader:
        assert reader.read() is None
        assert reader.missing_at_end == (5, 5)
        assert reader.is_finished()


def test_after_kill_9_all_but_the_newest_segment_is_noted(bench: Bench) -> None:
    """A killed writer noted where its newest segment began: what is lost of the ones before it is named."""
    writer = bench.writer("p", segment_max_bytes=1024)
    for _ in range(40):
        bench.append(writer, bytes(100))
    tail = writer._tail
    assert isinstance(tail, SegmentTail)
    began = tail.first_sequence
    writer.abandon_in_child()
    for path in (bench.root / "p").glob("*.segment"):
        path.unlink()
    with bench.reader() as reader:
        assert reader.read() is None
        assert reader.missing_at_end == (began - 1, began - 1)


def test_what_was_acknowledged_is_not_missing(bench: Bench) -> None:
    """Segments that went because they were delivered leave no gap, also for a reader that comes later."""
    writer = bench.writer("p", segment_max_bytes=1024)
    for _ in range(40):
        bench.append(writer, bytes(100))
    writer.close()
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[-1].position)
    with bench.reader() as reader:
        assert reader.read() is None
        assert reader.damage.is_none


def test_a_note_that_cannot_be_written_costs_no_record(bench: Bench) -> None:
    """A disk that refuses the note stops nothing: records are stored, and the former note stands."""

    class Noteless(Disk):
        def store(self, descriptor: int, data: bytes, offset: int) -> None:
            if data.startswith(b"SHIPEND1") and data != encode_end(1):
                raise OSError(5, "injected")
            super().store(descriptor, data, offset)

    writer = bench.writer("p", segment_max_bytes=1024, disk=Noteless())
    assert [bench.append(writer, bytes(100)) for _ in range(40)] == list(range(1, 41))
    writer.close()
    assert read_end(bench.root / "p" / "writer.lock") == 1
    assert bench.sequences() == list(range(1, 41))
