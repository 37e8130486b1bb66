"""Reading: in order, while the writer writes, across crashes and damage; acknowledging and deleting."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from shipper.errors import SpoolUnreadable
from shipper.spool.checkpoint import FILE_NAME, read_checkpoint
from shipper.spool.directory import META, list_segments, read_meta, scan, segment_path, sweep
from shipper.spool.disk import Disk
from shipper.spool.frame import FrameKind, encode_frame, tombstone_payload
from shipper.spool.reader import SpoolReader
from shipper.spool.segment import HEADER_BYTES, VERSION, SegmentHeader
from tests.unit.spool.bench import Bench

FRAME_BYTES = len(encode_frame(b"<#1#1#body>", sequence=1, timestamp_us=0, level=20, dataset="ml.app"))
"""Of a record of `bench.append` with a sequence of one digit."""


def test_reads_while_the_writer_writes(bench: Bench) -> None:
    """None means "nothing yet": what is appended later is read later, also in a new segment."""
    writer = bench.writer(segment_max_bytes=1024)
    with bench.reader() as reader:
        assert reader.read() is None
        for expected in range(1, 30):
            bench.append(writer, bytes(300))
            record = reader.read()
            assert record is not None
            assert record.sequence == expected
            assert reader.read() is None
            assert not reader.is_finished()
    writer.close()


def test_what_is_appended_while_the_end_is_judged_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record appended between "nothing more here" and "the writer is dead" (or "there is a next segment") is read."""
    writer = bench.writer(segment_max_bytes=1024)
    bench.append(writer, bytes(300))

    def dies_late(_directory: Path) -> bool:
        bench.append(writer, bytes(300))  # the same segment
        bench.append(writer, bytes(900))  # the next one
        writer.close()
        return False

    with bench.reader() as reader:
        assert reader.read() is not None
        monkeypatch.setattr("shipper.spool.reader.writer_is_alive", dies_late)
        assert [record.sequence for record in bench.drain(reader)] == [2, 3]


def test_only_one_reader_has_the_lease(bench: Bench) -> None:
    """U25: a second reader is turned away, in the same process too, until the first lets go."""
    writer = bench.writer()
    bench.append(writer)
    with bench.reader():
        assert SpoolReader.open(bench.folder()) is None
    with bench.reader() as reader:
        assert reader.read() is not None
    writer.close()


def test_what_was_not_acknowledged_comes_again(bench: Bench) -> None:
    """U24: a new reader starts behind the last acknowledgement, and only there."""
    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(50):
        bench.append(writer, bytes(100))
    with bench.reader() as reader:
        records = bench.drain(reader)
        reader.acknowledge(records[29].position)
        assert reader.has_unacknowledged
    assert bench.sequences() == list(range(31, 51))
    writer.close()


def test_checkpoint_is_on_the_disk_before_anything_is_deleted(bench: Bench) -> None:
    """U23: checkpoint, fsync, and only then unlink."""

    class RecordingDisk(Disk):
        def __init__(self) -> None:
            self.calls: list[str] = []

        def overwrite(self, path: Path, offset: int, data: bytes, *, durable: bool) -> None:
            self.calls.append(path.name)
            super().overwrite(path, offset, data, durable=durable)

        def sync(self, descriptor: int) -> None:
            self.calls.append("sync")
            super().sync(descriptor)

        def unlink(self, path: Path) -> None:
            if path.suffix == ".segment":
                self.calls.append("unlink")
            super().unlink(path)

    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(20):
        bench.append(writer, bytes(300))
    writer.close()
    disk = RecordingDisk()
    with bench.reader(disk=disk) as reader:
        records = bench.drain(reader)
        reader.acknowledge(records[0].position)
        assert disk.calls == ["checkpoint"]
        disk.calls.clear()
        reader.acknowledge(records[6].position)
    assert disk.calls == ["checkpoint", "sync", "unlink", "unlink", "unlink"]


def test_a_checkpoint_that_cannot_be_written_deletes_nothing(bench: Bench) -> None:
    """U23: without a durable checkpoint the segments stay; the next acknowledgement makes up for it."""

    class NoDisk(Disk):
        is_full = True

        def overwrite(self, path: Path, offset: int, data: bytes, *, durable: bool) -> None:
            if self.is_full:
                raise OSError(errno.EIO, "injected")
            super().overwrite(path, offset, data, durable=durable)

    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(20):
        bench.append(writer, bytes(300))
    writer.close()
    disk = NoDisk()
    with bench.reader(disk=disk) as reader:
        records = bench.drain(reader)
        with pytest.raises(SpoolUnreadable):
            reader.acknowledge(records[-1].position)
        assert list_segments(bench.folder())[0] == 1
        disk.is_full = False
        reader.acknowledge(records[-1].position)
        assert len(list_segments(bench.folder())) == 1


def test_a_finished_folder_is_removed_whole(bench: Bench) -> None:
    """A dead writer's folder goes when everything in it is acknowledged, and not a moment earlier."""
    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(20):
        bench.append(writer, bytes(300))
    with bench.reader() as reader:
        records = bench.drain(reader)
        reader.acknowledge(records[-1].position)
        assert not reader.is_finished(), "its writer lives"
        writer.close()
        assert reader.read() is None
        assert reader.is_finished()
        reader.remove()
    assert list(bench.root.iterdir()) == []


def test_unacknowledged_records_keep_the_folder(bench: Bench) -> None:
    """remove() does nothing while a record is not settled."""
    writer = bench.writer()
    bench.append(writer)
    writer.close()
    with bench.reader() as reader:
        bench.drain(reader)
        assert not reader.is_finished()
        reader.remove()
    assert bench.sequences() == [1]


@pytest.mark.parametrize("first", [slice(12, None), slice(20, 30), slice(0, 4), slice(0, 12), slice(0, 20)])
def test_a_frame_that_is_being_stored_is_waited_for(bench: Bench, first: slice) -> None:
    """Whatever part of a frame another processor sees first is no damage: it is read when it is whole."""
    writer = bench.writer()
    bench.append(writer)
    at = HEADER_BYTES + FRAME_BYTES
    late = encode_frame(b"late", sequence=2, timestamp_us=0, level=0, dataset="")
    part = bytearray(len(late))
    part[first] = late[first]
    with bench.reader() as reader:
        assert reader.read() is not None
        damage(segment_path(bench.folder(), 1), at, bytes(part))
        assert reader.read() is None
        assert reader.read() is None
        damage(segment_path(bench.folder(), 1), at, late)
        record = reader.read()
        assert record is not None
        assert record.payload == b"late"
        assert reader.damage.is_none
    writer.close()


@pytest.mark.parametrize("cut", [1, 30, 33])
def test_a_torn_tail_of_a_dead_writer_is_counted(bench: Bench, cut: int) -> None:
    """U22: after a crash during append the torn frame is stepped over and counted in bytes; nothing else is lost."""
    writer = bench.writer()
    bench.append(writer)
    path = segment_path(bench.folder(), 1)
    writer.close()
    with path.open("ab") as file:
        file.write(encode_frame(b"lost", sequence=2, timestamp_us=0, level=20, dataset="")[:cut])
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == [1]
        assert (reader.damage.torn_tails, reader.damage.torn_bytes) == (1, cut)


def test_an_append_that_never_came_to_its_end_is_no_record(bench: Bench) -> None:
    """U22: a body without its head, left by a kill in the middle of an append, is counted in bytes and cut off."""
    writer = bench.writer()
    bench.append(writer)
    path = segment_path(bench.folder(), 1)
    rest = encode_frame(b"lost", sequence=2, timestamp_us=-1, level=20, dataset="")[12:]
    damage(path, HEADER_BYTES + FRAME_BYTES + 12, rest)
    with bench.reader() as reader:
        writer.abandon_in_child()  # as its death would, it lets go of everything
        assert [record.sequence for record in bench.drain(reader)] == [1]
        assert (reader.damage.torn_tails, reader.damage.torn_bytes) == (1, 12 + len(rest))
        assert path.stat().st_size == HEADER_BYTES + FRAME_BYTES
    writer.close()


def test_what_a_dead_writer_had_allocated_is_given_back(bench: Bench) -> None:
    """A process that logs a line and is killed leaves a file of a line once somebody has read it, not of 256 KiB."""
    writer = bench.writer()
    bench.append(writer)
    path = segment_path(bench.folder(), 1)
    assert path.stat().st_size >= 1 << 18
    with bench.reader() as reader:
        assert reader.read() is not None
        assert reader.read() is None
        assert path.stat().st_size >= 1 << 18, "its writer lives"
        writer.abandon_in_child()  # as its death would, it lets go of everything
        assert reader.read() is None
        assert path.stat().st_size == HEADER_BYTES + FRAME_BYTES
        assert reader.damage.is_none
    writer.close()


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_page_of_zeros_hides_no_later_record(bench: Bench, is_alive: bool) -> None:
    """U22: zeros where a frame was end a segment that is being written; in a finished one they are damage."""
    writer = bench.writer()
    for _ in range(9):
        bench.append(writer)
    damage(segment_path(bench.folder(), 1), HEADER_BYTES + 2 * FRAME_BYTES, bytes(3 * FRAME_BYTES))
    with bench.reader() as reader:
        if is_alive:
            assert [record.sequence for record in bench.drain(reader)] == [1, 2]
            assert reader.damage.is_none
        writer.close()
        rest = bench.drain(reader)
        assert [record.sequence for record in rest] == ([] if is_alive else [1, 2]) + [6, 7, 8, 9]
        assert reader.damage.corrupt_regions == 1
        assert reader.damage.corrupt_bytes == 3 * FRAME_BYTES
        assert reader.damage.missing_records == 3


def test_the_end_of_a_segment_is_looked_at_with_a_small_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll that finds nothing reads a frame's header, not what is preallocated behind it."""
    writer = bench.writer()
    bench.append(writer)
    sizes: list[int] = []
    with bench.reader() as reader:
        assert reader.read() is not None
        real = os.pread

        def pread(descriptor: int, size: int, at: int) -> bytes:
            sizes.append(size)
            return real(descriptor, size, at)

        monkeypatch.setattr(os, "pread", pread)
        assert reader.read() is None
        monkeypatch.undo()
    assert sizes
    assert max(sizes) <= 32
    writer.close()


@pytest.mark.parametrize(("version", "size"), [(1, 200), (2, 4000)])
def test_records_of_former_versions_are_read_and_shipped(tmp_path: Path, version: int, size: int) -> None:
    """A folder that a former version left is read whole, with all that its records carry, and removed."""
    bench = Bench(tmp_path / "spool")
    shutil.copytree(Path(__file__).parents[2] / "golden" / f"spool_v{version}", bench.root)
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert [record.payload for record in found] == [
            b"<%sbody %d %s>" % (b"#%d" % number * version + b"#", number, b"x" * size)
            for number in range(1, 11)
        ]
        assert [(record.sequence, record.timestamp_us, record.level) for record in found] == [
            (number, number, 10 * number) for number in range(1, 11)
        ]
        assert {record.dataset for record in found} == {"ml.app"}
        assert reader.damage.is_none
        reader.acknowledge(found[-1].position)
        reader.remove()
    assert list(bench.root.iterdir()) == []


@pytest.mark.parametrize(("version", "number"), [(1, 1), (1, 4), (2, 1), (2, 3)])
def test_a_damaged_header_of_a_former_version_costs_nothing(
    tmp_path: Path, version: int, number: int
) -> None:
    """Which layout the frames behind a damaged header have is found out from the frames."""
    bench = Bench(tmp_path / "spool")
    shutil.copytree(Path(__file__).parents[2] / "golden" / f"spool_v{version}", bench.root)
    damage(segment_path(bench.folder(), number), 8, b"\xff\xff")
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == list(range(1, 11))
        assert reader.damage.bad_headers == 1


def damage(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_corrupt_frame_in_the_middle_is_stepped_over(bench: Bench) -> None:
    """U22: one bad frame costs one record, which is named missing; the ones behind it are read."""
    writer = bench.writer()
    for _ in range(9):
        bench.append(writer, b"body")
    damage(segment_path(bench.folder(), 1), HEADER_BYTES + 4 * FRAME_BYTES + 40, b"\x00")
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert [record.sequence for record in found] == [1, 2, 3, 4, 6, 7, 8, 9]
        assert found[4].missing_before == 1
        assert reader.damage.corrupt_regions == 1
        assert reader.damage.missing_records == 1
        bench.append(writer)
        assert [record.sequence for record in bench.drain(reader)] == [10]
    writer.close()


def test_a_length_that_points_past_the_end_does_not_stall_a_live_reader(bench: Bench) -> None:
    """Damage that looks like a frame still being written is seen through: a whole frame stands behind it."""
    writer = bench.writer()
    for _ in range(3):
        bench.append(writer)
    length = HEADER_BYTES + FRAME_BYTES + 4
    damage(segment_path(bench.folder(), 1), length, (1 << 20).to_bytes(4, "little"))
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == [1, 3]
    writer.close()


def test_a_damaged_segment_header_costs_nothing(bench: Bench) -> None:
    """The frames behind a damaged header are found and read."""
    writer = bench.writer()
    for _ in range(3):
        bench.append(writer)
    writer.close()
    damage(segment_path(bench.folder(), 1), 3, b"\xff\xff")
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == [1, 2, 3]
        assert reader.damage.bad_headers == 1


def test_a_missing_segment_is_a_named_gap(bench: Bench) -> None:
    """U23: a segment removed by somebody else is skipped, and its records are counted as missing."""
    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(12):
        bench.append(writer, bytes(300))
    writer.close()
    segment_path(bench.folder(), 2).unlink()
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert [record.sequence for record in found] == [1, 2, 5, 6, 7, 8, 9, 10, 11, 12]
        assert found[2].missing_before == 2
        assert reader.damage.missing_records == 2


def test_a_checkpoint_behind_the_end_goes_on_with_the_next_segment(bench: Bench) -> None:
    """A segment cut short below the checkpoint (a restored backup) neither stalls nor repeats."""
    writer = bench.writer(segment_max_bytes=1024)
    for _ in range(6):
        bench.append(writer, bytes(300))
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[1].position)
    with segment_path(bench.folder(), 1).open("r+b") as file:
        file.truncate(100)
    assert bench.sequences() == [3, 4, 5, 6]
    writer.close()


def test_a_lost_checkpoint_starts_at_the_oldest_segment(bench: Bench) -> None:
    """U22: without a checkpoint everything that is still there comes again: at least once."""
    writer = bench.writer()
    for _ in range(6):
        bench.append(writer)
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[3].position)
    (bench.folder() / FILE_NAME).write_bytes(b"garbage")
    assert bench.sequences() == [1, 2, 3, 4, 5, 6]
    writer.close()


def test_a_segment_of_another_producer_is_passed_over(bench: Bench) -> None:
    """A file that was copied in does not smuggle records under a wrong id."""
    for name in ("one", "two"):
        writer = bench.writer(name)
        bench.append(writer, name.encode())
        writer.close()
    shutil.copy(segment_path(bench.root / "two", 1), segment_path(bench.root / "one", 2))
    with bench.reader(bench.root / "one") as reader:
        assert [record.payload for record in bench.drain(reader)] == [b"<#1#1#one>"]
        assert reader.damage.foreign_segments == 1


def test_a_later_format_is_left_alone(bench: Bench) -> None:
    """A folder of a later version is reported and kept, not misread, not deleted."""
    writer = bench.writer()
    bench.append(writer)
    writer.close()
    header = SegmentHeader(bench.folder().name, 1, 1, 0, version=VERSION + 1)
    damage(segment_path(bench.folder(), 1), 0, header.encode())
    with bench.reader() as reader:
        with pytest.raises(SpoolUnreadable, match=f"format {VERSION + 1}"):
            reader.read()
        assert not reader.is_finished()


def test_a_half_made_segment_is_passed_over(bench: Bench) -> None:
    """U22: a segment whose header was not written whole holds no record; reading goes on behind it."""
    writer = bench.writer()
    bench.append(writer)
    writer.close()
    segment_path(bench.folder(), 2).write_bytes(b"\x89SHIP")
    with bench.reader() as reader:
        (record,) = bench.drain(reader)
        reader.acknowledge(record.position)
        assert reader.is_finished()


def test_tombstones_in_the_stream_explain_a_gap(bench: Bench) -> None:
    """A reader understands tombstone frames, and passes unknown kinds over and counts them."""
    writer = bench.writer()
    bench.append(writer)
    path = segment_path(bench.folder(), 1)
    writer.close()
    shed = tombstone_payload(2, "shed")
    with path.open("ab") as file:
        file.write(
            encode_frame(shed, sequence=5, timestamp_us=0, level=0, dataset="", kind=FrameKind.TOMBSTONE)
        )
        record = bytearray(encode_frame(b"x", sequence=6, timestamp_us=0, level=0, dataset=""))
        file.write(record)
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert [(record.sequence, record.missing_before) for record in found] == [(1, 0), (6, 0)]


def test_a_crash_while_making_or_removing_a_folder_leaves_no_litter(bench: Bench) -> None:
    """Half-made and half-removed folders are swept away; live ones, also those being made, are not."""
    writer = bench.writer()
    bench.append(writer)
    for name in (".new-dead", ".gone-dead"):
        (bench.root / name).mkdir()
        (bench.root / name / META).write_text("{}")
    an_hour_ago = time.time() - 3600
    os.utime(bench.root / ".new-dead", (an_hour_ago, an_hour_ago))
    sweep(bench.root)
    assert [path.name for path in bench.root.iterdir()] == [bench.folder().name]
    writer.close()
    assert bench.sequences() == [1]


def test_a_folder_that_somebody_has_just_begun_is_left_alone(bench: Bench) -> None:
    """Between making the folder and locking it nobody can see that its maker lives: taken away, he would drop records."""
    (bench.root / ".new-begun").mkdir(parents=True)
    sweep(bench.root)
    assert (bench.root / ".new-begun").is_dir()
    sweep(bench.root, left_behind_s=0)
    assert not (bench.root / ".new-begun").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"service": 3, "pid": "x"}', b"\xff"])
def test_damaged_meta_data_loses_only_itself(bench: Bench, content: bytes) -> None:
    """A folder with an unreadable meta.json is still shipped, under its producer id."""
    writer = bench.writer("p")
    bench.append(writer)
    writer.close()
    (bench.root / "p" / META).write_bytes(content)
    assert read_meta(bench.root / "p").producer_id == "p"
    assert read_meta(bench.root / "p").service == ""
    assert bench.sequences() == [1]


def test_a_missing_folder_has_no_reader(bench: Bench) -> None:
    """A folder that vanished between looking and opening is none, not an error."""
    assert SpoolReader.open(bench.root / "nobody") is None
    assert scan(bench.root) == []
    assert read_checkpoint(bench.root) is None
    sweep(bench.root)


def test_scan_ignores_what_is_no_folder_of_a_producer(bench: Bench) -> None:
    """Files, hidden folders and links under the root are nobody's spool."""
    writer = bench.writer("p")
    bench.append(writer)
    (bench.root / "file").write_text(json.dumps({}))
    (bench.root / "link").symlink_to(bench.root / "p")
    (bench.root / ".hidden").mkdir()
    assert [path.name for path in scan(bench.root)] == ["p"]
    writer.close()


def test_a_segment_in_use_is_not_cut(bench: Bench) -> None:
    """Somebody removes the lock file of a living writer: its segment is not cut, for a store behind would kill it."""
    writer = bench.writer("p")
    bench.append(writer)
    (bench.root / "p" / "writer.lock").unlink()
    with bench.reader() as reader:
        assert len(bench.drain(reader)) == 1
        assert segment_path(bench.root / "p", 1).stat().st_size >= 1 << 18
        for _ in range(100):
            assert bench.append(writer, bytes(1000)) is not None
    writer.close()


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_lease_that_is_lost_on_the_way(bench: Bench, is_alive: bool) -> None:
    """U25: somebody removes the lock file of a reader, and a second one comes: records may come twice, none is lost."""
    writer = bench.writer("p", segment_max_bytes=1024)
    for _ in range(40):
        bench.append(writer, bytes(100))
    if not is_alive:
        writer.close()
    first = SpoolReader.open(bench.root / "p")
    assert first is not None
    (bench.root / "p" / "reader.lock").unlink()
    second = SpoolReader.open(bench.root / "p")
    assert second is not None
    found: set[int] = set()
    for turn in range(200):
        reader = (first, second)[turn % 2]
        record = reader.read()
        if record is not None:
            found.add(record.sequence)
            if turn % 7 < 2:
                reader.acknowledge(record.position)
    assert found == set(range(1, 41))
    writer.close()
    for reader in (first, second):
        assert reader.read() is None
        reader.acknowledge(reader._returned)
        reader.remove()
        reader.close()
    assert not (bench.root / "p").exists()


def test_a_folder_that_is_taken_away_under_its_reader(bench: Bench) -> None:
    """U23: a reader whose whole folder is deleted has nothing to say of it any more: no error, and it is finished."""
    writer = bench.writer("p", segment_max_bytes=1024)
    for _ in range(20):
        bench.append(writer, bytes(100))
    writer.close()
    with bench.reader() as reader:
        record = reader.read()
        assert record is not None
        shutil.rmtree(bench.root / "p")
        bench.drain(reader)
        reader.acknowledge(reader._returned)
        assert reader.read() is None
        assert reader.is_finished()
        reader.remove()


@pytest.mark.parametrize("page", [0, 1, 3, 9])
def test_a_bad_sector_does_not_hold_up_what_is_behind_it(
    bench: Bench, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U22: a page that cannot be read is told of, asked for again, and in the end costs its own records, which are named."""
    writer = bench.writer("p", segment_max_bytes=1 << 14)
    for _ in range(60):
        bench.append(writer, bytes(1000))
    writer.close()
    bad = segment_path(bench.root / "p", 2).stat().st_ino
    read = os.pread

    def pread(descriptor: int, size: int, at: int) -> bytes:
        is_bad = os.fstat(descriptor).st_ino == bad and at < (page + 1) * 4096 and at + size > page * 4096
        if is_bad and page < 4:
            raise OSError(errno.EIO, "injected")
        return read(descriptor, size, at)

    monkeypatch.setattr("shipper.spool.sectors.os.pread", pread)
    found: list[int] = []
    told = missing = 0
    with bench.reader() as reader:
        while True:
            try:
                record = reader.read()
            except SpoolUnreadable:
                told += 1
                assert told < 100, "for ever"
                continue
            if record is None:
                break
            missing += record.missing_before
            found.append(record.sequence)
        reader.acknowledge(reader._returned)
        assert reader.is_finished()
    assert found == sorted(set(found))
    assert len(found) + missing == 60
    # Four records begin in a page, and two reach into it.
    assert 1 <= missing <= 6 if page < 4 else missing == 0
    assert (told > 10) == (page < 4)
