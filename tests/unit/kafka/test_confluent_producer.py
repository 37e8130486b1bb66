"""The producer over confluent-kafka, with a client object that does as it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import KafkaError

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, RecordTooLarge
from shipper.kafka.confluent_producer import ConfluentProducer
from shipper.kafka.wire import BlockLimits
from shipper.record import RecordBatch

LIMITS = BlockLimits(1000, 1 << 20, 10_000)


class FullClient:
    """A client whose queue holds two messages; `poll` sends them."""

    def __init__(self, fate: Callable[[bytes], KafkaError | None] = lambda _value: None) -> None:
        self.fate = fate
        self.queue: list[tuple[bytes, Any]] = []
        self.sent: list[bytes] = []
        self.refusals = 0
        self.is_stuck = False

    def produce(self, _topic: str, value: bytes, _key: bytes, *, on_delivery: Any, headers: Any) -> None:
        if len(self.queue) >= 2:
            self.refusals += 1
            raise BufferError("Local: Queue full")
        assert [name for name, _ in headers] == [
            "event.id",
            "event.dataset",
            "event.index",
            "@timestamp",
            "schema",
        ]
        self.queue.append((value, on_delivery))

    def poll(self, _timeout: float) -> int:
        if not self.is_stuck:
            for value, report in self.queue:
                error = self.fate(value)
                if error is None:
                    self.sent.append(value)
                report(error, None)
            self.queue = []
        return 0

    def flush(self, _timeout: float) -> int:
        self.poll(0)
        return len(self.queue)

    def purge(self) -> None:
        """Nothing comes of what is in the queue."""
        self.queue = []


def producer_over(client: FullClient, timeout_s: float = 5.0) -> ConfluentProducer:
    """Return a producer that has connected and knows the topic."""
    producer = ConfluentProducer(KafkaSettings(request_timeout_s=timeout_s), "test", 10_000)
    producer._client = client
    producer._known_topics = {"t"}
    return producer


def batch(*payloads: bytes) -> RecordBatch:
    """Return records of one producer."""
    return RecordBatch("p", [(n, 1, 20, "ml.app", payload) for n, payload in enumerate(payloads, 1)])


def test_a_full_queue_holds_up_the_worker_and_nothing_else() -> None:
    """U18: "queue full" is waited for while delivery reports are taken; every record is sent, in order, none is refused."""
    client = FullClient()
    payloads = [b"%d" % n for n in range(25)]
    failures = producer_over(client).begin_records("t", batch(*payloads), range(25), "default", LIMITS)()
    assert not failures.answered
    assert not failures.ours
    assert client.sent == payloads
    assert client.refusals >= 10


def test_a_queue_that_stays_full_ends_with_the_deadline() -> None:
    """U18: what found no room in time, and what got no report, is a retriable failure; nothing counts as stored."""
    client = FullClient()
    client.is_stuck = True
    failures = producer_over(client, 0.1).begin_records(
        "t", batch(b"a", b"b", b"c"), range(3), "default", LIMITS
    )()
    assert sorted(failures.answered) == [0, 1, 2]
    assert all(
        isinstance(error, BrokerUnavailable) and error.retriable for error in failures.answered.values()
    )


def test_each_record_has_the_report_of_its_own() -> None:
    """Equal payloads are told apart; a refusal is a refusal, a fault of the broker is retriable, too large is our word."""
    fates = iter([None, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), KafkaError(KafkaError._TRANSPORT), None])
    client = FullClient(lambda _value: next(fates))
    failures = producer_over(client).begin_records(
        "t", batch(b"x", b"x", b"x", b"x", bytes(20_000)), range(5), "default", LIMITS
    )()
    assert {place: type(error) for place, error in failures.answered.items()} == {
        1: RecordTooLarge,
        2: BrokerUnavailable,
    }
    assert list(failures.ours) == [4]
    assert failures.refused() == [1]
