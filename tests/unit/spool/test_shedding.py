"""A spool that gets full: what ranks low goes first, errors last."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.spool.disk import Disk
from shipper.spool.folder import WriterFolder
from shipper.spool.policy import KEPT_PERCENT, SpoolPolicy, rank_of
from shipper.spool.segment import HEADER_BYTES
from shipper.spool.supply import Supply
from shipper.spool.tail import SegmentTail
from shipper.spool.writer import SpoolWriter
from tests.unit.spool.bench import Bench

DEBUG, INFO, WARNING, ERROR, CRITICAL = LEVELS = (10, 20, 30, 40, 50)
SMALLEST = 1 << 16
ROOT = Path(__file__).parents[3]


def fill(bench: Bench, writer: SpoolWriter, level: int, size: int = 300) -> int:
    """Append records of a level until one is refused; return how many were stored."""
    stored = 0
    while bench.append(writer, bytes(size), level=level) is not None:
        stored += 1
    return stored


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: type) -> list[int]:
    """Return a list that grows by a rank at each call of the class's `make_room`."""
    calls: list[int] = []
    original = owner.make_room  # type: ignore[attr-defined]

    def spy(self: object, frame_bytes: int, rank: int) -> object:
        calls.append(rank)
        return original(self, frame_bytes, rank)

    monkeypatch.setattr(owner, "make_room", spy)
    return calls


def written_bytes(bench: Bench, writer: SpoolWriter) -> int:
    """Return the bytes of all segments after the writer was closed: without what was allocated ahead."""
    writer.close()
    return sum(path.stat().st_size for path in bench.root.glob("*/*.segment"))


def test_levels_rank_in_their_order() -> None:
    """U15: debug ranks below info, info below warning, errors and above have all the room; nothing is below debug."""
    assert [rank_of(level) for level in LEVELS] == [0, 1, 2, 3, 3]
    ranks = [rank_of(level) for level in range(256)]
    assert ranks == sorted(ranks)
    assert [rank_of(level) for level in (0, 5, 19, 25, 35, 255)] == [0, 0, 0, 1, 2, 3]
    assert list(KEPT_PERCENT) == sorted(set(KEPT_PERCENT), reverse=True)
    assert KEPT_PERCENT[rank_of(ERROR)] == 0


def test_the_docs_name_the_shares() -> None:
    """U15: the how-to says for each level how much it may use, as it is in the code."""
    page = (ROOT / "docs/how-to/choose-when-full.md").read_text("utf-8")
    for level, kept in zip(("debug", "info", "warning", "error, critical"), KEPT_PERCENT, strict=True):
        share = f"{100 - kept} %" if kept else "all"
        floor = f"the floor and {kept} % of it" if kept else "the floor"
        assert f"| {level} | {share} | {floor} |\n" in page


@pytest.mark.slow
@pytest.mark.parametrize("when_full", ["drop_newest", "block"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("max_bytes", [SMALLEST, 1 << 20, (3 << 20) + 12_345])
@pytest.mark.parametrize("size", [0, 300, 2900])
def test_each_level_fills_its_share_and_no_more(
    bench: Bench, max_bytes: int, level: int, size: int, when_full: str
) -> None:
    """U15: a level has all of its share, exactly, however much was allocated ahead; then it is refused."""
    writer = bench.writer(max_bytes=max_bytes, when_full=when_full, block_timeout_s=0)
    stored = fill(bench, writer, level, size)
    share = max_bytes - SpoolPolicy(max_bytes=max_bytes).kept_bytes(rank_of(level))
    written = written_bytes(bench, writer)
    frame = written / stored
    assert share - 2 * frame - HEADER_BYTES < written <= share
    assert writer.drops == {"spool_full": 1}


@pytest.mark.parametrize("max_bytes", [SMALLEST, 1 << 20])
@pytest.mark.parametrize("when_full", ["drop_newest", "block"])
def test_errors_still_fit_where_debug_is_refused(bench: Bench, max_bytes: int, when_full: str) -> None:
    """U15: debug goes first, then info, then warnings, errors last; each drop is counted, and there is no gap."""
    writer = bench.writer(max_bytes=max_bytes, when_full=when_full, block_timeout_s=0)
    stored = Counter[int]()
    refused = 0
    for place, level in enumerate((DEBUG, INFO, WARNING, ERROR)):
        stored[level] = fill(bench, writer, level)
        refused += 1
        assert stored[level] > 0
        for lower in LEVELS[:place]:
            assert bench.append(writer, bytes(300), level=lower) is None
            refused += 1
    assert bench.append(writer, bytes(300), level=CRITICAL) is None
    assert writer.drops == {"spool_full": refused + 1}
    assert sum(count for _, count in bench.drops) == refused + 1
    assert written_bytes(bench, writer) <= max_bytes
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert reader.damage.is_none
    assert [record.sequence for record in found] == list(range(1, stored.total() + 1))
    assert Counter(record.level for record in found) == stored


def test_a_refused_debug_record_refuses_no_error(bench: Bench) -> None:
    """U15: that debug was refused just now is remembered for debug alone; errors go in between, at the same instant."""
    writer = bench.writer(max_bytes=SMALLEST)
    before = fill(bench, writer, DEBUG, size=100)
    errors = 0
    while bench.append(writer, bytes(100), level=ERROR) is not None:
        errors += 1
        assert bench.append(writer, bytes(100), level=DEBUG) is None
    frame = (SMALLEST * 85 // 100) / before
    assert errors == pytest.approx(SMALLEST * 0.15 / frame, abs=3)
    writer.close()


def test_the_last_error_leaves_no_place_to_debug(bench: Bench) -> None:
    """U15: room that was made for one error is used up by it: a debug record, however small, does not slip in."""
    writer = bench.writer(max_bytes=1 << 20)
    fill(bench, writer, DEBUG, size=0)
    for _ in range(50):
        assert bench.append(writer, bytes(500), level=ERROR) is not None
        assert bench.append(writer, b"", level=DEBUG) is None
    writer.close()


def test_dropping_stays_cheap(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """U12: a level that is refused is looked at again only after a moment, each level for itself."""
    writer = bench.writer(max_bytes=SMALLEST)
    for level in LEVELS:
        fill(bench, writer, level)
    bench.clock.advance(1)
    calls = count_calls(monkeypatch, WriterFolder)
    for _ in range(500):
        for level in LEVELS:
            assert bench.append(writer, bytes(300), level=level) is None
    assert sorted(calls) == [0, 1, 2, 3]
    writer.close()


def test_a_record_costs_no_more_while_there_is_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """U12: below what is kept, room is asked for once per stretch, whatever the level; so again after a reader made room."""
    calls = count_calls(monkeypatch, Supply)
    writer = bench.writer(max_bytes=1 << 20)
    for _ in range(200):
        for level in LEVELS:
            assert bench.append(writer, bytes(500), level=level) is not None
    assert len(calls) < 12
    fill(bench, writer, DEBUG)
    calls.clear()
    for _ in range(20):
        assert bench.append(writer, bytes(500), level=ERROR) is not None
    assert len(calls) == 20, "within what is kept each record is looked at"
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[-1].position)
    bench.clock.advance(1)
    calls.clear()
    for _ in range(200):
        assert bench.append(writer, bytes(500), level=ERROR) is not None
    assert len(calls) < 4
    assert bench.append(writer, level=DEBUG) is not None
    writer.close()


def test_the_file_is_not_looked_at_for_each_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """U12: an error within what is kept costs no look at the file, but the one per stretch."""
    writer = bench.writer(max_bytes=8 << 20)
    fill(bench, writer, WARNING)
    looks: list[SegmentTail] = []
    original = SegmentTail.check

    def spy(tail: SegmentTail) -> None:
        looks.append(tail)
        original(tail)

    monkeypatch.setattr(SegmentTail, "check", spy)
    for _ in range(500):
        assert bench.append(writer, bytes(300), level=ERROR) is not None
    assert 0 < len(looks) < 30
    monkeypatch.undo()
    writer.close()


def test_an_error_does_not_wait_behind_a_blocked_debug_record(bench: Bench) -> None:
    """U15: with block, debug waits for room outside the lock: an error is stored meanwhile."""
    writer = bench.writer(max_bytes=SMALLEST, when_full="block", block_timeout_s=20, clock=SystemClock())
    while writer.last_sequence < 45:
        bench.append(writer, bytes(1000), level=DEBUG)
    blocked = [
        threading.Thread(target=bench.append, args=(writer, bytes(12_000)), kwargs={"level": DEBUG})
        for _ in range(3)
    ]
    for thread in blocked:
        thread.start()
    time.sleep(0.1)
    assert all(thread.is_alive() for thread in blocked)
    started = time.monotonic()
    assert bench.append(writer, bytes(12_000), level=ERROR) == 46
    assert time.monotonic() - started < 2
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[-1].position)
    for thread in blocked:
        thread.join(30)
    assert writer.drops == {}
    assert writer.last_sequence == 49
    writer.close()


def test_drop_oldest_keeps_nothing_back(bench: Bench) -> None:
    """U15: drop_oldest gives up whole segments, whatever their levels: the newest record has all the room."""
    writer = bench.writer(max_bytes=SMALLEST, when_full="drop_oldest")
    for level in LEVELS * 60:
        assert bench.append(writer, bytes(1000), level=level) is not None
    assert set(writer.drops) == {"evicted"}
    assert written_bytes(bench, writer) > SMALLEST * 0.7
    policy = SpoolPolicy(when_full="drop_oldest")
    assert [policy.kept_bytes(rank) + policy.kept_free_bytes(rank) for rank in range(4)] == [0] * 4


def test_a_record_larger_than_its_levels_share_is_too_large(bench: Bench) -> None:
    """U38: what could not be stored in an empty spool is not waited for; the same record as an error is."""
    writer = bench.writer(max_bytes=SMALLEST, when_full="block", block_timeout_s=60)
    body = bytes(SMALLEST * 9 // 10)
    assert bench.append(writer, body, level=DEBUG) is None
    assert bench.append(writer, body, level=ERROR) == 1
    assert writer.drops == {"too_large": 1}
    writer.close()


class SmallDisk(Disk):
    """A disk on which `size_bytes` were free at first."""

    def __init__(self, root: Path, size_bytes: int) -> None:
        self.root = root
        self.size_bytes = size_bytes
        self.looks = 0

    def free_bytes(self, path: Path) -> int:
        self.looks += 1
        return self.size_bytes - sum(found.stat().st_size for found in self.root.glob("*/*.segment"))


@pytest.mark.parametrize("size", [300, 5000])
def test_room_above_the_floor_is_kept_for_errors(bench: Bench, size: int) -> None:
    """U15: when others fill the disk, debug is refused before the floor is reached, and errors are stored down to it."""
    floor = 4 << 20
    disk = SmallDisk(bench.root, floor + (3 << 20))
    writer = bench.writer(disk=disk, free_space_floor_bytes=floor)
    policy = SpoolPolicy(free_space_floor_bytes=floor)
    refused = 0
    for level in (DEBUG, INFO, WARNING, ERROR):
        stored = 0
        for _ in range(20):  # half of what is left is given at a time
            stored += fill(bench, writer, level, size)
            refused += 1
            bench.clock.advance(1.1)
        assert stored > 0
        left = disk.free_bytes(bench.root) - floor
        kept = policy.kept_free_bytes(rank_of(level))
        assert kept <= left < kept + size + 200
        assert bench.append(writer, bytes(size), level=DEBUG) is None
        refused += 1
    assert writer.drops == {"free_space_floor": refused}
    writer.close()


def test_below_the_floor_of_debug_an_error_is_stored_at_once(bench: Bench) -> None:
    """U15: that the disk was short for debug just now refuses no error, and the disk is not asked for each of them."""
    floor = 4 << 20
    disk = SmallDisk(bench.root, floor + (1 << 19))
    writer = bench.writer(disk=disk, free_space_floor_bytes=floor, segment_max_bytes=1 << 16)
    fill(bench, writer, DEBUG)
    looks = disk.looks
    for _ in range(100):
        assert bench.append(writer, bytes(300), level=DEBUG) is None
        assert bench.append(writer, bytes(300), level=ERROR) is not None
    assert disk.looks - looks <= 1
    assert set(writer.drops) == {"free_space_floor"}
    writer.close()


def test_debug_has_all_that_is_not_kept_above_the_floor(bench: Bench) -> None:
    """U15: only the kept part is refused to debug: half of the rest is given at a time, and looked at again at once."""
    policy = SpoolPolicy()
    kept = policy.kept_free_bytes(rank_of(DEBUG))
    disk = SmallDisk(bench.root, policy.free_space_floor_bytes + kept + (6 << 20))
    writer = bench.writer(disk=disk, free_space_floor_bytes=policy.free_space_floor_bytes)
    fill(bench, writer, DEBUG, size=5000)
    left = disk.free_bytes(bench.root) - policy.free_space_floor_bytes
    assert kept <= left < kept + 5200
    writer.close()
