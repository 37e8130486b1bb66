"""Kafka's protocol and HTTP, as far as a proxy must know them: where a message ends, and which kind it is."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections import deque
from typing import Final

from tests.chaos.proxy import Request

_APIS: Final = {
    0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch", 10: "FindCoordinator",
    11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup", 18: "ApiVersions", 22: "InitProducerId",
}  # fmt: skip
_HOST: Final = b"127.0.0.1"
_BUSY: Final = json.dumps(
    {"error": {"type": "es_rejected_execution_exception", "reason": "chaos"}, "status": 429}
).encode()


class KafkaWire:
    """One connection to a broker. The broker's own address in its answers is replaced by the proxy's.

    Without that a client would go past the proxy: port and host stand side by side in each form of address.
    """

    def __init__(self, server_port: int, own_port: int) -> None:
        self._theirs = _HOST + struct.pack(">i", server_port)
        self._ours = _HOST + struct.pack(">i", own_port)
        self._asked: deque[str] = deque()

    async def read_request(self, reader: asyncio.StreamReader) -> Request:
        """Four bytes of length, then the number of the call."""
        head = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack(">i", head)[0])
        kind = _APIS.get(struct.unpack_from(">h", body)[0], "other")
        if kind != "Produce" or _wants_answer(body):
            self._asked.append(kind)
        return Request(kind, head + body)

    async def read_answer(self, reader: asyncio.StreamReader) -> tuple[str, bytes]:
        """Answers come in the order of requests."""
        head = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack(">i", head)[0])
        kind = self._asked.popleft() if self._asked else "other"
        if kind != "Fetch":
            body = body.replace(self._theirs, self._ours)
        return kind, head + body

    def instead(self, request: Request, weather: str) -> bytes | None:
        """Kafka's answers are left to Kafka."""
        return None

    def spoil(self, kind: str, answer: bytes, weather: str, source: random.Random) -> bytes:
        """See `instead`."""
        return answer


def _wants_answer(_body: bytes) -> bool:
    return True  # acks=all, always


class HttpWire:
    """One HTTP/1.1 connection with keep-alive, without pipelining."""

    def __init__(self) -> None:
        self._kind = "other"
        self._is_head = False

    async def read_request(self, reader: asyncio.StreamReader) -> Request:
        """Head and body; clients give the length."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        self._is_head = method == b"HEAD"
        self._kind = "bulk" if path.startswith(b"/_bulk") else "other"
        return Request(self._kind, head + await _body(head, reader))

    async def read_answer(self, reader: asyncio.StreamReader) -> tuple[str, bytes]:
        """Head and body, by length or in chunks."""
        head = await reader.readuntil(b"\r\n\r\n")
        return self._kind, head + (b"" if self._is_head else await _body(head, reader))

    def instead(self, request: Request, weather: str) -> bytes | None:
        """Overloaded, or a load balancer without a server behind it."""
        if weather == "429":
            return _answer("429 Too Many Requests", "application/json", _BUSY)
        if weather == "503":
            return _answer("503 Service Unavailable", "text/html", b"<html>no server is available</html>")
        return None

    def spoil(self, kind: str, answer: bytes, weather: str, source: random.Random) -> bytes:
        """items429: some items of a bulk that were stored are said to have been refused for load."""
        head, _, body = answer.partition(b"\r\n\r\n")
        if weather != "items429" or kind != "bulk" or b"chunked" in head.lower() or b"gzip" in head.lower():
            return answer
        try:
            found = json.loads(body)
        except ValueError:
            return answer
        for item in found.get("items", ()):
            if source.random() < 0.3:
                item["create"] = {
                    "status": 429,
                    "error": {"type": "es_rejected_execution_exception", "reason": "chaos"},
                }
        found["errors"] = True
        return _answer(
            "200 OK", "application/vnd.elasticsearch+json;compatible-with=9", json.dumps(found).encode()
        )


def _answer(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nX-elastic-product: Elasticsearch\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        parts = []
        while True:
            line = await reader.readuntil(b"\r\n")
            parts.append(line + await reader.readexactly(int(line.split(b";")[0], 16) + 2))
            if int(line.split(b";")[0], 16) == 0:
                return b"".join(parts)
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))
