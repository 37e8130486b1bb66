"""Running small programs, and reading what they logged."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST_S = 60.0


def run(code: str, *arguments: str, directory: Path | None = None, expected: int = 0) -> str:
    """Run a program to its end; return what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=directory,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == expected, done.stderr
    return done.stderr


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def server(*command: str, directory: Path, port: int) -> Iterator[None]:
    """Run a server until it answers; end it with SIGTERM and wait."""
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline_s = time.monotonic() + LONGEST_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                said = (directory / "server.log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < deadline_s, said
                time.sleep(0.05)
        yield
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(LONGEST_S)


def get(port: int, path: str) -> int:
    """Ask the server; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def of_logger(documents: list[dict[str, Any]], logger: str) -> list[dict[str, Any]]:
    """Return the documents of one logger."""
    return [document for document in documents if document["log"]["logger"] == logger]
