"""Asks a server one real question over its own protocol, without the client libraries.

Readiness needs more than an open port: Kafka must know its broker, Elasticsearch its node, and the
answer must come from the server that we started, not from another one on the same port.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
from typing import Final

_TIMEOUT_S: Final = 5.0
_METADATA_KEY: Final = 3
_METADATA_VERSION: Final = 7
_CLIENT_ID: Final = b"shipper-stack"
_ANSWER_MAX_BYTES: Final = 1 << 20


def kafka_cluster_id(host: str, port: int) -> str | None:
    """The cluster id of a broker that is ready to serve, or None while nobody answers so.

    Sends a Metadata request (version 7, no topics); the answer lists the brokers that are up.
    """
    body = struct.pack(
        f">hhih{len(_CLIENT_ID)}s", _METADATA_KEY, _METADATA_VERSION, 1, len(_CLIENT_ID), _CLIENT_ID
    )
    body += struct.pack(">i?", 0, False)  # an empty list of topics; do not create any
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            (size,) = struct.unpack(">i", _receive(connection, 4))
            if not 0 < size <= _ANSWER_MAX_BYTES:
                return None
            return _cluster_id(_receive(connection, size))
    except (OSError, EOFError, struct.error, UnicodeDecodeError):
        return None


def elasticsearch_process(host: str, port: int) -> int | None:
    """The process number of an Elasticsearch that can take documents, or None while nobody answers so."""
    health = _get(host, port, "/_cluster/health")
    if not isinstance(health, dict) or health.get("status") not in ("green", "yellow"):
        return None
    answer = _get(host, port, "/_nodes/_local/process")
    nodes = answer.get("nodes") if isinstance(answer, dict) else None
    for node in nodes.values() if isinstance(nodes, dict) else ():
        pid = node.get("process", {}).get("id") if isinstance(node, dict) else None
        if isinstance(pid, int):
            return pid
    return None


def _get(host: str, port: int, path: str) -> object:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content: object = json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return content


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = connection.recv(size - len(data))
        if not block:
            raise EOFError
        data += block
    return bytes(data)


def _cluster_id(answer: bytes) -> str | None:
    """Read brokers and cluster id from a Metadata response of version 7; None without brokers."""
    offset = 8  # correlation id, throttle time
    (brokers,) = struct.unpack_from(">i", answer, offset)
    offset += 4
    for _ in range(brokers):
        offset += 4  # node id
        offset = _skip_text(answer, offset)  # host
        offset += 4  # port
        offset = _skip_text(answer, offset)  # rack
    (length,) = struct.unpack_from(">h", answer, offset)
    if brokers == 0 or length < 0:
        return None
    return answer[offset + 2 : offset + 2 + length].decode("ascii")


def _skip_text(answer: bytes, offset: int) -> int:
    length: int = struct.unpack_from(">h", answer, offset)[0]
    return offset + 2 + max(0, length)
