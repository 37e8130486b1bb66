"""kill -9 and fork, and the file that tells what was refused."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.spool.drops import read_drops
from tests.fault.dying import in_child
from tests.fault.interrupting import Interrupter
from tests.unit.spool.bench import Bench

SMALL: dict[str, Any] = {"max_bytes": 1 << 16, "segment_max_bytes": 1 << 14}


@pytest.mark.parametrize("threads", [1, 4])
def test_killed_while_it_refuses(bench: Bench, threads: int) -> None:
    """U25: killed at any instant, the folder tells each refusal whose call had returned, and no more than were begun."""
    chance = random.Random(11)
    for round_number in range(12):
        one = bench.beside(f"round-{round_number}")
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(readable)
            _refuse_for_ever(one, writable, threads)
        os.close(writable)
        with os.fdopen(readable, "rb") as pipe:
            assert pipe.read(1) == b"!"
            time.sleep(chance.random() * 0.01)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pipe.read()
        noted = struct.unpack("=8Q", _notes_of(one).read_bytes()[:64])
        begun, returned = noted[:4], noted[4:]
        found = read_drops(one.root / "p")
        assert found is not None
        assert sum(returned) <= found.counts["spool_full"] <= sum(begun) <= sum(returned) + threads
        assert sum(returned) > 0


def _notes_of(bench: Bench) -> Path:
    return bench.root.parent / f"{bench.root.name}.counts"


def _refuse_for_ever(bench: Bench, told: int, threads: int) -> None:
    """Refuse, and note in a map of our own how many appends each thread has begun, and how many have returned."""
    try:
        _notes_of(bench).write_bytes(bytes(4096))
        with _notes_of(bench).open("r+b") as file:
            # Not `pack_into`, which fills its place with zeros first: a kill finds them.
            notes = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
        writer = bench.writer("p", **SMALL)
        while bench.append(writer, bytes(1000)) is not None:
            pass

        def refuse(place: int, count: int) -> None:
            while True:
                notes[place] = count
                notes[4 + place] = count
                count += 1
                notes[place] = count
                bench.append(writer, bytes(1000))

        for place in range(1, threads):
            threading.Thread(target=refuse, args=(place, 0), daemon=True).start()
        notes[0] = notes[4] = 1
        os.write(told, b"!")
        refuse(0, writer.drops["spool_full"] if threads == 1 else 1)
    finally:
        os._exit(1)


def test_killed_while_it_evicts(bench: Bench) -> None:
    """U25: killed at any instant of an eviction, what is gone is explained by the folder's count; none is riddle."""
    chance = random.Random(12)
    for round_number in range(12):
        one = bench.beside(f"round-{round_number}")

        def work(tell: Callable[[int], None], one: Bench = one) -> None:
            writer = one.writer("p", when_full="drop_oldest", **SMALL)
            threading.Timer(
                0.02 + chance.random() * 0.02, lambda: os.kill(os.getpid(), signal.SIGKILL)
            ).start()
            while True:
                tell(one.append(writer, bytes(1000)) or 0)

        end, told = in_child(work)
        assert end == -signal.SIGKILL
        found = read_drops(one.root / "p")
        assert found is not None
        with one.reader(one.root / "p") as reader:
            there = {record.sequence for record in one.drain(reader)}
            assert reader.damage.missing_records == 0
        gone = set(range(1, max(told, default=0) + 1)) - there
        assert len(gone) <= found.counts.get("evicted", 0)
        # At most the one segment too many that was told of and not deleted any more.
        assert found.counts.get("evicted", 0) <= len(gone) + (1 << 14) // 1000


def test_a_forked_child_writes_nothing_of_its_parent_s(bench: Bench) -> None:
    """U06: the child lets go of the file, and its drops are not its parent's."""
    writer = bench.writer("parent", **SMALL)
    refused = [bench.append(writer, bytes(1000)) for _ in range(200)].count(None)

    def child(tell: Callable[[int], None]) -> None:
        writer.abandon_in_child()
        for _ in range(600):
            assert bench.append(writer, bytes(1000)) is None
        own = bench.writer("child", **SMALL)
        tell([bench.append(own, bytes(1000)) for _ in range(100)].count(None))

    end, (of_child,) = in_child(child)
    assert end == 0
    refused += [bench.append(writer, bytes(1000)) for _ in range(10)].count(None)
    for name, count in (("parent", refused), ("child", of_child)):
        found = read_drops(bench.root / name)
        assert found is not None
        assert dict(found.counts) == {"spool_full": count}
    writer.close()


def test_forked_at_each_line_of_a_refusal(bench: Bench) -> None:
    """U06: a signal handler that forks inside a refusal: the child that goes on changes nothing in the parent's file."""
    writer = bench.writer("p", **SMALL)
    refused = [bench.append(writer, bytes(1000)) for _ in range(200)].count(None)
    line, is_over = 0, False
    while not is_over:
        line += 1
        parent = os.getpid()
        children: list[int] = []

        def fork(children: list[int] = children) -> None:
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                writer.abandon_in_child()
                sys.settrace(None)
            children.append(child)

        interrupter = Interrupter(line, fork)
        try:
            with interrupter.watching():
                bench.append(writer, bytes(1000))
            if os.getpid() != parent:
                for _ in range(300):
                    bench.append(writer, bytes(1000))
        finally:
            if os.getpid() != parent:
                os._exit(0)
        refused += 1
        is_over = interrupter.lines < line
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        found = read_drops(bench.root / "p")
        assert found is not None
        assert dict(found.counts) == {"spool_full": refused}
    assert line > 10
    writer.close()
