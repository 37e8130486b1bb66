"""Forked children: fresh locks, an own producer and spool, an own thread; the parent's records stay the parent's."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import shipper
import shipper.process
from tests.unit.emit.destination import MemoryDestination
from tests.unit.emit.spooled import documents_under

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_child(work: Callable[[], object]) -> None:
    """Run `work` in a forked child that cannot hang; fail unless it ends well."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            faulthandler.cancel_dump_traceback_later()
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_child_records_in_its_own_spool(spool_root: Path) -> None:
    """U06: the child's records go to a folder of the child, with its own producer id, pid and sequence from 1."""
    log = shipper.get_logger()
    shipper.configure(service="app")
    log.info("parent")

    def work() -> None:
        for _ in range(3):
            log.info("child")

    in_child(work)
    log.info("parent")
    found = documents_under(spool_root)
    by_message = {
        message: [document for document in found if document["message"] == message]
        for message in ("parent", "child")
    }
    assert [document["event"]["sequence"] for document in by_message["parent"]] == [1, 2]
    assert [document["event"]["sequence"] for document in by_message["child"]] == [1, 2, 3]
    assert by_message["parent"][0]["process"]["pid"] == os.getpid()
    assert by_message["child"][0]["process"]["pid"] != os.getpid()
    assert by_message["child"][0]["process"]["thread"]["id"] == by_message["child"][0]["process"]["pid"]


def test_child_ships_by_a_thread_of_its_own(spool_root: Path) -> None:
    """U06: the child starts a thread at its first record and delivers its records, not the parent's."""
    sink = MemoryDestination()
    pipeline = shipper.configure(sink=sink, ship={"mode": "thread"})
    log = shipper.get_logger()
    log.info("parent")
    assert pipeline.flush(10.0) == 0

    def work() -> None:
        assert pipeline.counts().emitted == 0
        log.info("child")
        assert pipeline.flush(10.0) == 0
        (record,) = sink.records
        assert b'"message":"child"' in record.payload

    in_child(work)
    log.info("parent")
    assert pipeline.flush(10.0) == 0
    assert [record.sequence for record in sink.records] == [1, 2]
    assert all(b'"message":"parent"' in record.payload for record in sink.records)


@pytest.mark.parametrize("which", ["emitter", "spool", "counters", "reporter", "process"])
def test_child_does_not_inherit_a_held_lock(which: str, spool_root: Path) -> None:
    """U07: a fork while another thread holds any of our locks leaves a child that logs, flushes and closes."""
    pipeline = shipper.configure(sink=MemoryDestination(), ship={"mode": "thread"})
    log = shipper.get_logger()
    log.info("parent")
    assert pipeline._spool is not None
    locks: dict[str, AbstractContextManager[object]] = {
        "emitter": pipeline.emitter.lock,
        "spool": pipeline._spool._lock,
        "counters": pipeline._counters._lock,
        "reporter": pipeline._reporter._lock,
        "process": shipper.process._PIPELINES.lock,
    }
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locks[which]:
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)

    def work() -> None:
        log.info("child")
        pipeline.emitter.refuse("test", "nothing")
        shipper.configure(service="other")
        log.info("child")
        assert shipper.close(10.0) >= 0

    try:
        in_child(work)
    finally:
        release.set()
        holder.join()


def test_parents_folder_can_be_adopted_while_a_child_lives(spool_root: Path) -> None:
    """U06: a child does not keep the parent's spool locked: when the parent lets go, others may take it."""
    pipeline = shipper.configure()
    shipper.get_logger().info("parent")
    folder = pipeline.spool_directory
    assert folder is not None
    reading, writing = os.pipe()

    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        os.close(reading)
        shipper.close()
        from shipper.spool.directory import writer_is_alive

        deadline = time.monotonic() + 5
        while writer_is_alive(folder) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not writer_is_alive(folder)
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


def test_formatter_in_a_child_is_another_producer(spool_root: Path) -> None:
    """A formatter that lives through a fork gives no id twice."""
    import json
    import logging

    from shipper.emit import EcsFormatter

    formatter = EcsFormatter()
    record = logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"})
    parent = json.loads(formatter.format(record))["event"]["id"]
    path = spool_root.parent / "child"
    in_child(lambda: path.write_text(json.loads(formatter.format(record))["event"]["id"]) and None)
    assert path.read_text().partition("-")[0] != parent.partition("-")[0]


@pytest.mark.parametrize("line", range(1, 40, 2))
def test_a_fork_while_a_pipeline_is_made(line: int, spool_root: Path) -> None:
    """U07: whatever line of its making another thread had reached, the child's fork hook meets no half-made pipeline."""
    import sys

    from shipper.pipeline import Pipeline

    seen, ends = 0, list[int]()

    def trace(frame: object, event: str, _argument: object) -> object:
        nonlocal seen
        code = frame.f_code  # type: ignore[attr-defined]
        if code is not Pipeline.__init__.__code__:
            return None
        if event == "line":
            seen += 1
            if seen == line:
                sys.settrace(None)
                child = os.fork()
                if child == 0:
                    signal.alarm(20)
                    shipper.get_logger().info("child")
                    os._exit(0)
                ends.append(os.waitpid(child, 0)[1])
        return trace

    def unraisable(problem: object) -> None:
        os._exit(7)

    before, sys.unraisablehook = sys.unraisablehook, unraisable
    shipper.get_logger()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        shipper.configure(service=f"line{line}")
    finally:
        sys.settrace(None)
        sys.unraisablehook = before
    assert ends in ([0], [])
    assert line > 25 or ends
