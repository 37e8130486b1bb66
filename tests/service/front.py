"""A reverse proxy before the real Elasticsearch: what it passes on, answers itself or spoils is for each front to say."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

_PASSED_ON: Final = ("Content-Type", "Content-Encoding", "Accept", "Authorization")
_KIND: Final = "application/vnd.elasticsearch+json;compatible-with=9"
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate and key of a server, and of the authority that signed it (PEM)."""

    certificate: Path
    key: Path
    authority: Path


class Front(BaseHTTPRequestHandler):
    """One request. A front of its own overrides `serve`."""

    protocol_version = "HTTP/1.1"
    target: ClassVar[str] = ""
    context: ClassVar[ssl.SSLContext | None] = None

    def serve(self, body: bytes) -> None:
        """Answer a request; here, with what Elasticsearch answers."""
        self.send(*self.ask(body))

    def ask(self, body: bytes, method: str = "", path: str = "") -> tuple[int, bytes]:
        """Ask Elasticsearch, the same if nothing else is said; return status and body of the answer."""
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        connection = (
            HTTPConnection(self.target, timeout=_LIMIT_S)
            if self.context is None
            else HTTPSConnection(self.target, timeout=_LIMIT_S, context=self.context)
        )
        try:
            connection.request(method or self.command, path or self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, status: int, body: bytes, announced: int | None = None) -> None:
        """Send an answer; `announced`: the length that is said to be its, where that is to be a lie."""
        length = len(body) if announced is None else announced
        with suppress(OSError):
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", _KIND)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        if length != len(body):
            self.close_connection = True

    def _read_and_serve(self) -> None:
        self.serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _read_and_serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving(front: type[Front], elasticsearch_url: str, tls: Tls | None = None) -> Iterator[str]:
    """Serve until the block ends; give the address to use instead of `elasticsearch_url`, by TLS where that does."""

    class Placed(front):  # type: ignore[misc, valid-type]
        target = urlsplit(elasticsearch_url).netloc
        context = None if tls is None else ssl.create_default_context(cafile=str(tls.authority))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Placed)
    server.daemon_threads = True
    if tls is not None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(tls.certificate, tls.key)
        # The handshake is the connection's own thread's: one that never begins it must not hold up the others.
        server.socket = own.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
