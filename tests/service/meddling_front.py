"""A reverse proxy before the real Elasticsearch that answers some bulk requests itself, or spoils the real answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PASSED_ON = ("Content-Type", "Accept", "Authorization")


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What happens to one bulk request.

    Attributes:
        status: answered instead of passing the request on; 0: it is passed on.
        body: of that answer, as JSON.
        keep: how much of the real answer is sent, as a share; the rest is cut off.
        is_honest: the length that is announced is what is sent, so only the content tells of the cut.
    """

    status: int = 0
    body: bytes = b'{"error":{"type":"t","reason":"spoilt"},"status":0}'
    keep: float = 1.0
    is_honest: bool = False


@dataclass
class Front:
    """The proxy, and what it did.

    Attributes:
        spoil: asked for each bulk request with its number, from 0; None: passed on as it is.
        sizes: bytes of the bulk requests, in the order of their arrival.
        at_once: the most bulk requests that were under way at a time.
    """

    url: str = ""
    spoil: Callable[[int], Spoilt | None] = lambda _number: None
    sizes: list[int] = field(default_factory=list)
    at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, size: int) -> int:
        """Count a bulk request in; return its number."""
        with self._lock:
            self.sizes.append(size)
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            return len(self.sizes) - 1

    def leave(self) -> None:
        """Count a bulk request out."""
        with self._lock:
            self._now -= 1


@contextmanager
def meddling_front(elasticsearch_url: str) -> Iterator[Front]:
    """Serve until the block ends."""
    front = Front()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(urlsplit(elasticsearch_url).netloc, front))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    front.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(target: str, front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.startswith("/_bulk"):
                self._send(*self._ask(body))
                return
            number = front.enter(len(body))
            try:
                self._spoil(front.spoil(number) or Spoilt(), body)
            finally:
                front.leave()

        def _spoil(self, spoilt: Spoilt, body: bytes) -> None:
            if spoilt.status:
                self._send(spoilt.status, spoilt.body)
                return
            status, answer = self._ask(body)
            kept = answer[: round(len(answer) * spoilt.keep)]
            self._send(status, kept, announced=len(kept) if spoilt.is_honest else len(answer))

        def _ask(self, body: bytes) -> tuple[int, bytes]:
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            connection = HTTPConnection(target, timeout=60)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        def _send(self, status: int, body: bytes, announced: int | None = None) -> None:
            length = len(body) if announced is None else announced
            with suppress(OSError):
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
            if length != len(body):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
