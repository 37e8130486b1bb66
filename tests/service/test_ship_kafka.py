"""Spool to the real Kafka: what an outage, a crash, a large record, a missing topic do to the count."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.config import KafkaSettings
from shipper.kafka.dead_letters import decode
from shipper.observe.counters import Counters
from shipper.observe.health import Health
from shipper.observe.report import Reporter
from shipper.record import event_id, new_producer_id
from shipper.ship.batch import BatchLimits
from shipper.ship.fleet import Adoption
from shipper.ship.kafka_sink import KafkaSink
from shipper.ship.retry import Backoff
from shipper.ship.shipment import Shipping
from shipper.ship.worker import ShipWorker
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter
from tests.service.running_stack import RunningStack
from tests.service.topics import ids_on, make_topics, own_topics, read_topic

PROGRAM = Path(__file__).parents[1] / "fault" / "append_and_exit.py"


class Service:
    """Writer and worker of one process, composed as the pipeline does, with the parts in reach."""

    def __init__(self, root: Path, kafka: KafkaSettings, *, fsync: str = "never") -> None:
        clock = SystemClock()
        self.told: list[str] = []
        self.counters = Counters()
        self.producer_id = new_producer_id()
        self.writer = SpoolWriter.open(
            root,
            SpoolPolicy(free_space_floor_bytes=0, max_bytes=64 << 20, segment_max_bytes=1 << 18, fsync=fsync),  # type: ignore[arg-type]
            producer_id=self.producer_id,
            stamp=b'"id":"%b-%%d","sequence":%%d' % self.producer_id.encode(),
            clock=clock,
            on_drop=self.counters.count_dropped,
        )
        sink = KafkaSink(kafka, "default", clock)
        self.health = Health(clock)
        shipping = Shipping(
            sink,
            sink,
            BatchLimits(500, 1 << 18, 0.05),
            Backoff(0.05, 1.0),
            clock,
            random.Random(1).random,
            self.health,
            Reporter(clock, write=self.told.append),
        )
        self.worker = ShipWorker(
            self.writer, shipping, self.counters, adoption=Adoption(root, lambda _meta: True, interval_s=0.2)
        )

    def log(self, body: bytes = b"") -> int | None:
        """Do what the emitting side does for one record."""
        self.counters.count_emitted()
        sequence = self.writer.append(
            b"{", body + b"}", timestamp_us=SystemClock().now_us(), level=20, dataset="ml.app"
        )
        self.worker.start()
        return sequence

    def flush(self, timeout_s: float = 60) -> int:
        """Wait until everything is settled."""
        return self.worker.flush(time.monotonic() + timeout_s)

    def close(self, timeout_s: float = 10) -> int:
        """End in the right order."""
        self.writer.close()
        return self.worker.stop(time.monotonic() + timeout_s)

    def ids(self, count: int) -> set[str]:
        """Return the ids of the first `count` records."""
        return {event_id(self.producer_id, sequence) for sequence in range(1, count + 1)}


@contextmanager
def service(root: Path, kafka: KafkaSettings) -> Iterator[Service]:
    """Run a service and close it."""
    one = Service(root, kafka)
    try:
        yield one
    finally:
        one.close()


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        threading.Event().wait(0.02)


def test_each_record_arrives_once_with_its_headers(stack: RunningStack, tmp_path: Path) -> None:
    """U19: without trouble everything emitted is delivered exactly once, in order, and the spool is empty."""
    with own_topics(stack) as kafka:
        with service(tmp_path / "spool", kafka) as one:
            for _ in range(3000):
                one.log()
            assert one.flush() == 0
            snapshot = one.counters.snapshot()
            assert (snapshot.emitted, snapshot.delivered, snapshot.waiting) == (3000, 3000, 0)
        assert list((tmp_path / "spool").iterdir()) == []
        found = read_topic(kafka)
        assert [record.headers["event.id"].decode() for record in found] == [
            event_id(one.producer_id, sequence) for sequence in range(1, 3001)
        ]
        assert {record.key for record in found} == {one.producer_id.encode()}
        first = found[0]
        assert first.headers["event.index"].startswith(b"logs-ml.app-default-20")
        assert (first.headers["event.dataset"], first.headers["schema"]) == (b"ml.app", b"1")
        assert first.value is not None
        assert event_id(one.producer_id, 1).encode() in first.value


def test_the_broker_restarts_under_load(stack: RunningStack, tmp_path: Path) -> None:
    """U05: the broker is killed and restarted while records are logged: every one of them is on the topic after it."""
    with own_topics(stack) as kafka, service(tmp_path / "spool", kafka) as one:
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                one.log(bytes(300).replace(b"\0", b" "))
                stop.wait(0.002)

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: one.counters.snapshot().delivered > 100)
            stack.restart_kafka(kill=True)
            delivered = one.counters.snapshot().delivered
            until(lambda: one.counters.snapshot().delivered > delivered + 200, 90)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert one.flush() == 0
        snapshot = one.counters.snapshot()
        assert (snapshot.waiting, dict(snapshot.dropped)) == (0, {})
        found = ids_on(kafka)
        assert set(found) == one.ids(snapshot.emitted)
        assert snapshot.delivered == snapshot.emitted


def test_a_missing_topic_is_waited_for(stack: RunningStack, tmp_path: Path) -> None:
    """Records wait in the spool for a topic that is made later; the report says which command makes it."""
    with own_topics(stack, is_made=False) as kafka, service(tmp_path / "spool", kafka) as one:
        for _ in range(10):
            one.log()
        until(lambda: bool(one.told))
        assert "`shipper setup`" in one.told[0]
        assert one.counters.snapshot().waiting == 10
        make_topics(kafka)
        assert one.flush() == 0
        assert sorted(ids_on(kafka)) == sorted(one.ids(10))


def test_a_record_over_the_limit_is_a_dead_letter(stack: RunningStack, tmp_path: Path) -> None:
    """U38: too large for us or for the topic: to the dead letters, whole; all others arrive."""
    with own_topics(stack, config={"max.message.bytes": "40000"}, compression="none") as kafka:
        with service(tmp_path / "spool", kafka) as one:
            for number in range(30):
                one.log(b" " * {7: 1_100_000, 13: 60_000}.get(number, 100))
            assert one.flush() == 0
            assert dict(one.counters.snapshot().dead_lettered) == {"too_large": 2}
        assert set(ids_on(kafka)) == one.ids(30) - {
            event_id(one.producer_id, 8),
            event_id(one.producer_id, 14),
        }
        letters = [decode(record.value or b"") for record in read_topic(kafka, kafka.dead_letter_topic)]
        assert sorted(letter.event_id for letter in letters if letter) == sorted(
            [event_id(one.producer_id, 8), event_id(one.producer_id, 14)]
        )
        largest = max((letter for letter in letters if letter), key=lambda letter: len(letter.payload))
        assert len(largest.payload) > 1_100_000
        assert (largest.hop, largest.reason) == ("ship", "too_large")


def test_a_killed_predecessor_is_sent_by_the_next_start(stack: RunningStack, tmp_path: Path) -> None:
    """U01: a process logs 1,000 records and is gone at once; the next start of the service sends them all."""
    root = tmp_path / "spool"
    with own_topics(stack) as kafka:
        run = subprocess.run(
            [sys.executable, str(PROGRAM), str(root), "predecessor", "1000", "_exit"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert run.stdout.strip() == "1000"
        with service(root, kafka) as one:
            one.log()
            until(lambda: not (root / "predecessor").exists())
            assert one.flush() == 0
        assert set(ids_on(kafka)) == one.ids(1) | {event_id("predecessor", n) for n in range(1, 1001)}


def test_shutdown_has_one_deadline_when_nobody_answers(tmp_path: Path) -> None:
    """U03: with an address that takes connections and never answers, close takes its budget and no longer."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}", request_timeout_s=5)
        one = Service(tmp_path / "spool", kafka)
        for _ in range(5):
            one.log()
        until(lambda: one.worker.is_running)
        started = time.monotonic()
        assert one.close(timeout_s=1.0) == 5
        assert time.monotonic() - started < 2
    one.worker._thread.join(60)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_stays_flat_in_an_outage(tmp_path: Path) -> None:
    """U17: with no broker, a spool that fills up and stays full costs no memory, and every record is accounted for.

    In a process of its own: here, pytest keeps what the client logs. SHIPPER_TEST_OUTAGE_S=600 makes it ten minutes.
    """
    length_s = os.environ.get("SHIPPER_TEST_OUTAGE_S", "60")
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.outage", str(tmp_path / "spool"), length_s],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    resident, descriptors = seen["resident_bytes"], seen["descriptors"]
    assert seen["dropped"].keys() == {"spool_full"}, "it never became full"
    assert seen["emitted"] == seen["waiting"] + sum(seen["dropped"].values())
    half, last = len(resident) // 2, len(resident) * 3 // 4
    assert max(resident[last:]) < max(resident[:half]) + (4 << 20)
    assert max(descriptors[last:]) <= max(descriptors[:half]) + 2


def test_the_program_killed_at_random_and_restarted(stack: RunningStack, tmp_path: Path) -> None:
    """U22, U24: processes that log are killed again and again; what they said was stored is on the topic."""
    root = tmp_path / "spool"
    dice = random.Random(5)
    with own_topics(stack) as kafka:
        stored: set[str] = set()
        for number in range(4):
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(root), f"p{number}", "3000", "hang"],
                stdout=subprocess.PIPE,
                text=True,
            )
            with process:
                assert process.stdout is not None
                if dice.random() < 0.5:
                    count = int(process.stdout.readline())
                    stored |= {event_id(f"p{number}", n) for n in range(1, count + 1)}
                process.send_signal(signal.SIGKILL)
        with service(root, kafka) as one:
            one.log()
            until(lambda: not any((root / f"p{number}").exists() for number in range(4)))
            assert one.flush() == 0
        found = ids_on(kafka)
        assert stored | one.ids(1) <= set(found)
        assert len(found) == len(set(found))
