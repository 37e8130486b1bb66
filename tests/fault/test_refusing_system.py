"""Every call of the spool to the operating system refused, one after the other, with everything that it may say."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import shipper.spool.tail
from shipper.errors import SpoolUnreadable
from shipper.spool.directory import scan, sweep
from shipper.spool.reader import SpoolReader
from tests.unit.spool.bench import Bench

ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.EACCES, errno.ESTALE]
CALLS = (
    "os.open", "os.write", "os.pwrite", "os.pread", "os.ftruncate", "os.truncate", "os.posix_fallocate", "os.fdatasync",
    "os.fsync", "os.fstat", "os.statvfs", "os.listdir", "os.scandir", "os.unlink", "os.rename", "os.replace", "os.mkdir",
    "os.stat", "fcntl.flock",
)  # fmt: skip
"""What the spool and `pathlib`, on its behalf, ask of the operating system."""


class RefusingSystem:
    """Lets the `fatal`-th call (1 = the first) fail with `number`, and `length` - 1 more; `count` tells how many there were."""

    def __init__(self, fatal: int = 0, number: int = 0, length: int = 1) -> None:
        self.count = 0
        self._refused = range(fatal, fatal + length)
        self._number = number

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count in self._refused:
                raise OSError(self._number, os.strerror(self._number))
            return call(*arguments, **named)

        return asked

    @contextmanager
    def watching(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Stand between the spool and the operating system."""
        with patch.context() as context:
            context.setattr(shipper.spool.tail, "_map", self.around(shipper.spool.tail._map))
            for name in CALLS:
                module, _, call = name.partition(".")
                home = fcntl if module == "fcntl" else os
                context.setattr(home, call, self.around(getattr(home, call)))
            yield


def write(bench: Bench, told: list[int], fsync: str) -> Any:
    """Append records over some segments; whatever the disk says, nothing is raised."""
    writer = bench.writer("p", segment_max_bytes=1 << 12, max_bytes=1 << 16, clock=bench.clock, fsync=fsync)
    for _ in range(12):
        sequence = bench.append(writer, bytes(1500))
        if sequence is not None:
            told.append(sequence)
        bench.clock.advance(0.03)
        writer.sync_if_due()
    return writer


@pytest.mark.parametrize("number", [pytest.param(one, id=errno.errorcode[one]) for one in ERRORS])
@pytest.mark.parametrize("length", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_the_writer(bench: Bench, number: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """U26: whichever call is refused, the application gets no exception; what was told is there, the rest is counted."""
    whole = RefusingSystem()
    with whole.watching(monkeypatch):
        write(bench.beside("whole"), [], "always").close()
    assert whole.count > 60
    step = 3 if length == 1 else 7
    for fatal in range(1, whole.count + 1, step):
        one, told = bench.beside(f"{fatal}"), list[int]()
        with RefusingSystem(fatal, number, length).watching(monkeypatch):
            writer = write(one, told, "always")
        one.clock.advance(2)
        told.append(one.append(writer, b"well again") or 0)
        dropped = sum(writer.drops.values())
        # Only what was written and could not be read back gives its number up.
        given_up = told[-1] - len(told)
        assert told == sorted(set(told)), (fatal, writer.drops)
        assert given_up <= (bench.writes == "plain" and length > 1), (fatal, told)
        assert dropped == 13 - len(told)
        writer.close()
        sweep(one.root, left_behind_s=0)
        (folder,) = scan(one.root)
        with one.reader(folder) as reader:
            assert [record.sequence for record in one.drain(reader)] == told
            assert reader.damage.missing_records == given_up


@pytest.mark.parametrize("number", [pytest.param(one, id=errno.errorcode[one]) for one in ERRORS])
def test_the_reader(bench: Bench, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """U23: whichever call of a reader is refused, it says so by one error, loses nothing, and goes on when asked again."""

    def fill(one: Bench) -> None:
        writer = one.writer("p", segment_max_bytes=4096)
        for _ in range(16):
            one.append(writer, bytes(900))
        writer.close()

    def read(one: Bench, found: list[int]) -> None:
        reader = SpoolReader.open(one.root / "p")
        if reader is None:
            return
        try:
            while (record := reader.read()) is not None:
                assert record.missing_before == 0
                found.append(record.sequence)
                if record.sequence % 4 == 0:
                    reader.acknowledge(record.position)
            reader.acknowledge(reader._returned)
            reader.remove()
            assert reader.damage.missing_records == 0
        finally:
            reader.close()

    whole = RefusingSystem()
    fill(bench.beside("whole"))
    with whole.watching(monkeypatch):
        read(bench.beside("whole"), [])
    assert whole.count > 50
    for fatal in range(1, whole.count + 1, 3):
        one, found = bench.beside(f"{fatal}"), list[int]()
        fill(one)
        with RefusingSystem(fatal, number).watching(monkeypatch):
            for _ in range(4):
                try:
                    read(one, found)
                except SpoolUnreadable:
                    continue
        read(one, found)
        assert set(found) == set(range(1, 17)), fatal
        sweep(one.root, left_behind_s=0)
        assert list(one.root.iterdir()) == [], fatal


def test_no_descriptor_left(bench: Bench) -> None:
    """U26: an application without a descriptor to spare (EMFILE) goes on in its spool; a new one is opened later."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    writer = bench.writer("p", segment_max_bytes=1 << 12)
    assert bench.append(writer) == 1
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        assert [bench.append(writer, bytes(1000)) for _ in range(20)] == list(range(2, 22))
        late = bench.writer("late")
        assert bench.append(late) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert late.drops == {"spool_unavailable": 1}
    assert "Too many open files" in late.trouble
    bench.clock.advance(2)
    assert bench.append(late) == 1
    for one in (writer, late):
        one.close()
    assert bench.sequences(bench.root / "p") == list(range(1, 22))
