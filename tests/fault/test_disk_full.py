"""A file system that is really full: a small one in memory, mounted for the test."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from tests.fault.dying import in_child
from tests.unit.spool.bench import Bench


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait for a condition: the free space of a disk is looked up only from time to time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        threading.Event().wait(0.02)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MiB; only root may."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root; the same faults are injected in tests/unit/spool")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest", "block"])
@pytest.mark.parametrize("floor", [0, 256 << 10])
def test_a_full_disk_becomes_the_policy(small_disk: Path, when_full: str, floor: int) -> None:
    """U26: ENOSPC and the floor turn into drops by policy, never an exception; no gap but the counted one."""
    bench = Bench(small_disk / "spool")
    writer = bench.writer(
        max_bytes=64 << 20,
        segment_max_bytes=1 << 17,
        when_full=when_full,
        block_timeout_s=0.01,
        free_space_floor_bytes=floor,
        clock=SystemClock(),
    )
    stored = [bench.append(writer, bytes(3000)) for _ in range(900)]
    kept = [sequence for sequence in stored if sequence is not None]
    assert kept == list(range(1, len(kept) + 1))
    drops = writer.drops
    assert len(stored) - len(kept) == sum(n for reason, n in drops.items() if reason != "evicted")
    if when_full == "drop_oldest":
        assert drops["evicted"] > 0
        assert stored[-1] is not None, "the newest is kept"
    else:
        assert set(drops) <= {"disk_full", "free_space_floor"}
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert len(found) + drops.get("evicted", 0) == len(kept)
        assert reader.damage.is_none
        reader.acknowledge(found[-1].position)
    # A disk without a free byte did not keep the reader from acknowledging, and so from making room.
    until(lambda: bench.append(writer, bytes(3000)) is not None)
    writer.close()


def test_a_disk_that_others_filled(small_disk: Path) -> None:
    """U26: a disk filled by somebody else is a counted drop; a reader can still acknowledge; then all goes on."""
    bench = Bench(small_disk / "spool")
    writer = bench.writer(max_bytes=64 << 20, segment_max_bytes=1 << 16)
    for _ in range(100):
        bench.append(writer, bytes(3000))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    while bench.append(writer, bytes(3000)) is not None:
        pass  # what was allocated before has its place
    assert writer.drops == {"disk_full": 1}
    last = writer.last_sequence
    assert last < 200
    with bench.reader() as reader:
        for _ in range(60):
            record = reader.read()
        assert record is not None
        reader.acknowledge(record.position)
    bench.clock.advance(0.1)
    assert bench.append(writer) == last + 1
    filler.unlink()
    writer.close()
    assert bench.sequences() == list(range(61, last + 2))


def test_a_limit_on_the_size_of_files(bench: Bench) -> None:
    """U26: where no file may grow beyond a limit (`ulimit -f`), segments end there and the next one goes on."""

    def work(tell: Callable[[int], None]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        writer = bench.writer("p")
        for _ in range(1000):
            tell(bench.append(writer, bytes(1000)) or 0)
        writer.close()

    end, told = in_child(work)
    assert end == 0
    assert told == list(range(1, 1001))
    assert bench.sequences(bench.root / "p") == told
