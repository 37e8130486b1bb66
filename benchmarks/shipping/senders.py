"""Peers in Python: read lines from a file, send them with the headers of ours, wait for every acknowledgement.

Usage: python -m benchmarks.shipping.senders confluent-kafka|kafka-python HOST:PORT TOPIC FILE
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.shipping.store import PRODUCER

_KEY = PRODUCER.encode()
_SHARED = [
    ("event.dataset", b"ml.inference"),
    ("event.index", b"logs-ml.inference-default-2026.09.21"),
    ("schema", b"1"),
]


def messages(path: Path) -> Iterator[tuple[bytes, list[tuple[str, bytes]]]]:
    """Give each line with the headers that our agent would give it."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            headers = [
                ("event.id", b"%b-%d" % (_KEY, number)),
                ("@timestamp", b"%d" % (1_790_000_000_000_000 + number)),
                *_SHARED,
            ]
            yield line[:-1], headers


def confluent(servers: str, topic: str, path: Path) -> int:
    """Return how many were not acknowledged."""
    from confluent_kafka import Producer  # noqa: PLC0415

    producer = Producer(
        {
            "bootstrap.servers": servers,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    failed = 0

    def report(error: object, _message: object) -> None:
        nonlocal failed
        failed += error is not None

    for number, (line, headers) in enumerate(messages(path)):
        while True:
            try:
                producer.produce(topic, line, _KEY, on_delivery=report, headers=[*headers])
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
    return producer.flush(60) + failed


def kafka_python(servers: str, topic: str, path: Path) -> int:
    """Return how many were not acknowledged."""
    from kafka import KafkaProducer  # noqa: PLC0415

    producer = KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        compression_type="lz4",
        linger_ms=50,
        batch_size=256 << 10,
        max_request_size=4 << 20,
        metrics_enabled=False,
    )
    futures = [producer.send(topic, line, _KEY, headers=headers) for line, headers in messages(path)]
    producer.flush(600)
    return sum(not future.succeeded() for future in futures)


SENDERS: dict[str, Callable[[str, str, Path], int]] = {
    "confluent-kafka": confluent,
    "kafka-python": kafka_python,
}

if __name__ == "__main__":
    name, address, target, file = sys.argv[1:]
    sys.exit(1 if SENDERS[name](address, target, Path(file)) else 0)
