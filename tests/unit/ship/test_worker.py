"""The thread: started late, flushed and stopped by a deadline, gone in a fork, adopting what others left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.ship.fleet import Adoption
from shipper.ship.worker import ShipWorker
from shipper.spool.directory import SpoolMeta, scan
from shipper.spool.writer import SpoolWriter
from tests.unit.ship.rig import AWAY, Rig


class Service:
    """What a process has: a writer and a worker, on the machine's clock."""

    def __init__(self, root: Path, *, accepts: Callable[[SpoolMeta], bool] = lambda _meta: True) -> None:
        self.rig = Rig(root, SystemClock(), linger_s=0.01)
        self.writer = self.rig.bench.writer("own", clock=SystemClock())
        self.worker = self._worker(self.writer, Adoption(root, accepts))

    def _worker(self, writer: SpoolWriter, adoption: Adoption) -> ShipWorker:
        return ShipWorker(writer, self.rig.shipping, self.rig.counters, adoption=adoption)

    def log(self, count: int = 1) -> None:
        """Do what the emitting side does per record."""
        for _ in range(count):
            self.rig.counters.count_emitted()
            self.rig.bench.append(self.writer)
            self.worker.start()

    def close(self, timeout_s: float = 5) -> int:
        """Do what the pipeline does at the end."""
        self.writer.close()
        return self.worker.stop(time.monotonic() + timeout_s)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Return a process's spool and worker."""
    return Service(tmp_path / "spool")


def test_records_arrive_and_the_books_balance(service: Service) -> None:
    """U19: after a flush everything emitted is delivered; after the end nothing is left, not even the folder."""
    service.log(100)
    assert service.worker.flush(time.monotonic() + 10) == 0
    snapshot = service.rig.counters.snapshot()
    assert (snapshot.emitted, snapshot.delivered, snapshot.waiting) == (100, 100, 0)
    service.log(5)
    assert service.close() == 0
    assert service.rig.sink.accepted == list(range(1, 106))
    assert service.rig.sink.is_closed
    assert not service.worker.is_running
    assert list(service.rig.bench.root.iterdir()) == []


def test_flush_and_stop_start_no_thread(service: Service) -> None:
    """U02: without a thread flush and stop return at once and start none; the records stay for the next start."""
    service.rig.bench.append(service.writer)
    before = threading.active_count()
    assert service.worker.flush(time.monotonic() + 10) == 1
    assert service.close() == 1
    assert threading.active_count() == before
    assert not service.worker.start()
    assert service.rig.bench.sequences() == [1]


def test_no_thread_can_be_started(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """U02: "can't start new thread" is told once and costs nothing: the record is in the spool."""

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    service.log(3)
    assert not service.worker.is_running
    assert len(service.rig.told) == 1
    assert service.close() == 3
    assert service.rig.bench.sequences() == [1, 2, 3]


def test_stop_keeps_its_deadline_when_nobody_answers(service: Service) -> None:
    """U03: with a destination that never answers, the whole shutdown takes its budget and no longer."""
    release = threading.Event()

    def hang(_record: object) -> None:
        release.wait(30)

    service.rig.sink.answer = hang
    service.log(5)
    started = time.monotonic()
    left = service.close(timeout_s=0.5)
    assert 0.4 < time.monotonic() - started < 2
    assert left == 5
    release.set()


def test_stop_with_a_destination_that_is_away_leaves_the_records(service: Service) -> None:
    """U03: a refused connection is retried until the deadline; then the records wait in the spool."""
    service.rig.sink.answer = lambda _record: AWAY
    service.log(5)
    started = time.monotonic()
    assert service.close(timeout_s=0.5) == 5
    assert time.monotonic() - started < 2
    service.worker._thread.join(5)  # type: ignore[union-attr]
    assert service.rig.bench.sequences() == [1, 2, 3, 4, 5]


def test_a_destination_that_comes_back_gets_everything(service: Service) -> None:
    """U05: after an outage sending goes on by itself."""
    service.rig.sink.answer = lambda _record: AWAY
    service.log(50)
    assert service.worker.flush(time.monotonic() + 0.3) == 50
    service.rig.sink.answer = lambda _record: None
    assert service.worker.flush(time.monotonic() + 10) == 0
    assert service.rig.sink.accepted == list(range(1, 51))
    service.close()


def test_orphans_of_the_same_destination_are_adopted(tmp_path: Path) -> None:
    """U25: what a killed predecessor left is sent by the next start, and counted apart from the own records."""
    root = tmp_path / "spool"
    service = Service(root, accepts=lambda meta: meta.destination == "here")
    for name, destination in (("mine", "here"), ("theirs", "elsewhere")):
        writer = SpoolWriter.open(
            root,
            service.writer._policy,
            producer_id=name,
            stamp=b"%d=%d ",
            clock=SystemClock(),
            destination=destination,
        )
        for _ in range(7):
            service.rig.bench.append(writer)
        writer.close()
    service.log(1)
    deadline = time.monotonic() + 10
    while (root / "mine").exists():
        assert time.monotonic() < deadline
        service.worker._never.wait(0.01)
    service.close()
    assert service.worker.adopted_counters.snapshot().delivered == 7
    assert service.rig.counters.snapshot().delivered == 1
    assert [path.name for path in scan(root)] == ["theirs"]


def test_a_bug_in_a_sink_does_not_end_the_thread(service: Service) -> None:
    """The thread outlives an unexpected exception, tells of it, and the records are sent later."""
    faults = [KeyError("bug"), ValueError("bug")]

    def answer(_record: object) -> None:
        if faults:
            raise faults.pop()

    service.rig.sink.answer = answer
    service.log(3)
    assert service.worker.flush(time.monotonic() + 10) == 0
    service.close()
    assert len([line for line in service.rig.told if "goes on" in line]) == 2
    assert set(service.rig.sink.accepted) == {1, 2, 3}


def test_stop_is_idempotent_and_ends_start(service: Service) -> None:
    """U20: stop may be called twice; afterwards no thread is started any more."""
    service.log(1)
    assert service.close() == 0
    assert service.worker.stop(time.monotonic() + 1) == 0
    assert service.worker.flush(time.monotonic() + 1) == 0


def test_threads_and_descriptors_return(tmp_path: Path) -> None:
    """U21: a hundred pipelines opened, used and closed leave no thread and no descriptor."""
    descriptors = Path("/proc/self/fd")
    before = (len(list(descriptors.iterdir())), threading.active_count())
    for number in range(100):
        service = Service(tmp_path / f"spool-{number % 3}")
        service.log(2)
        assert service.close() == 0
    assert (len(list(descriptors.iterdir())), threading.active_count()) == before


def test_abandoned_in_a_child_it_holds_nothing(service: Service) -> None:
    """U06: after abandon_in_child the worker has no thread, no lease and no client."""
    service.log(1)
    assert service.worker.flush(time.monotonic() + 10) == 0
    service.close()
    service.worker.abandon_in_child()
    assert service.rig.sink.is_abandoned
    assert not service.worker.start()
    assert not service.worker.is_running


def test_only_one_thread_however_many_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that log their first record at the same time start one shipping thread between them."""
    rig = Rig(tmp_path / "spool", SystemClock())
    writer = rig.bench.writer("p", clock=SystemClock())
    rig.bench.append(writer)
    worker = ShipWorker(writer, rig.shipping, rig.counters)
    runs: list[int] = []
    monkeypatch.setattr(worker, "_run", lambda: runs.append(1))
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait(20)
        worker.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worker.stop(time.monotonic() + 20) >= 0
    assert runs == [1]
    writer.close()


def test_a_stop_meets_a_start_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U02: a stop waits for a thread that is just being started, and none is started behind its back."""
    rig = Rig(tmp_path / "spool", SystemClock())
    writer = rig.bench.writer("p", clock=SystemClock())
    rig.bench.append(writer)
    worker = ShipWorker(writer, rig.shipping, rig.counters)
    is_starting, may_go = threading.Event(), threading.Event()
    start = threading.Thread.start

    def slow(thread: threading.Thread) -> None:
        if thread.name == "shipper-ship":
            is_starting.set()
            may_go.wait(20)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow)
    starter = threading.Thread(target=worker.start)
    starter.start()
    assert is_starting.wait(20)
    threading.Timer(0.05, may_go.set).start()
    writer.close()
    worker.stop(time.monotonic() + 20)
    starter.join()
    assert not worker.is_running, "the stop waited for it"
    assert not worker.start() or not worker.is_running
