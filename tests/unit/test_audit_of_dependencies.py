"""`tools/audit.py` with the real pip-audit and a database of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "audit.py"
VULNERABILITY = {
    "id": "X-2026-1",
    "summary": "made up",
    "details": "",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
            "versions": ["2.32.0"],
        }
    ],
}


@contextmanager
def database(answer: object, status: int = 200) -> Iterator[str]:
    """Answer every question alike; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer."""
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is Python's
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audit(folder: Path, url: str) -> tuple[int, str]:
    """Audit one pinned package against a database."""
    wanted = folder / "requirements.txt"
    wanted.write_text("requests==2.32.0\n")
    arguments = [
        "--disable-pip",
        "--no-deps",
        "-r",
        str(wanted),
        "-s",
        "osv",
        "--osv-url",
        url,
        "--timeout",
        "5",
    ]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


@pytest.mark.slow
def test_nothing_is_known(tmp_path: Path) -> None:
    """A database that answers and knows nothing: passed."""
    with database({}) as url:
        assert audit(tmp_path, url) == (0, "AUDIT PASSED: of 1 packages none is known to be vulnerable.\n")


@pytest.mark.slow
def test_a_known_vulnerability(tmp_path: Path) -> None:
    """It is named with the version that mends it, and the audit fails."""
    with database({"vulns": [VULNERABILITY]}) as url:
        code, said = audit(tmp_path, url)
    assert code == 1
    assert "requests 2.32.0: X-2026-1, mended in 99.0" in said


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 500, 403])
def test_a_database_that_does_not_answer(tmp_path: Path, status: int) -> None:
    """Nobody there, a failing server, a refusal: not done, and never passed."""
    with database({}, status or 200) as url:
        code, said = audit(tmp_path, url if status else "http://127.0.0.1:1")
    assert code == 2
    assert said.startswith("AUDIT NOT DONE")
