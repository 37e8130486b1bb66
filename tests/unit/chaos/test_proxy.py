"""The proxy of a chaos run passes whole messages, knows what is in flight, and spoils what it is told to."""

from __future__ import annotations

import http.client
import json
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos.proxy import Moment, Proxy
from tests.chaos.wires import HttpWire, KafkaWire

_ITEMS = [{"create": {"_id": str(number), "status": 201}} for number in range(200)]


class _Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"errors": False, "items": _ITEMS}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Rig:
    """A proxy before a small server, and what it saw."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, Moment]] = []
        self.proxy = Proxy("store", port, lambda _own: HttpWire(), self._note)

    def _note(self, _hop: str, kind: str, moment: Moment, _client_port: int) -> None:
        self.seen.append((kind, moment))

    def ask(self) -> tuple[int, bytes]:
        """Send one bulk request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=10)
        try:
            connection.request("POST", "/_bulk", b"{}\n")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Return a running proxy before a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    one = Rig(server.server_address[1])
    one.proxy.start()
    try:
        yield one
    finally:
        one.proxy.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_fair_weather(rig: Rig) -> None:
    """Answers come as the server gave them; each step of a request is seen, in order."""
    status, body = rig.ask()
    assert (status, json.loads(body)["items"]) == (200, _ITEMS)
    deadline_s = time.monotonic() + 10
    while len(rig.seen) < 4 and time.monotonic() < deadline_s:
        threading.Event().wait(0.01)  # the last step is noted behind the client's back
    assert rig.seen == [("bulk", "asked"), ("bulk", "sent"), ("bulk", "answered"), ("bulk", "delivered")]
    assert rig.proxy.flying() == []


@pytest.mark.parametrize(("weather", "status"), [("429", 429), ("503", 503)])
def test_a_server_that_is_busy_or_away(rig: Rig, weather: str, status: int) -> None:
    """The proxy answers itself; the server is not asked."""
    rig.proxy.set_weather(weather, 30)
    assert rig.ask()[0] == status
    assert rig.seen == [("bulk", "asked")]


def test_some_items_are_refused(rig: Rig) -> None:
    """Of a bulk that was stored whole, some items are said to have met a full queue."""
    rig.proxy.set_weather("items429", 30)
    statuses = [item["create"]["status"] for item in json.loads(rig.ask()[1])["items"]]
    assert set(statuses) == {201, 429}


@pytest.mark.parametrize("weather", ["half", "refuse", "cut"])
def test_answers_that_never_come_whole(rig: Rig, weather: str) -> None:
    """Half an answer, a refused connection, a cut one: the client sees an error, not a wrong answer."""
    rig.proxy.set_weather(weather, 30)
    failures = 0
    for _ in range(20):
        try:
            assert json.loads(rig.ask()[1])["items"] == _ITEMS
        except (OSError, http.client.HTTPException):
            failures += 1
    assert failures > 3


def test_silence_ends(rig: Rig) -> None:
    """What was held back comes late, and whole; meanwhile it is known to be in flight."""
    rig.proxy.set_weather("silent", 0.5)
    answers: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: answers.append(rig.ask()))
    thread.start()
    flying: list[str] = []
    while thread.is_alive() and not flying:
        flying = rig.proxy.flying()
    thread.join(10)
    assert (flying, answers[0][0]) == (["bulk"], 200)


def test_kafka_clients_are_kept_on_the_proxy() -> None:
    """The broker's address in an answer becomes the proxy's; in fetched records it is left alone."""
    import asyncio

    async def answer_to(api: int) -> bytes:
        wire = KafkaWire(19_092, 20_000)
        body = b"\x00\x00\x00\x07\x0a127.0.0.1" + struct.pack(">i", 19_092) + b"rest"
        for content in (struct.pack(">hhi", api, 9, 7), body):
            reader = asyncio.StreamReader()
            reader.feed_data(struct.pack(">i", len(content)) + content)
            reader.feed_eof()
            if content is body:
                return (await wire.read_answer(reader))[1]
            await wire.read_request(reader)
        raise AssertionError

    assert struct.pack(">i", 20_000) in asyncio.run(answer_to(3))
    assert struct.pack(">i", 19_092) in asyncio.run(answer_to(1))
