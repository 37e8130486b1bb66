"""Segments written by `write`: where a map is not safe, or not wanted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.spool.directory import segment_path
from shipper.spool.disk import Disk
from shipper.spool.filesystem import file_system_of, is_safe_to_map
from shipper.spool.tail import SegmentTail
from tests.unit.spool.bench import Bench

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /home rw - btrfs /dev/vdb rw,subvol=/home
31 22 0:41 / /mnt/nfs rw - nfs4 server:/export rw
32 31 0:42 / /mnt/nfs/fast rw - xfs /dev/vdc rw
33 22 0:43 / /mnt/with\\040space rw - fuse.sshfs host: rw
34 22 0:44 / /over rw - ext4 /dev/vdd rw
35 22 0:45 / /over rw - 9p share rw
a line of another kind
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/spool", "ext4"),
        ("/", "ext4"),
        ("/home", "btrfs"),
        ("/home/user/spool", "btrfs"),
        ("/homework", "ext4"),
        ("/mnt/nfs/a", "nfs4"),
        ("/mnt/nfs/fast/a", "xfs"),
        ("/mnt/with space/a", "fuse.sshfs"),
        ("/over/a", "9p"),
    ],
)
def test_the_file_system_of_a_folder(path: str, kind: str) -> None:
    """The deepest mount that holds a folder is its file system, and of two on one place the later."""
    assert file_system_of(path, TABLE) == kind


@pytest.mark.parametrize("table", ["", "nonsense\n", "1 2 3 4 - ext4\n"])
def test_an_unknown_file_system_is_not_mapped(table: str) -> None:
    """Where nothing is known, segments are written: never a map on a guess."""
    assert file_system_of("/var", table) == ""


def test_a_missing_folder_is_not_mapped(tmp_path: Path) -> None:
    """What cannot be looked at is not mapped."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert not is_safe_to_map(loop)


class Refusing(Disk):
    """Refuses frames while `error` says why, having taken the first `part` bytes; does something around a write."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.part = 0
        self.before: Callable[[], object] = lambda: None
        self.behind: Callable[[], object] = lambda: None

    def store(self, descriptor: int, data: bytes, offset: int) -> None:
        self.before()
        if self.error is not None:
            super().store(descriptor, data[: self.part], offset)
            raise OSError(self.error, "injected")
        super().store(descriptor, data, offset)
        self.behind()


@pytest.mark.parametrize("part", [0, 5, 12, 40, 1000])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EIO, "disk_error"),
        (errno.ESTALE, "disk_error"),
        (errno.EROFS, "disk_error"),
    ],
)
def test_a_frame_that_the_disk_refuses(tmp_path: Path, number: int, reason: str, part: int) -> None:
    """U26: a write that fails, wholly or half way, is a counted drop; no gap, no false record, and then it goes on."""
    bench = Bench(tmp_path / "spool", "plain")
    disk = Refusing()
    writer = bench.writer("p", disk=disk)
    assert bench.append(writer, bytes(2000)) == 1
    disk.error, disk.part = number, part
    assert [bench.append(writer, bytes(2000)) for _ in range(3)] == [None] * 3
    assert writer.drops == {reason: 3}
    assert writer.trouble
    disk.error = None
    bench.clock.advance(0.1)
    assert bench.append(writer, b"short") == 2
    assert bench.append(writer, bytes(3000)) == 3
    assert writer.trouble == ""
    writer.close()
    with bench.reader() as reader:
        assert [(one.sequence, one.missing_before) for one in bench.drain(reader)] == [(1, 0), (2, 0), (3, 0)]
        assert reader.damage.missing_records == reader.damage.corrupt_regions == 0


class Struck(BaseException):
    """What a signal handler raises."""


def strike() -> None:
    """Do as a signal handler that raises."""
    raise Struck


@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize("then", ["append", "close", "roll", "large"])
def test_an_exception_around_the_write(tmp_path: Path, where: str, then: str) -> None:
    """A frame whose append was cut short behind its write keeps its sequence: no other record ever gets it."""
    bench = Bench(tmp_path / "spool", "plain")
    disk = Refusing()
    writer = bench.writer("p", disk=disk, segment_max_bytes=1 << 14)
    assert bench.append(writer, b"one") == 1
    setattr(disk, where, strike)
    with pytest.raises(Struck):
        bench.append(writer, b"cut short")
    setattr(disk, where, lambda: None)
    is_stored = where == "behind"
    sizes = {"append": 10, "roll": (1 << 14) - 300, "large": 1 << 15}
    if then in sizes:
        assert bench.append(writer, bytes(sizes[then])) == 2 + is_stored
        assert writer.last_sequence == 2 + is_stored
    writer.close()
    assert writer.drops == {}
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert reader.damage.is_none
    assert [one.sequence for one in found] == list(range(1, 2 + is_stored + (then in sizes)))
    assert any(b"cut short" in one.payload for one in found) == is_stored


def test_whether_it_is_there_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sequence that may be in a file which cannot be read back is given up: rather a gap than one id for two."""
    bench = Bench(tmp_path / "spool", "plain")
    disk = Refusing()
    writer = bench.writer("p", disk=disk)
    assert bench.append(writer, b"one") == 1
    disk.error, disk.part = errno.EIO, 1 << 20

    def unreadable(*_arguments: object) -> bytes:
        raise OSError(errno.EIO, "injected")

    with monkeypatch.context() as patch:
        patch.setattr("shipper.spool.plain.os.pread", unreadable)
        assert bench.append(writer, b"perhaps") is None
        disk.error = None
        assert bench.append(writer, b"three") == 3
    writer.close()
    assert writer.drops == {"disk_error": 1}
    with bench.reader() as reader:
        found = {one.sequence: one.payload for one in bench.drain(reader)}
    assert b"three" in found[3]
    assert b"perhaps" in found[2]


@pytest.mark.parametrize("size", [0, 30, 72, 500])
def test_a_file_that_somebody_cuts(tmp_path: Path, size: int) -> None:
    """U22: a segment cut under its living writer: it goes on, what was lost is a named gap, nobody dies of it."""
    bench = Bench(tmp_path / "spool", "plain")
    writer = bench.writer("p")
    for _ in range(20):
        bench.append(writer, bytes(100))
    os.truncate(segment_path(bench.root / "p", 1), size)
    for _ in range(3000):
        assert bench.append(writer, bytes(100)) is not None
    writer.close()
    with bench.reader() as reader:
        found = bench.drain(reader)
        missing = reader.damage.missing_records
    sequences = [one.sequence for one in found]
    assert sequences == sorted(set(sequences))
    assert sequences[-1] == 3020
    assert missing == 3020 - len(sequences)
    assert missing >= 15


def test_nothing_is_mapped(tmp_path: Path) -> None:
    """With `plain` no segment is in the memory of the process."""
    bench = Bench(tmp_path / "spool", "plain")
    writer = bench.writer("p")
    bench.append(writer)
    assert isinstance(writer._tail, SegmentTail)
    assert ".segment" not in Path("/proc/self/maps").read_text()
    writer.close()


@pytest.mark.parametrize("writes", ["mapped", "plain"])
def test_both_ways_leave_the_same_file(tmp_path: Path, writes: str) -> None:
    """One format: what is in a segment does not tell how it was written."""
    contents: list[bytes] = []
    for way in ("mapped", writes):
        bench = Bench(tmp_path / f"{way}-{len(contents)}", way)
        writer = bench.writer("p")
        for size in (0, 10, 5000):
            bench.append(writer, bytes(size))
        writer.close()
        contents.append(segment_path(bench.root / "p", 1).read_bytes())
    assert contents[0] == contents[1]
