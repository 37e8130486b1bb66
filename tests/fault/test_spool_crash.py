"""kill -9 at every change that the spool makes to the disk, and at random instants."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

import pytest

from shipper.spool.directory import scan, sweep
from shipper.spool.reader import SpoolReader
from tests.fault.dying import AFTER, BEFORE, HALF, DyingDisk, die, in_child
from tests.fault.interrupting import Interrupter
from tests.unit.spool.bench import Bench

MOMENTS = (BEFORE, HALF, AFTER)


def write_some(bench: Bench, disk: DyingDisk, when_full: str, tell: Callable[[int], None]) -> None:
    """Append records over several segments (and, with drop_oldest, evictions), telling each that returned."""
    writer = bench.writer("p", disk=disk, max_bytes=1 << 16, segment_max_bytes=1 << 14, when_full=when_full)
    for _ in range(9):
        sequence = bench.append(writer, bytes(9000))
        if sequence is not None:
            tell(sequence)
    writer.close()


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_killed_at_each_write_boundary_of_the_writer(bench: Bench, when_full: str) -> None:
    """U22: whatever change of the disk the writer dies at, each append that returned is there, in order, once."""
    whole = DyingDisk()
    write_some(bench.beside("whole"), whole, when_full, lambda _number: None)
    for fatal in range(1, whole.count + 1):
        for moment in MOMENTS:
            one = bench.beside(f"{fatal}-{moment}")
            dying = DyingDisk(fatal, moment)
            end, told = in_child(
                lambda tell, one=one, dying=dying: write_some(one, dying, when_full, tell)  # type: ignore[misc]
            )
            assert end == -signal.SIGKILL
            check_after_crash(one, told)


@pytest.mark.parametrize("stride", [11, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_at_each_line_of_the_writer(bench: Bench, stride: int) -> None:
    """U22: dead at any line of an append, between a body and its head too: what was told is there, whole, once."""

    def write(one: Bench, interrupter: Interrupter, tell: Callable[[int], None]) -> None:
        writer = one.writer("p", segment_max_bytes=1 << 19)
        for size in (50, 1500, 50, 200_000, 50, 400_000, 50):
            with interrupter.watching():
                sequence = one.append(writer, bytes(size))
            assert sequence is not None
            tell(sequence)

    whole = Interrupter()
    write(bench.beside("whole"), whole, lambda _number: None)
    assert whole.lines > 300
    for fatal in range(1, whole.lines + 1, stride):
        one = bench.beside(fatal)
        end, told = in_child(
            lambda tell, one=one, fatal=fatal: write(one, Interrupter(fatal, die), tell)  # type: ignore[misc]
        )
        assert end == -signal.SIGKILL
        check_after_crash(one, told)


def check_after_crash(bench: Bench, told: list[int]) -> None:
    """Everything told is read back in order and once; at most one record more, the one that was being appended."""
    sweep(bench.root, left_behind_s=0)
    if not scan(bench.root):
        assert told == []
        assert list(bench.root.iterdir()) == [], "litter of a folder that never came to be"
        return
    with bench.reader() as reader:
        found = [record.sequence for record in bench.drain(reader)]
        evicted = (found[0] if found else 1) - 1
        assert reader.damage.missing_records == 0
        assert reader.damage.corrupt_regions == 0
        assert reader.damage.torn_tails <= 1
        assert found == list(range(evicted + 1, evicted + 1 + len(found)))
        # The evicted ones lie before the first that is left; told ones behind it must all be there.
        assert set(told) - set(range(1, evicted + 1)) <= set(found)
        assert len(found) + evicted <= len(told) + 1
        if found:
            reader.acknowledge(reader._returned)
        assert reader.is_finished()
        reader.remove()
    assert list(bench.root.iterdir()) == []


def read_some(bench: Bench, disk: DyingDisk, tell: Callable[[int], None]) -> None:
    """Read and acknowledge in batches of four, telling the last sequence of each acknowledged batch."""
    reader = SpoolReader.open(bench.root / "p", disk=disk)
    assert reader is not None
    while True:
        batch = [record for record in (reader.read() for _ in range(4)) if record is not None]
        if not batch:
            break
        reader.acknowledge(batch[-1].position)
        tell(batch[-1].sequence)
    reader.remove()


def test_killed_at_each_write_boundary_of_the_reader(bench: Bench) -> None:
    """U23, U24: whatever change the reader dies at, nothing is lost, and at most one batch comes again."""

    def fill(one: Bench) -> None:
        writer = one.writer("p", segment_max_bytes=4096)
        for _ in range(24):
            one.append(writer, bytes(900))
        writer.close()

    fill(bench)
    whole = DyingDisk()
    read_some(bench, whole, lambda _number: None)
    assert whole.count > 10
    for fatal in range(1, whole.count + 1):
        for moment in MOMENTS:
            one = bench.beside(f"{fatal}-{moment}")
            fill(one)
            dying = DyingDisk(fatal, moment)
            end, told = in_child(
                lambda tell, one=one, dying=dying: read_some(one, dying, tell)  # type: ignore[misc]
            )
            assert end == -signal.SIGKILL
            acknowledged = max(told, default=0)
            with one.reader() as reader:
                left = [record.sequence for record in one.drain(reader)]
                assert reader.damage.is_none
            assert left in (list(range(acknowledged + 1, 25)), list(range(acknowledged + 5, 25)))


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_a_random_instant_under_load(bench: Bench, seed: int) -> None:
    """U22: four threads append as fast as they can and the process is killed: no returned append is lost."""
    delay_s = random.Random(seed).uniform(0.005, 0.08)

    def work(tell: Callable[[int], None]) -> None:
        writer = bench.writer("p", segment_max_bytes=1 << 15)

        def append() -> None:
            while True:
                sequence = bench.append(writer, bytes(700))
                assert sequence is not None
                tell(sequence)

        for _ in range(4):
            threading.Thread(target=append, daemon=True).start()
        threading.Event().wait(delay_s)
        die()

    end, told = in_child(work)
    assert end == -signal.SIGKILL
    with bench.reader() as reader:
        found = [record.sequence for record in bench.drain(reader)]
        assert reader.damage.missing_records == reader.damage.corrupt_regions == 0
    assert found == list(range(1, len(found) + 1))
    assert set(told) <= set(found)
    assert len(found) <= len(told) + 4, "at most the appends that had not returned yet"
