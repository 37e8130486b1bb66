"""The questions to the servers: an answer counts only if it is whole and says "ready"."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shipper.stack.probe import elasticsearch_process, kafka_cluster_id


def text(value: str | None) -> bytes:
    """A Kafka string."""
    if value is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(value)) + value.encode()


def metadata(brokers: int = 1, cluster: str | None = "abc") -> bytes:
    """A Metadata response, version 7."""
    one = struct.pack(">i", 1) + text("127.0.0.1") + struct.pack(">i", 9092) + text(None)
    body = struct.pack(">iii", 1, 0, brokers) + one * brokers + text(cluster) + struct.pack(">ii", 1, 0)
    return struct.pack(">i", len(body)) + body


def http(status: int, document: object) -> bytes:
    """An HTTP answer."""
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """A server that gives one answer per connection and hangs up; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.close()
            thread.join()


def test_ready_broker_gives_its_cluster() -> None:
    """A broker that knows itself answers with the id of its cluster."""
    with answering(metadata()) as port:
        assert kafka_cluster_id("127.0.0.1", port) == "abc"


@pytest.mark.parametrize(
    "answer",
    [
        metadata(brokers=0),
        metadata(cluster=None),
        metadata()[:-20],
        metadata()[:3],
        b"",
        struct.pack(">i", 12) + bytes(12),
        struct.pack(">i", -1),
        struct.pack(">i", 1 << 30),
        struct.pack(">iiii", 12, 1, 0, 99),
        http(200, {"status": "green"}),
    ],
)
def test_anything_else_is_not_ready(answer: bytes) -> None:
    """No broker, a torn answer, or another program on the port: not ready, never an exception."""
    with answering(answer) as port:
        assert kafka_cluster_id("127.0.0.1", port) is None


def test_nobody_there() -> None:
    """A closed port is not ready."""
    with answering() as port:
        pass
    assert kafka_cluster_id("127.0.0.1", port) is None
    assert elasticsearch_process("127.0.0.1", port) is None


NODE = {"nodes": {"n": {"process": {"id": 42}}}}


@pytest.mark.parametrize("status", ["green", "yellow"])
def test_healthy_node_gives_its_process(status: str) -> None:
    """A node whose primary shards are there answers with its process number."""
    with answering(http(200, {"status": status}), http(200, NODE)) as port:
        assert elasticsearch_process("127.0.0.1", port) == 42


@pytest.mark.parametrize(
    "answers",
    [
        [http(200, {"status": "red"})],
        [http(503, {"status": "green"})],
        [http(200, ["x"])],
        [b"not http at all\r\n\r\n"],
        [http(200, {"status": "green"}), http(503, NODE)],
        [http(200, {"status": "green"}), http(200, {"nodes": {}})],
        [http(200, {"status": "green"}), http(200, {"nodes": {"n": {"process": {"id": "x"}}}})],
        [http(200, {"status": "green"}), http(200, {"nodes": [1]})],
    ],
)
def test_node_that_is_not_ready(answers: list[bytes]) -> None:
    """Missing shards, an error, or an answer of another shape: not ready, never an exception."""
    with answering(*answers) as port:
        assert elasticsearch_process("127.0.0.1", port) is None
