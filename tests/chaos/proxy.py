"""A proxy between our processes and a server: it sees each request and its answer, and can spoil either.

One proxy per hop: `ship` (applications and agent to Kafka), `index` (indexers to Kafka), `store` (indexers to
Elasticsearch). Each passes whole messages, so that it knows what is in flight at any instant; that is also how the
harness knows in which state a process is when it dies. What a message is, `kafka_wire` and `http_wire` know.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

Moment = Literal["asked", "sent", "answered", "delivered"]
"""A request has come from the client; has gone to the server; its answer has come; has gone to the client."""

_FLAP_S: Final = 0.7
_STEP_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request."""

    kind: str
    content: bytes


class Wire(Protocol):
    """A protocol of requests and answers, one connection of it."""

    async def read_request(self, reader: asyncio.StreamReader) -> Request:
        """Return the next request of the client. Raises IncompleteReadError at the end."""

    async def read_answer(self, reader: asyncio.StreamReader) -> tuple[str, bytes]:
        """Return the kind of the request that is answered, and the answer as the client is to see it."""

    def instead(self, request: Request, weather: str) -> bytes | None:
        """Return an answer that the proxy gives itself in this weather, or None to ask the server."""

    def spoil(self, kind: str, answer: bytes, weather: str, source: random.Random) -> bytes:
        """Return the answer as this weather leaves it."""


@dataclass(slots=True)
class Weather:
    """What a proxy does until a point of the monotonic clock."""

    kind: str = "fair"
    until_s: float = 0.0

    def now(self) -> str:
        """Return the kind that holds now; flapping is refusing half of the time."""
        now_s = time.monotonic()
        if now_s >= self.until_s:
            return "fair"
        if self.kind == "flap":
            return "refuse" if int(now_s / _FLAP_S) % 2 else "fair"
        return self.kind


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection; `flying` are the kinds of requests without an answer."""

    client_port: int
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    wire: Wire
    flying: list[str] = field(default_factory=list)

    def cut(self) -> None:
        """End both sides at once, without good manners."""
        for writer in (self.client, self.server):
            with contextlib.suppress(Exception):
                writer.transport.abort()


class Proxy:
    """Passes messages of one hop; runs in a thread of its own from `start` to `close`.

    Args:
        watch: called with request kind, moment and the client's port, before the next step is made.
    """

    def __init__(
        self,
        hop: str,
        target_port: int,
        make_wire: Callable[[int], Wire],
        watch: Callable[[str, str, Moment, int], None],
    ) -> None:
        self.hop = hop
        self.counts: dict[str, int] = {}
        self._target_port = target_port
        self._make_wire = make_wire
        self._watch = watch
        self._weather = Weather()
        self._links: set[_Link] = set()
        self._random = random.Random(hop)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{hop}", daemon=True)
        self._server: asyncio.Server | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def close(self) -> None:
        """Cut everything and end."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were aborted close their sockets in the next turn

    def set_weather(self, kind: str, length_s: float) -> None:
        """Let it be so for so long; what refuses or cuts begins by cutting."""
        self._weather = Weather(kind, time.monotonic() + length_s)
        if kind in ("refuse", "cut", "flap"):
            self._loop.call_soon_threadsafe(self._cut_all)

    def flying(self, client_ports: set[int] | None = None) -> list[str]:
        """Return the kinds of requests in flight now, of these clients or of all."""
        return [
            kind
            for link in self._copy()
            if client_ports is None or link.client_port in client_ports
            for kind in list(link.flying)
        ]

    def client_ports(self) -> set[int]:
        """Return the ports of the clients that are connected."""
        return {link.client_port for link in self._copy()}

    def _copy(self) -> Iterator[_Link]:
        while True:
            try:
                return iter(list(self._links))
            except RuntimeError:  # it changed meanwhile, in the other thread
                continue

    def _cut_all(self) -> None:
        for link in list(self._links):
            link.cut()

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._socket, limit=1 << 26)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port: int = writer.get_extra_info("peername")[1]
        if self._weather.now() == "refuse":
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(
                "127.0.0.1", self._target_port, limit=1 << 26
            )
        except OSError:
            writer.transport.abort()
            return
        link = _Link(port, writer, server_writer, self._make_wire(self.port))
        self._links.add(link)
        tasks = [
            asyncio.ensure_future(self._forth(link, reader)),
            asyncio.ensure_future(self._back(link, server_reader)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            link.cut()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._links.discard(link)

    async def _forth(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            request = await link.wire.read_request(reader)
            self.counts[request.kind] = self.counts.get(request.kind, 0) + 1
            link.flying.append(request.kind)
            self._watch(self.hop, request.kind, "asked", link.client_port)
            weather = await self._wait_out()
            own = link.wire.instead(request, weather)
            if own is not None:
                link.flying.remove(request.kind)
                link.client.write(own)
                await link.client.drain()
                continue
            link.server.write(request.content)
            await link.server.drain()
            self._watch(self.hop, request.kind, "sent", link.client_port)

    async def _back(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            kind, answer = await link.wire.read_answer(reader)
            self._watch(self.hop, kind, "answered", link.client_port)
            weather = await self._wait_out()
            if weather in ("half", "cut") and kind != "ApiVersions" and self._random.random() < 0.5:
                link.client.write(answer[: len(answer) // 2] if weather == "half" else b"")
                with contextlib.suppress(Exception):
                    await link.client.drain()
                await asyncio.sleep(_STEP_S)
                return
            link.client.write(link.wire.spoil(kind, answer, weather, self._random))
            await link.client.drain()
            if kind in link.flying:
                link.flying.remove(kind)
            self._watch(self.hop, kind, "delivered", link.client_port)

    async def _wait_out(self) -> str:
        """Hold a message back as long as the weather says; return the weather."""
        if self._weather.now() == "slow":
            await asyncio.sleep(self._random.uniform(0.1, 1.5))
        # Looked at again and again: weather is set in another thread, and ends by the clock.
        while self._weather.now() == "silent":  # noqa: ASYNC110
            await asyncio.sleep(_STEP_S)
        return self._weather.now()
