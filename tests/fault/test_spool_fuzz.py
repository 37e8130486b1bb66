"""Folders damaged at random: never a crash, never a loop, never a false record, each missing record named.

`SEED=7 ROUNDS=100000 pytest tests/fault/test_spool_fuzz.py` goes on for as long as one likes; a failure tells its seed.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from shipper.spool.directory import read_meta, scan
from shipper.spool.reader import SpoolReader
from tests.unit.spool.bench import Bench

SEED: Final = int(os.environ.get("SEED", "1"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "150"))


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of spools are made."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None, prefix="fuzz-") as folder:
        yield Path(folder)


def flip(random_: random.Random, path: Path) -> None:
    """Flip some bits."""
    data = bytearray(path.read_bytes())
    for _ in range(random_.choice((1, 1, 3, 40)) if data else 0):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    overwrite(path, bytes(data))


def zero(random_: random.Random, path: Path) -> None:
    """Let a stretch read as zeros, as a page that never reached the disk."""
    data = path.read_bytes()
    at = random_.randrange(len(data) + 1)
    end = min(len(data), at + random_.choice((1, 30, 500, 4096)))
    overwrite(path, data[:at] + bytes(end - at) + data[end:])


def noise(random_: random.Random, path: Path) -> None:
    """Put arbitrary bytes, and what looks like the begin of a frame, over a stretch."""
    data = path.read_bytes()
    at = random_.randrange(len(data) + 1)
    junk = random_.randbytes(random_.choice((4, 40, 300))) + b"\xff\xfeSF" * random_.randrange(4)
    overwrite(path, data[:at] + junk + data[at + len(junk) :])


def repeat(random_: random.Random, path: Path) -> None:
    """Put one stretch of the file over another."""
    data = path.read_bytes()
    source, target = random_.randrange(len(data) + 1), random_.randrange(len(data) + 1)
    part = data[source : source + random_.randrange(600)]
    overwrite(path, data[:target] + part + data[target + len(part) :])


def cut(random_: random.Random, path: Path) -> None:
    """Cut the file."""
    os.truncate(path, random_.randrange(path.stat().st_size + 1))


def remove(_random: random.Random, path: Path) -> None:
    """Delete the file."""
    path.unlink()


def swap(random_: random.Random, path: Path) -> None:
    """Exchange two files of the folder."""
    other = random_.choice(sorted(path.parent.glob("*.segment")) or [path])
    if other != path:
        between = path.with_name("between")
        path.rename(between)
        other.rename(path)
        between.rename(other)


def copy(random_: random.Random, path: Path) -> None:
    """Put a copy of the file under another name, perhaps over another file."""
    path.with_name(f"{random_.randrange(1, 20):010d}.segment").write_bytes(path.read_bytes())


def overwrite(path: Path, data: bytes) -> None:
    """Change the bytes in place: the file stays the same one, as long as it was."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(data[:size])


HARMFUL: Final[tuple[Callable[[random.Random, Path], None], ...]] = (
    flip, flip, flip, zero, noise, repeat, cut, remove, swap, copy,
)  # fmt: skip


class Round:
    """One folder, what was stored in it, what a reader said of it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.bench = Bench(folder / "spool", self.random.choice(("mapped", "plain")))
        self.stored: dict[int, bytes] = {}
        self.delivered: set[int] = set()
        self.named: set[int] = set()
        self.calls = 0
        self.writer = self.bench.writer("p", segment_max_bytes=self.random.choice((1024, 4096, 1 << 16)))

    @property
    def folder(self) -> Path:
        return self.bench.root / "p"

    def append(self, count: int) -> None:
        for _ in range(count):
            number = self.writer.last_sequence + 1
            body = (
                b"%d " % number + self.random.randbytes(self.random.choice((0, 20, 200, 2000))).hex().encode()
            )
            assert self.bench.append(self.writer, body) == number
            self.stored[number] = b"<#%d#%d#%s>" % (number, number, body)

    def damage(self, harmful: tuple[Callable[[random.Random, Path], None], ...] = HARMFUL) -> None:
        paths = [path for path in sorted(self.folder.iterdir()) if path.suffix != ".lock"]
        if paths:
            harm = self.random.choice(harmful)
            path = self.random.choice(paths)
            if path.suffix == ".segment" or harm not in (swap, copy):
                harm(self.random, path)

    def read(self, reader: SpoolReader, most: int) -> None:
        """Read up to so many, by one or by many; all of it must be true; acknowledge sometimes."""
        for _ in range(most):
            self.calls += 1
            # A duplicated file may hold each record again, so the bound is in files and records.
            assert self.calls < 60 * (len(self.stored) + 100), "the reader loops"
            run = reader.read_run(self.random.choice((1, 5, 1000)), 1 << 20)
            if run is None:
                return
            first = run.rows[0][0]
            self.named.update(range(first - run.missing_before, first))
            for sequence, _, _, _, payload in run.rows:
                assert payload == self.stored[sequence], "a false record"
                self.delivered.add(sequence)
            if self.random.random() < 0.3:
                reader.acknowledge(run.position)

    def finish(self) -> None:
        """Read all that is left; then each record is delivered, or named as missing."""
        reader = SpoolReader.open(self.folder)
        assert reader is not None
        try:
            self.read(reader, 1 << 30)
            missing, last = reader.missing_at_end
            self.named.update(range(last - missing + 1, last + 1))
            reader.acknowledge(reader._returned)
            assert reader.read() is None
            assert reader.is_finished()
            reader.remove()
        finally:
            reader.close()
        assert not self.folder.exists()
        assert set(self.stored) == (self.delivered | self.named) & set(self.stored), "lost without a name"
        assert max(self.named, default=0) <= len(self.stored)


@pytest.mark.parametrize("part", range(4))
def test_dead_folders(part: int) -> None:
    """U22, U23: a dead writer's folder with any damage, also while it is read, is read to its end, all of it accounted for."""
    for number in range(part, ROUNDS, 4):
        with memory_folder() as folder:
            one = Round(SEED * 1_000_003 + number, folder)
            try:
                one.append(one.random.randrange(1, 60))
                one.writer.close()
                for _ in range(one.random.randrange(4)):
                    if one.random.random() < 0.5:
                        reader = SpoolReader.open(one.folder)
                        assert reader is not None
                        one.read(reader, one.random.randrange(8))
                        one.damage()
                        one.read(reader, one.random.randrange(8))
                        reader.close()
                    one.damage()
                one.finish()
            except BaseException:
                print(f"SEED={SEED} round {number}")
                raise


@pytest.mark.parametrize("part", range(4))
def test_living_folders(part: int) -> None:
    """U22, U23: damage beneath a writer that goes on: it never fails, and each record is delivered or named."""
    for number in range(part, ROUNDS, 4):
        with memory_folder() as folder:
            one = Round(SEED * 1_000_003 + number, folder)
            # To be cut is the one thing that a map cannot survive.
            harmful = (flip, zero, noise, repeat, remove, cut if one.bench.writes == "plain" else remove)
            try:
                one.append(one.random.randrange(1, 40))
                reader = SpoolReader.open(one.folder)
                assert reader is not None
                for _ in range(one.random.randrange(1, 5)):
                    one.damage(harmful)
                    one.read(reader, one.random.randrange(10))
                    one.append(one.random.randrange(30))
                    one.bench.clock.advance(1)
                    if one.random.random() < 0.3:
                        one.writer.sync_if_due()
                reader.close()
                one.append(1)
                one.writer.close()
                one.finish()
            except BaseException:
                print(f"SEED={SEED} round {number}")
                raise


@pytest.mark.parametrize("part", range(2))
def test_meta_data(part: int) -> None:
    """Damaged meta data is a value or a default of its type, never an error; the folder is still found."""
    for number in range(part, ROUNDS, 2):
        with memory_folder() as folder:
            one = Round(SEED * 1_000_003 + number, folder)
            path = one.folder / "meta.json"
            for _ in range(3):
                one.random.choice((flip, zero, noise, cut))(one.random, path)
                meta = read_meta(one.folder)
                assert meta.producer_id == "p"
                assert json.dumps(
                    [meta.service, meta.namespace, meta.destination, meta.shipped_by, meta.host]
                )
                assert isinstance(meta.pid, int)
            assert scan(one.bench.root) == [one.folder]
            one.writer.close()
