"""The file that tells what a writer refused: exact after its death, unknown after damage, never wrong."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.clock import ManualClock
from shipper.spool.directory import remove_folder
from shipper.spool.disk import Disk
from shipper.spool.drops import FILE_BYTES, FILE_NAME, DropTally, empty_file, read_drops
from shipper.spool.policy import DropReason
from shipper.spool.survey import survey_folder
from shipper.spool.tombstones import read_tombstones
from shipper.spool.writer import SpoolWriter
from tests.unit.spool.bench import Bench

SMALL: dict[str, Any] = {"max_bytes": 1 << 16, "segment_max_bytes": 1 << 14}


def flood(bench: Bench, writer: SpoolWriter, count: int = 200) -> int:
    """Append more than there is room for; return how many were refused."""
    return [bench.append(writer, bytes(1000)) for _ in range(count)].count(None)


def told(directory: Path) -> dict[str, int]:
    """Return what the folder says."""
    found = read_drops(directory)
    assert found is not None
    return dict(found.counts)


def test_each_refusal_is_in_the_folder_when_the_call_returns(bench: Bench) -> None:
    """U25: refusals are told by the folder at once, each under its reason, with the time of the last one."""
    writer = bench.writer("p", **SMALL)
    assert told(bench.root / "p") == {}
    refused = flood(bench, writer)
    assert refused > 100
    assert told(bench.root / "p") == {"spool_full": refused}
    bench.clock.advance(5)
    assert bench.append(writer, bytes(1 << 17)) is None
    found = read_drops(bench.root / "p")
    assert found is not None
    assert dict(found.counts) == {"spool_full": refused, "too_large": 1} == dict(writer.drops)
    assert found.changed_us == bench.clock.now_us()
    assert survey_folder(bench.root / "p").dropped == found.counts
    writer.close()
    with bench.reader() as reader:
        assert reader.drops == found


def test_evictions_are_told_before_they_happen(bench: Bench) -> None:
    """U25: with drop_oldest the folder tells how many made room, and not fewer at the instant at which they go."""

    class Watching(Disk):
        def unlink(self, path: Path) -> None:
            if path.suffix == ".segment":
                buried = sum(one.last - one.first + 1 for one in read_tombstones(path.parent))
                seen.append((told(path.parent)["evicted"], buried))
            super().unlink(path)

    seen: list[tuple[int, int]] = []
    writer = bench.writer("p", disk=Watching(), when_full="drop_oldest", **SMALL)
    assert flood(bench, writer) == 0
    assert len(seen) > 3
    assert all(counted == buried for counted, buried in seen)
    assert told(bench.root / "p") == dict(writer.drops) == {"evicted": seen[-1][0]}
    writer.close()


def test_drops_before_there_is_a_folder_are_in_the_folder(bench: Bench) -> None:
    """While the root cannot be used drops are counted in memory, and written as soon as there is a folder."""
    bench.root.parent.mkdir(exist_ok=True, parents=True)
    bench.root.write_text("in the way")
    writer = bench.writer("p")
    assert [bench.append(writer) for _ in range(7)] == [None] * 7
    bench.root.unlink()
    bench.clock.advance(2)
    assert bench.append(writer) == 1
    assert told(bench.root / "p") == {"spool_unavailable": 7}
    writer.close()


def test_a_folder_that_is_made_anew_goes_on_counting(bench: Bench) -> None:
    """U24: somebody deletes the folder under its writer: the new one tells of all drops, those before included."""
    writer = bench.writer("p", **SMALL)
    before = flood(bench, writer)
    shutil.rmtree(bench.root / "p")
    bench.clock.advance(1)
    writer.sync_if_due()
    bench.clock.advance(1)
    again = flood(bench, writer)
    assert (bench.root / "p").exists()
    assert again > 0
    assert told(bench.root / "p") == {"spool_full": before + again} == dict(writer.drops)
    writer.close()


def test_a_folder_that_holds_nothing_but_drops_stays(bench: Bench) -> None:
    """A process that could store nothing leaves its folder to be told of; without drops it goes at the close."""
    writer = bench.writer("p", **SMALL)
    assert bench.append(writer, bytes(1 << 17)) is None
    writer.close()
    assert told(bench.root / "p") == {"too_large": 1}
    remove_folder(bench.root / "p")
    bench.writer("q").close()
    assert not (bench.root / "q").exists()


def test_what_is_closed_is_no_drop(bench: Bench) -> None:
    """A closed writer's records go to the next spool, or are counted there: its folder does not tell of them."""
    writer = bench.writer("p")
    bench.append(writer)
    writer.close()
    assert bench.append(writer) is None
    assert told(bench.root / "p") == {}
    assert writer.drops == {"closed": 1}


def test_many_threads_lose_no_count(bench: Bench) -> None:
    """U25: refused in eight threads at once, the folder has the exact number."""
    writer = bench.writer("p", **SMALL)
    refused = [flood(bench, writer)]
    threads = [threading.Thread(target=lambda: refused.append(flood(bench, writer, 700))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(bench.root / "p") == {"spool_full": sum(refused)} == dict(writer.drops)
    writer.close()


def test_a_cut_file_is_unknown_and_kills_nobody(bench: Bench) -> None:
    """Somebody cuts the file: what it told is unknown, and refusals go on."""
    writer = bench.writer("p", **SMALL)
    refused = flood(bench, writer, 100)
    # The look that finds it comes with each 256th drop; until then it is at risk, see FORMAT.md.
    while writer.drops["spool_full"] % 256 != 255:
        refused += flood(bench, writer, 1)
    path = bench.root / "p" / FILE_NAME
    os.truncate(path, 100)
    if bench.writes == "mapped":
        tally = writer._tally
        tally._look()
    refused += flood(bench, writer, 300)
    assert writer.drops == {"spool_full": refused}
    writer.close()
    if bench.writes == "mapped":
        assert path.stat().st_size == 100
    assert read_drops(bench.root / "p") is None


def test_a_file_that_cannot_be_opened_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor for it the file says that nothing is known, rather than what was true before."""
    real = os.open

    def refusing(path: str | Path, flags: int, *more: int) -> int:
        if Path(path).name == FILE_NAME and not flags & os.O_CREAT:
            raise OSError(errno.EMFILE, "injected")
        return real(path, flags, *more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        writer = bench.writer("p", **SMALL)
    assert flood(bench, writer) == writer.drops["spool_full"]
    assert read_drops(bench.root / "p") is None
    writer.close()


def test_a_disk_that_takes_it_later(tmp_path: Path) -> None:
    """Plain: a store that the disk refuses is made good by the next drop of that reason."""

    class Full(Disk):
        is_full = False

        def store(self, descriptor: int, data: bytes, offset: int) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, "injected")
            super().store(descriptor, data, offset)

    disk = Full()
    (tmp_path / FILE_NAME).write_bytes(empty_file())
    tally = DropTally(ManualClock(), disk)
    tally.attach(tmp_path, is_mapped=False)
    tally.add(DropReason.DISK_FULL)
    disk.is_full = True
    tally.add(DropReason.DISK_FULL)
    assert told(tmp_path) == {"disk_full": 1}
    disk.is_full = False
    tally.add(DropReason.DISK_FULL)
    assert told(tmp_path) == {"disk_full": 3}
    tally.release()


@pytest.mark.slow
@settings(max_examples=300)
@given(
    counts=st.lists(st.integers(0, 1 << 47), min_size=9, max_size=9),
    at=st.integers(0, 64 + 9 * 16 - 1),
    value=st.integers(0, 255),
)
def test_a_wrong_byte_is_never_a_wrong_number(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], at: int, value: int
) -> None:
    """Any one byte that is not what was written: the counts are the right ones, or unknown."""
    directory = tmp_path_factory.mktemp("one")
    (directory / FILE_NAME).write_bytes(empty_file())
    tally = DropTally(ManualClock(), Disk())
    tally.attach(directory, is_mapped=True)
    for reason, count in zip(DropReason, counts, strict=True):
        tally.add(reason, count)
    tally.release()
    expected = {
        reason.value: count
        for reason, count in zip(DropReason, counts, strict=True)
        if count and reason is not DropReason.CLOSED
    }
    assert told(directory) == expected
    data = bytearray((directory / FILE_NAME).read_bytes())
    data[at] = value
    (directory / FILE_NAME).write_bytes(data)
    found = read_drops(directory)
    assert found is None or dict(found.counts) == expected


@pytest.mark.parametrize(
    "content", [b"", bytes(FILE_BYTES), empty_file()[:-1], empty_file() + b"\0", b"\xff" * FILE_BYTES]
)
def test_what_is_no_such_file_is_unknown(tmp_path: Path, content: bytes) -> None:
    """Empty, zeros, cut, too long, noise, missing: unknown, never zero drops."""
    assert read_drops(tmp_path) is None
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_drops(tmp_path) is None
    assert len(empty_file()) == FILE_BYTES
