"""A small reverse proxy before the embedded Elasticsearch, which does not answer `GET /`; Logstash asks that first."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

_ROOT: Final = {
    "name": "node",
    "cluster_name": "shipper",
    "cluster_uuid": "c2hpcHBlcg",
    "version": {"number": "9.2.4", "build_flavor": "default"},
    "tagline": "You Know, for Search",
}
_PASSED_ON: Final = ("Content-Type", "Content-Encoding", "Accept", "Authorization")


@contextmanager
def elastic_front(elasticsearch_url: str) -> Iterator[str]:
    """Serve until the block ends; give the address to use instead of `elasticsearch_url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(urlsplit(elasticsearch_url).netloc))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(target: str) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/":
                self._answer(200, "application/json", json.dumps(_ROOT).encode())
            else:
                self._pass_on()

        def do_HEAD(self) -> None:
            self._answer(200, "application/json", b"")

        def do_POST(self) -> None:
            self._pass_on()

        def do_PUT(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            connection = HTTPConnection(target, timeout=60)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                self._answer(answer.status, answer.getheader("Content-Type", ""), answer.read())
            finally:
                connection.close()

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Front
