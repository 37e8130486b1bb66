"""fork: locks held at the instant of the fork, inherited descriptors, the parent's death."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from shipper.spool.directory import writer_is_alive
from shipper.spool.reader import SpoolReader
from shipper.spool.writer import SpoolWriter
from tests.fault.dying import in_child
from tests.fault.interrupting import Interrupter
from tests.unit.spool.bench import Bench


def test_forked_while_the_append_lock_is_held(bench: Bench) -> None:
    """U07: the child drops the parent's writer and appends to its own, although a thread held the lock at the fork."""
    is_inside, may_go = threading.Event(), threading.Event()

    class Moment:
        """An event time that takes its time to be packed, under the lock."""

        def __index__(self) -> int:
            is_inside.set()
            may_go.wait(20)
            return 1

    writer = bench.writer("parent")
    bench.append(writer)
    thread = threading.Thread(target=bench.append, args=(writer,), kwargs={"timestamp_us": Moment()})
    thread.start()
    assert is_inside.wait(20)

    def child(tell: Callable[[int], None]) -> None:
        writer.abandon_in_child()
        assert bench.append(writer) is None
        writer.close()
        own = bench.writer("child")
        tell(bench.append(own) or 0)

    end, told = in_child(child)
    may_go.set()
    thread.join()
    assert (end, told) == (0, [1])
    assert writer_is_alive(bench.root / "parent"), "the child unlocked its parent's folder"
    assert bench.append(writer) == 3
    writer.close()
    assert bench.sequences(bench.root / "parent") == [1, 2, 3]
    assert bench.sequences(bench.root / "child") == [1]


@pytest.mark.parametrize("stride", [13, pytest.param(3, marks=pytest.mark.slow)])
def test_forked_at_each_line_of_an_append(bench: Bench, stride: int) -> None:
    """U06: a signal handler that forks inside an append: the child writes nothing into its parent's file."""

    def write(one: Bench, action: Callable[[SpoolWriter], None], fatal: int = 0) -> Interrupter:
        writer = one.writer("p", segment_max_bytes=1 << 19)
        interrupter = Interrupter(fatal, lambda: action(writer))
        for size in (50, 200_000, 50, 400_000, 50):
            with interrupter.watching():
                one.append(writer, bytes(size))
        writer.close()
        return interrupter

    def fork(writer: SpoolWriter) -> None:
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            writer.abandon_in_child()
            # Back into the append that was interrupted, and on: each is dropped.
            sys.settrace(None)
            children.append(0)
        else:
            children.append(child)

    whole = write(bench.beside("whole"), lambda _writer: None)
    for fatal in range(1, whole.lines + 1, stride):
        children: list[int] = []
        one = bench.beside(fatal)
        parent = os.getpid()
        try:
            write(one, fork, fatal)
        finally:
            if os.getpid() != parent:
                os._exit(1 if sys.exc_info()[0] else 0)
        _, status = os.waitpid(children[0], 0)
        assert status == 0
        assert one.sequences(one.root / "p") == [1, 2, 3, 4, 5]
        with one.reader(one.root / "p") as reader:
            one.drain(reader)
            assert reader.damage.is_none


def test_a_child_that_outlives_its_parent_does_not_keep_the_folder(bench: Bench) -> None:
    """U06: when the parent is killed, its folder counts as an orphan although a forked child lives on."""
    readable, writable = os.pipe()
    parent = os.fork()
    if parent == 0:
        signal.alarm(60)
        writer = bench.writer("p")
        bench.append(writer)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            writer.abandon_in_child()
            os.write(writable, os.getpid().to_bytes(8, "little"))
        signal.pause()
        os._exit(1)
    child = int.from_bytes(os.read(readable, 8), "little")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        assert not writer_is_alive(bench.root / "p")
        assert bench.sequences(bench.root / "p") == [1]
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(readable)
        os.close(writable)


def test_a_child_does_not_keep_the_readers_lease(bench: Bench) -> None:
    """A forked child that closed its inherited reader leaves the lease to the parent, and to whoever comes next."""
    writer = bench.writer("p")
    bench.append(writer)
    with bench.reader() as reader:
        assert reader.read() is not None

        def child(tell: Callable[[int], None]) -> None:
            reader.close()
            tell(0 if SpoolReader.open(bench.root / "p") is None else 1)

        assert in_child(child) == (0, [0])
        assert SpoolReader.open(bench.root / "p") is None, "the child gave its parent's lease away"
    assert bench.sequences() == [1]
    writer.close()
