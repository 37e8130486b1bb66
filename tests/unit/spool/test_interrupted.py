"""Exceptions that come from outside in the middle of an append: the spool stays consistent."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.spool.writer import SpoolWriter
from tests.fault.interrupting import Interrupted, Interrupter
from tests.unit.spool.bench import Bench

BODIES = (50, 50, 1500, 50, 3000, 50, 50, 200_000, 50, 50, 300_000, 50)
"""Sizes of records that roll, extend and claim segments, and some that do nothing of this."""


@pytest.fixture
def memory() -> Iterator[Path]:
    """Return a folder in memory where there is one: hundreds of spools are made."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


def write(bench: Bench, interrupter: Interrupter, *, fsync: str = "never") -> tuple[SpoolWriter, list[int]]:
    """Append all bodies, each again if it was interrupted; return what was told to be stored."""
    writer = bench.writer("p", segment_max_bytes=1 << 19, fsync=fsync)
    told: list[int] = []
    for size in BODIES:
        with interrupter.watching():
            try:
                sequence = bench.append(writer, bytes(size))
            except Interrupted:
                continue
        assert sequence is not None
        told.append(sequence)
    return writer, told


def check(bench: Bench, writer: SpoolWriter, told: list[int]) -> None:
    """What was told is there; besides at most the one record whose append was interrupted; in order, no gap."""
    last = bench.append(writer)
    assert last is not None
    assert writer.last_sequence == last
    with bench.reader(bench.root / "p") as reader:
        live = [record.sequence for record in bench.drain(reader)]
        writer.close()
        assert bench.drain(reader) == []
        assert reader.damage.is_none
    assert live == list(range(1, last + 1))
    assert set(told) <= set(live)
    assert len(live) - 1 <= len(told) + 1
    assert writer.drops == {}


@pytest.mark.parametrize(("fsync", "writes"), [("never", "mapped"), ("always", "mapped"), ("never", "plain")])
@pytest.mark.parametrize("stride", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_an_exception_at_any_line_of_an_append(memory: Path, fsync: str, writes: str, stride: int) -> None:
    """KeyboardInterrupt and SystemExit pass, wherever they strike, and leave the spool consistent."""
    whole = Interrupter()
    writer, told = write(Bench(memory / "whole", writes), whole, fsync=fsync)
    writer.close()
    assert told == list(range(1, len(BODIES) + 1))
    assert whole.lines > 400
    for fatal in range(1, whole.lines + 1, stride):
        bench = Bench(memory / str(fatal), writes)
        writer, told = write(bench, Interrupter(fatal), fsync=fsync)
        check(bench, writer, told)


@pytest.fixture
def alarms() -> Iterator[None]:
    """Turn SIGALRM into an exception in the main thread, as Ctrl-C or a timeout decorator do."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("segment_max_bytes", [8192, 16 << 20])
def test_a_signal_handler_that_raises_inside_an_append_breaks_nothing(
    bench: Bench, alarms: None, segment_max_bytes: int
) -> None:
    """An exception at any instruction of append leaves no gap, no double and no torn frame behind."""
    writer = bench.writer(segment_max_bytes=segment_max_bytes)
    told = 0
    for turn in range(300):
        with pytest.raises(Interrupted):  # noqa: PT012  # anywhere in the loop
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + (turn % 50) * 0.00001)
            while True:
                sequence = bench.append(writer, bytes(200))
                assert sequence is not None
                assert sequence > told
                told = sequence
    total = bench.append(writer)
    writer.close()
    assert total is not None
    with bench.reader() as reader:
        assert [record.sequence for record in bench.drain(reader)] == list(range(1, total + 1))
        assert reader.damage.is_none


def test_a_signal_handler_that_logs_inside_an_append_never_waits(bench: Bench, alarms: None) -> None:
    """U08: a handler that logs is dropped and counted where it meets our own append, and stored everywhere else."""
    writer = bench.writer()
    inner: list[int | None] = []
    signal.signal(signal.SIGALRM, lambda _number, _frame: inner.append(bench.append(writer, b"inner")))
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    outer = [bench.append(writer, bytes(200)) for _ in range(20_000)]
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert len(inner) > 20
    stored = sorted(sequence for sequence in outer + inner if sequence is not None)
    assert stored == list(range(1, len(stored) + 1))
    assert None not in outer
    assert writer.drops == ({"reentry": inner.count(None)} if None in inner else {})
    writer.close()
    assert bench.sequences() == stored
