"""A Maven repository on this machine that can misbehave: what the public one does on a bad day."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shipper.stack.artifacts import Artifact

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler, bytes], None]


def whole(request: Handler, content: bytes) -> None:
    """Send everything."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def cut_short(request: Handler, content: bytes) -> None:
    """Promise everything, send half, hang up."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])


def cut_short_unannounced(request: Handler, content: bytes) -> None:
    """Send half without saying how much there is."""
    request.send_response(200)
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])


def altered(request: Handler, content: bytes) -> None:
    """Send another content of the same size."""
    whole(request, bytes(byte ^ 1 for byte in content))


def hanging_up(request: Handler, content: bytes) -> None:
    """Close without an answer."""
    del request, content


class MavenServer:
    """Serves `contents` by artefact; `answers` says how, by file name (default `whole`)."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.url = ""

    def add(self, content: bytes, *, name: str = "thing", packaging: str = "jar") -> Artifact:
        """Publish a file and return its pin."""
        artifact = Artifact(
            "kafka" if packaging == "jar" else "elasticsearch",
            "org.example",
            name,
            "1.0",
            packaging,
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        self.contents[f"/org/example/{name}/1.0/{artifact.file_name}"] = content
        return artifact

    def answer(self, request: Handler) -> None:
        """Answer one request."""
        name = request.path.rpartition("/")[2]
        if not name.endswith(".sha1"):
            self.asked.append(name)
        if request.path in self.contents:
            self.answers.get(name, whole)(request, self.contents[request.path])
        else:
            request.send_error(404)


@contextmanager
def maven_server() -> Iterator[MavenServer]:
    """Run a repository while open."""
    repository = MavenServer()

    class _Handler(Handler):
        def do_GET(self) -> None:  # noqa: N802 -- the name that the base class calls
            repository.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    repository.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield repository
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
