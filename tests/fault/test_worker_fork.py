"""fork beside a shipping thread, with every lock of ours held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from shipper.clock import SystemClock
from shipper.ship.worker import ShipWorker
from shipper.spool.directory import writer_is_alive
from tests.fault.dying import in_child
from tests.unit.ship.rig import Rig


def test_forked_while_the_thread_ships_and_locks_are_held(tmp_path: Path) -> None:
    """U06, U07: the child has no thread, no lease, no deadlock, ships its own records; the parent ships the parent's."""
    root = tmp_path / "spool"
    rig = Rig(root, SystemClock(), linger_s=0.01)
    is_sending, may_go = threading.Event(), threading.Event()

    def answer(_record: object) -> None:
        is_sending.set()
        may_go.wait(30)

    rig.sink.answer = answer
    writer = rig.bench.writer("parent", clock=SystemClock())
    worker = ShipWorker(writer, rig.shipping, rig.counters)
    for _ in range(5):
        rig.counters.count_emitted()
        rig.bench.append(writer)
    assert worker.start()
    assert is_sending.wait(30)

    def child(tell: Callable[[int], None]) -> None:
        worker.abandon_in_child()
        writer.abandon_in_child()
        rig.counters.reset_in_child()
        rig.shipping.reporter.reset_in_child()
        assert rig.counters.snapshot().emitted == 0
        assert worker.stop(time.monotonic() + 0.1) == 0
        assert not worker.start()
        own = Rig(root, SystemClock(), linger_s=0.01)
        own_writer = own.bench.writer("child", clock=SystemClock())
        own_worker = ShipWorker(own_writer, own.shipping, own.counters)
        for _ in range(3):
            own.bench.append(own_writer)
        assert own_worker.start()
        assert own_worker.flush(time.monotonic() + 20) == 0
        own_writer.close()
        assert own_worker.stop(time.monotonic() + 20) == 0
        for sequence in own.sink.accepted:
            tell(sequence)

    with writer._lock, rig.counters._lock, rig.shipping.reporter._lock, worker._start_lock:
        end, told = in_child(child)
    assert (end, told) == (0, [1, 2, 3])
    assert rig.sink.accepted == []
    assert writer_is_alive(root / "parent")
    may_go.set()
    assert worker.flush(time.monotonic() + 20) == 0
    assert rig.sink.accepted == [1, 2, 3, 4, 5]
    writer.close()
    assert worker.stop(time.monotonic() + 20) == 0
    assert list(root.iterdir()) == []
