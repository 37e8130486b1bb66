"""Pipelines: shared by equal settings, opened late, closed once and within a deadline."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import shipper
import shipper.testing
from shipper.config import load_settings
from shipper.emit import ShipperHandler
from shipper.errors import ConfigurationError
from shipper.spool.directory import scan
from shipper.spool.writer import SpoolWriter
from tests.unit.emit.destination import MemoryDestination
from tests.unit.emit.spooled import documents_in, documents_under


def test_nothing_is_opened_before_the_first_record(spool_root: Path) -> None:
    """`configure()` makes no file and no thread; the first record does."""
    threads = threading.active_count()
    pipeline = shipper.configure(sink=MemoryDestination(), ship={"mode": "thread"})
    assert not spool_root.exists()
    assert threading.active_count() == threads
    shipper.get_logger().info("hello")
    assert pipeline.spool_directory is not None
    assert threading.active_count() == threads + 1


def test_equal_settings_share_a_pipeline_and_different_ones_do_not(spool_root: Path) -> None:
    """U20: same settings share a pipeline, different ones do not; handlers with settings of their own, too."""
    first = shipper.configure(service="a")
    assert shipper.configure(service={"name": "a"}) is first
    second = shipper.configure(service="b")
    assert second is not first
    assert shipper.configure(service="b", sink=MemoryDestination()) is not second
    shipper.configure(service="b")
    one, two = ShipperHandler(service="a"), ShipperHandler(service="c")
    record = logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"})
    for handler in (one, two, ShipperHandler()):
        handler.handle(record)
    assert first.counts().emitted == 1
    assert second.counts().emitted == 1
    found = sorted(document["service"]["name"] for document in documents_under(spool_root))
    assert found == ["a", "b", "c"]


def test_close_is_idempotent_and_late_records_are_kept(spool_root: Path) -> None:
    """U20: `close()` may be called again and again; what is logged later goes to a folder of its own, unshipped."""
    shipper.configure(sink=MemoryDestination(), ship={"mode": "thread"})
    shipper.get_logger().info("before")
    assert shipper.close() == 0
    assert shipper.close() == 0
    # A thread of another pipeline may still be on its way out; what counts is that none is started.
    before = set(threading.enumerate())
    shipper.get_logger().info("after")
    assert not set(threading.enumerate()) - before
    shipper.close()
    assert [document["message"] for document in documents_under(spool_root)] == ["after"]


def test_flush_and_close_deliver(spool_root: Path) -> None:
    """`flush()` returns when all that was logged has been delivered; `close()` leaves nothing behind."""
    sink = MemoryDestination()
    pipeline = shipper.configure(sink=sink, ship={"mode": "thread"})
    log = shipper.get_logger()
    for number in range(500):
        log.info("hello", number=number)
    assert shipper.flush(10.0) == 0
    assert [record.sequence for record in sink.records] == list(range(1, 501))
    counts = pipeline.counts()
    assert (counts.emitted, counts.delivered, counts.waiting) == (500, 500, 0)
    assert shipper.close() == 0
    assert scan(spool_root) == []


def test_emit_does_not_wait_for_a_destination_that_hangs(spool_root: Path) -> None:
    """U12: whatever the destination does, a logging call touches only the disk; U03: close keeps its deadline."""
    sink = MemoryDestination(is_hanging=True)
    shipper.configure(sink=sink, ship={"mode": "thread", "linger_s": 0})
    log = shipper.get_logger()
    log.info("hello")
    slowest = 0.0
    for _ in range(300):
        began = time.perf_counter()
        log.info("hello")
        slowest = max(slowest, time.perf_counter() - began)
    began = time.perf_counter()
    left = shipper.close(0.3)
    assert time.perf_counter() - began < 2.0
    sink.release.set()
    assert slowest < 0.5
    assert left == 301


def test_threads_and_descriptors_return(spool_root: Path) -> None:
    """U21: after many cycles of configure, log, close there are as many threads and descriptors as before."""
    sink = MemoryDestination()

    def cycle() -> None:
        shipper.configure(sink=sink, ship={"mode": "thread"})
        shipper.get_logger().info("hello")
        shipper.close()

    cycle()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(60):
        cycle()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert len(sink.records) == 61


@pytest.mark.slow
def test_closing_under_load_loses_nothing(spool_root: Path) -> None:
    """A record that is logged while another thread closes the pipeline is delivered or lies in a spool."""
    sink = MemoryDestination()
    pipeline = shipper.configure(sink=sink, ship={"mode": "thread"})
    log = shipper.get_logger()
    stop = threading.Event()
    made = [0, 0]

    def load(which: int) -> None:
        while not stop.is_set():
            log.info("hello", which=which)
            made[which] += 1

    loaders = [threading.Thread(target=load, args=(which,)) for which in (0, 1)]
    for loader in loaders:
        loader.start()
    for _ in range(20):
        shipper.close(2.0)
        pipeline.reopen()
    stop.set()
    for loader in loaders:
        loader.join()
    shipper.close(5.0)
    for thread in threading.enumerate():  # one that was starting while its worker was stopped ends by itself
        if thread.name.startswith("shipper-"):
            thread.join(20)
    assert pipeline.counts().dropped == {}
    ids = {record.event_id for record in sink.records}
    ids |= {document["event"]["id"] for document in documents_under(spool_root)}
    assert len(ids) == sum(made)


@pytest.mark.parametrize("before", [1, 20], ids=["general", "quick"])
def test_a_close_in_the_middle_of_a_call(
    before: int, spool_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose spool is closed between opening and storing goes to the next one; nothing is counted twice.

    On the general way, and on the quick one, which takes what was logged often enough.
    """
    pipeline = shipper.configure(ship={"mode": "agent"})
    log = shipper.get_logger()
    for _ in range(before):
        log.info("first")
    put = SpoolWriter.put
    closed: list[SpoolWriter] = []

    def close_first(writer: SpoolWriter, *arguments: Any) -> int | None:
        if not closed:
            closed.append(writer)
            shipper.close()
        return put(writer, *arguments)

    monkeypatch.setattr(SpoolWriter, "put", close_first)
    log.info("second")
    assert closed
    counts = pipeline.counts()
    assert (counts.emitted, dict(counts.dropped)) == (before + 1, {})
    messages = sorted(document["message"] for document in documents_under(spool_root))
    assert messages == ["first"] * before + ["second"]


def test_precedence_and_short_forms(monkeypatch: pytest.MonkeyPatch, spool_root: Path) -> None:
    """Arguments win over the environment; `service=`, `model=`, `environment=` may be plain names."""
    monkeypatch.setenv("SHIPPER_SERVICE_NAME", "from-environment")
    monkeypatch.setenv("SHIPPER_SERVICE_VERSION", "2")
    pipeline = shipper.configure(service="given", model="fraud", environment="production", namespace="team")
    assert pipeline.settings.service.model_dump() == {
        "name": "given",
        "version": "2",
        "environment": "production",
    }
    shipper.get_logger().info("hello")
    (document,) = documents_in(pipeline.spool_directory or Path())
    assert document["service"] == {"name": "given", "version": "2", "environment": "production"}
    assert document["ml"]["model"] == {"name": "fraud"}
    assert document["data_stream"]["namespace"] == "team"


def test_wrong_settings_are_refused_by_configure(spool_root: Path) -> None:
    """A wrong value or an unknown key is a `ConfigurationError` at configure, with a sentence that names it."""
    with pytest.raises(ConfigurationError, match="kafka"):
        shipper.configure(kafka={"topc": "x"})
    with pytest.raises(ConfigurationError, match="colour"):
        shipper.configure(colour="red")
    with pytest.raises(ConfigurationError, match="not both"):
        shipper.configure(settings=load_settings(), service="x")


def test_a_handler_with_wrong_settings_never_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """U16: settings that are not usable show on standard error, once, and not as an exception of a logging call."""
    handler = ShipperHandler(colour="red")
    record = logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"})
    for _ in range(3):
        handler.handle(record)
    said = capsys.readouterr().err
    assert said.count("colour") == 1


def test_an_unusable_spool_never_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """U19: where the spool's folder cannot be made, records are dropped, counted by reason, and reported once."""
    (tmp_path / "file").write_text("in the way")
    pipeline = shipper.configure(spool={"directory": tmp_path / "file" / "spool"})
    for _ in range(3):
        shipper.get_logger().info("hello")
    assert pipeline.counts().dropped == {"spool_unavailable": 3}
    assert pipeline.counts().waiting == 0
    assert capsys.readouterr().err.count("cannot be used") == 1


def test_git_facts_are_read_once_and_anew_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git facts stay for the life of the process; `configure(git=...)` reads them anew."""
    monkeypatch.delenv("SHIPPER_GIT_COMMIT")
    head = tmp_path / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("a" * 40)
    shipper.configure(git=tmp_path)
    with shipper.testing.capture() as records:
        shipper.get_logger().info("one")
        head.write_text("b" * 40)
        shipper.get_logger().info("two")
        shipper.configure(git=tmp_path)
        shipper.get_logger().info("three")
    assert [document["git"]["commit"][0] for document in records.documents] == ["a", "a", "b"]


def test_simulated_time_stamps_events_on_both_roads(spool_root: Path) -> None:
    """`configure(clock=...)` gives events their time, also where a `LogRecord` has one of its own."""

    class Simulated:
        def now_us(self) -> int:
            return 1_700_000_000_000_000

        def monotonic_s(self) -> float:
            return 0.0

        def wait(self, event: threading.Event, timeout_s: float) -> bool:
            return event.is_set()

    shipper.configure(clock=Simulated())
    handler = ShipperHandler()
    with shipper.testing.capture() as records:
        shipper.get_logger().info("hello")
        handler.handle(logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"}))
    assert [document["@timestamp"] for document in records.documents] == ["2023-11-14T22:13:20.000000Z"] * 2
