"""Nothing of ours feeds us, and nothing of ours waits for itself."""

from __future__ import annotations

import gc
import logging
import logging.config
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.emit import ShipperHandler
from shipper.emit.reentry import THREADS
from shipper.enrich.model import Model
from shipper.record import Record
from shipper.ship.sink import Delivery
from tests.unit.emit.destination import MemoryDestination
from tests.unit.emit.spooled import documents_under


class LogsWhenShown:
    """Logs from inside its `__repr__`."""

    def __repr__(self) -> str:
        logging.getLogger("inner").warning("from repr")
        return "<LogsWhenShown>"


def test_a_value_that_logs_while_it_is_encoded(spool_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """U08: a record made inside our own code is counted and dropped; the outer one is whole."""
    pipeline = shipper.configure()
    logging.getLogger().addHandler(ShipperHandler())
    shipper.get_logger().info("outer", value=LogsWhenShown())
    assert [document["message"] for document in documents_under(spool_root)] == ["outer"]
    counts = pipeline.counts()
    assert counts.dropped == {"reentry": 1}
    assert counts.waiting == 1
    assert "inside a logging call" in capsys.readouterr().err


class LogsWhenCollected:
    """A cycle whose destructor logs."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        logging.getLogger("destructor").warning("collected")


def test_destructors_that_log_under_any_allocation(spool_root: Path) -> None:
    """U08: garbage collection at every allocation, destructors that log: no deadlock, every record accounted for."""
    pipeline = shipper.configure(sink=MemoryDestination(), ship={"mode": "thread"})
    logger = logging.getLogger()
    logger.addHandler(ShipperHandler())
    thresholds = gc.get_threshold()
    done = threading.Event()

    def work() -> None:
        gc.set_threshold(1)
        for number in range(50):
            LogsWhenCollected()
            shipper.get_logger().info("hello", number=number)
            LogsWhenCollected()
            pipeline.counts()
            LogsWhenCollected()
            pipeline.bind_model(Model("fraud", str(number)))
        shipper.flush(5.0)
        shipper.close(5.0)
        done.set()

    worker = threading.Thread(target=work, daemon=True)
    try:
        worker.start()
        assert done.wait(60), "deadlock"
    finally:
        gc.set_threshold(*thresholds)
    worker.join()
    gc.collect()
    shipper.close(5.0)
    counts = pipeline.counts()
    assert counts.emitted == counts.delivered + sum(counts.dropped.values()) + counts.waiting
    assert set(counts.dropped) <= {"reentry"}
    assert counts.emitted >= 50


@pytest.mark.parametrize("call", ["counts", "flush", "close"])
def test_a_destructor_inside_our_locks(call: str, spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U08: a record made while this thread holds our lock outside of a logging call waits for nothing, and is counted."""
    pipeline = shipper.configure(sink=MemoryDestination(), ship={"mode": "thread"})
    logging.getLogger().addHandler(ShipperHandler())
    shipper.get_logger().info("hello")
    assert pipeline._worker is not None
    worker, counters = pipeline._worker, pipeline._counters
    owner, name = {"counts": (counters, "snapshot"), "flush": (worker, "flush"), "close": (worker, "stop")}[
        call
    ]
    original = getattr(owner, name)

    def collected_inside(*arguments: float) -> object:
        with counters._lock:
            logging.getLogger("destructor").warning("collected")
        return original(*arguments)

    monkeypatch.setattr(owner, name, collected_inside)
    caller = threading.Thread(target=getattr(pipeline, call), daemon=True)
    caller.start()
    caller.join(20)
    assert not caller.is_alive(), "deadlock"
    monkeypatch.undo()
    assert pipeline.counts().dropped == {"reentry": 1}


class ChattySink(MemoryDestination):
    """Logs through the client's loggers while it sends, as a Kafka client does."""

    def send(self, batch: Sequence[Record]) -> list[Delivery]:
        """Log, then take the batch."""
        logging.getLogger("kafka.conn").warning("connection lost")
        logging.getLogger("kafka.conn").debug("sending bytes")
        logging.getLogger("urllib3.pool").error("retrying")
        return super().send(batch)


def test_clients_on_our_threads_do_not_feed_us(spool_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """U10: records of clients on our threads go to a rate-limited report; the application's own client logs ship."""
    sink = ChattySink()
    pipeline = shipper.configure(sink=sink, ship={"mode": "thread", "linger_s": 0})
    logger = logging.getLogger()
    logger.addHandler(ShipperHandler())
    logger.setLevel(logging.DEBUG)
    for _ in range(5):
        shipper.get_logger().info("hello")
        assert shipper.flush(10.0) == 0
    logging.getLogger("kafka.conn").warning("the application's own consumer")
    assert shipper.flush(10.0) == 0
    assert pipeline.counts().emitted == 6
    shipper.close(5.0)
    said = capsys.readouterr().err
    assert said.count("connection lost") == 1
    assert "sending bytes" not in said


def test_dict_config_under_load(spool_root: Path) -> None:
    """U09: `dictConfig` again and again while threads log and ship: no deadlock, no record lost or doubled."""
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"shipper": {"class": "shipper.emit.ShipperHandler"}},
        "root": {"level": "DEBUG", "handlers": ["shipper"]},
    }
    sink = ChattySink()
    pipeline = shipper.configure(sink=sink, ship={"mode": "thread", "linger_s": 0})
    logging.config.dictConfig(config)
    stop = threading.Event()
    counts = [0, 0]

    def load(which: int) -> None:
        logger = logging.getLogger(f"load.{which}")
        while not stop.is_set():
            logger.info("hello")
            counts[which] += 1

    threads = [threading.Thread(target=load, args=(which,), daemon=True) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        logging.config.dictConfig(config)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "deadlock"
    assert shipper.flush(20.0) == 0
    # While dictConfig swaps handlers, a record may find none: that is Python's, not ours. None is doubled.
    assert len({record.event_id for record in sink.records}) == len(sink.records) == pipeline.counts().emitted
    assert 0 < len(sink.records) <= sum(counts)


def test_what_has_passed_and_is_gone_is_not_looked_through(spool_root: Path) -> None:
    """A record that took the general way leaves nothing that each later one has to look through, or to add to."""
    shipper.configure()
    THREADS.state.open = []  # pytest keeps records of tests before this one
    logger = logging.Logger("gone", logging.INFO)  # noqa: LOG001 - pytest's handlers on the root keep all records
    logger.addHandler(ShipperHandler())
    for _ in range(6):
        logger.info("plain")
    for number in range(6):
        logger.error("failed", exc_info=ValueError(number))
    assert len(THREADS.state.open) == 1
    for number in range(6):
        logger.info("step %d", number)
    assert THREADS.state.open == []
    assert len(documents_under(spool_root)) == 18
