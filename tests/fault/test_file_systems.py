"""Real file systems, mounted for the test: which of them are mapped, what they do when they are full or read-only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.spool.filesystem import is_safe_to_map
from tests.unit.spool.bench import Bench

MAPPED = {"tmpfs": True, "ext4": True, "xfs": True, "overlay": True, "btrfs": False, "fuse": False}
SIZES = {"ext4": 8, "xfs": 320, "btrfs": 128}


def run(*command: str) -> bool:
    """Run a command; tell whether it did what it was asked to."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def mount(kind: str, base: Path, point: Path) -> bool:
    """Mount a small file system of a kind; False where this machine cannot."""
    if kind == "tmpfs":
        return run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point))
    if kind == "overlay":
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        return run("mount", "-t", "overlay", "-o", options, "overlay", str(point))
    if kind == "fuse":
        (base / "behind").mkdir()
        return run("bindfs", str(base / "behind"), str(point))
    image = base / "image"
    image.touch()
    os.truncate(image, SIZES[kind] << 20)
    return run(f"mkfs.{kind}", "-q", str(image)) and run("mount", "-o", "loop", str(image), str(point))


@pytest.fixture(params=list(MAPPED))
def mounted(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """Return kind and place of a file system; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    kind = request.param
    # Not under the test's own folder: an overlay cannot lie on an overlay, as those of containers.
    place = Path("/dev/shm") if kind == "overlay" and Path("/dev/shm").is_dir() else Path("/tmp")
    base = place / f"shipper-fs-{os.getpid()}-{kind}"
    point = base / "point"
    point.mkdir(parents=True)
    try:
        if not mount(kind, base, point):
            pytest.skip(f"this machine cannot mount {kind}")
        try:
            yield kind, point
        finally:
            run("umount", "-l", str(point))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_what_is_mapped(mounted: tuple[str, Path]) -> None:
    """Segments are mapped where the table of FORMAT.md says so, and written elsewhere; both are read back whole."""
    kind, point = mounted
    assert is_safe_to_map(point) == MAPPED[kind]
    bench = Bench(point / "spool")
    writer = bench.writer("p", segment_max_bytes=1 << 16)
    for size in (10, 5000, 100, 30_000) * 6:
        assert bench.append(writer, bytes(size)) is not None
    maps = Path("/proc/self/maps").read_text()
    assert (str(point) in maps or "/upper/" in maps) == MAPPED[kind]
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == list(range(1, 25))
        assert bench.append(writer) == 25
        found = reader.read()
        assert found is not None
        reader.acknowledge(found.position)
    writer.close()
    with bench.reader() as reader:
        assert reader.read() is None
        assert reader.damage.is_none
        assert reader.is_finished()


def test_full(mounted: tuple[str, Path]) -> None:
    """U26: a file system without a free byte is a counted drop, never an exception or a signal; then it goes on."""
    kind, point = mounted
    if kind in ("overlay", "fuse"):
        pytest.skip("what lies below it is the machine's own disk, which no test may fill")
    bench = Bench(point / "spool")
    writer = bench.writer("p", segment_max_bytes=1 << 18)
    assert bench.append(writer, bytes(1000)) == 1
    filler = point / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    told = [bench.append(writer, bytes(20_000)) for _ in range(60)]
    kept = [sequence for sequence in told if sequence is not None]
    assert kept == list(range(2, 2 + len(kept)))
    assert writer.drops.get("disk_full", 0) == 60 - len(kept) > 0
    filler.unlink()
    bench.clock.advance(1)
    assert bench.append(writer, bytes(1000)) == 2 + len(kept)
    writer.close()
    assert bench.sequences() == list(range(1, 3 + len(kept)))


def test_read_only(mounted: tuple[str, Path]) -> None:
    """U26: a file system that becomes read-only is a counted drop; what was stored is there; later it goes on."""
    _, point = mounted
    bench = Bench(point / "spool")
    writer = bench.writer("p", segment_max_bytes=1 << 14)
    assert bench.append(writer, bytes(1000)) == 1
    if not (
        run("mount", "--bind", str(point), str(point)) and run("mount", "-o", "remount,bind,ro", str(point))
    ):
        pytest.skip("this machine cannot mount it read-only")
    try:
        told = [bench.append(writer, bytes(1000)) for _ in range(40)]
    finally:
        run("umount", str(point))
    kept = [sequence for sequence in told if sequence is not None]
    assert writer.drops == {"disk_error": 40 - len(kept)}
    assert "Read-only" in writer.trouble
    bench.clock.advance(1)
    assert bench.append(writer) == 2 + len(kept)
    writer.close()
    assert bench.sequences() == list(range(1, 3 + len(kept)))
