"""The small programs of deploy/compose: who gets which role, and the program that logs for the demo."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from shipper.spool.survey import survey

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deploy" / "compose"
ROLES = ROOT / "es_templates" / "roles" / "api"
PASSWORDS = ("LOGSTASH", "INDEXER", "DETECTOR", "VIEWER", "KIBANA_SYSTEM")


class Security(ThreadingHTTPServer):
    """Stands for Elasticsearch's security interface over TLS: writes down what it is asked."""

    def __init__(self, folder: Path, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.logins: set[str] = set()
        self.status = status
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.crt")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Handler(BaseHTTPRequestHandler):
    server: Security

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.command, self.path, body))
        login = self.headers["Authorization"].removeprefix("Basic ")
        self.server.logins.add(base64.b64decode(login).decode())
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_POST = _answer  # noqa: N815 - names that the library looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def security(folder: Path, status: int = 200) -> Iterator[Security]:
    """Run one."""
    with Security(folder, status) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def run_users(folder: Path, server: Security) -> subprocess.CompletedProcess[str]:
    """Run users.sh against the server."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    given = {
        "PATH": os.environ["PATH"],
        "ELASTICSEARCH_SERVER": f"https://localhost:{server.server_port}",
        "CERTIFICATES": str(folder),
        "ELASTIC_PASSWORD": "of-elastic",
        **{f"{name}_PASSWORD": f"of-{name.lower()}" for name in PASSWORDS},
    }
    script = ["bash", str(SCRIPTS / "users.sh")]
    return subprocess.run(script, env=given, capture_output=True, text=True, check=False, timeout=60)


def test_each_service_gets_the_role_of_its_own(tmp_path: Path) -> None:
    """Each user of the compose file exists, with roles that `shipper setup` makes; nobody is superuser."""
    with security(tmp_path) as server:
        done = run_users(tmp_path, server)
    assert done.returncode == 0, done.stderr
    assert server.logins == {"elastic:of-elastic"}
    stored = {path.rpartition("/")[2]: body for _, path, body in server.asked if "/role/" in path}
    roles = {path.stem for path in ROLES.glob("*.json")}
    assert not roles & stored.keys(), "setup makes them"
    users = {path.rpartition("/")[2]: body for _, path, body in server.asked if "/user/" in path}
    users.pop("_password")
    assert {name: body["password"] for name, body in users.items()} == {
        name: f"of-{name}" for name in ("logstash", "indexer", "detector", "viewer")
    }
    assert all(set(body["roles"]) <= roles | stored.keys() for body in users.values())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    known = {each.get("environment", {}).get("SHIPPER_ELASTICSEARCH_USERNAME") for each in services.values()}
    assert known - {None, "elastic"} <= users.keys()
    assert (users["logstash"]["roles"], users["detector"]["roles"]) == (
        ["shipper_writer"],
        ["shipper_detector"],
    )


def test_a_refusal_ends_the_script(tmp_path: Path) -> None:
    """The container then fails, and what waits for it does not start."""
    with security(tmp_path, status=403) as server:
        done = run_users(tmp_path, server)
    assert done.returncode != 0
    assert len(server.asked) == 1


@pytest.mark.slow
def test_the_demo_application_logs(tmp_path: Path) -> None:
    """It puts its records into the spool that it shares with the agent, and ends on SIGTERM in order."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SHIPPER_SHIP_MODE": "agent",
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "SHIPPER_SERVICE_NAME": "screening",
        "METRICS_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "application.py")], env=environment, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "spool").glob("**/*.seg*")) and process.poll() is None:
            assert time.monotonic() < deadline, "nothing was logged"
            threading.Event().wait(0.1)
        threading.Event().wait(1.5)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert any(one.size_bytes for one in survey(tmp_path / "spool"))
    content = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert b'"ml":{' in content
    assert b"prediction" in content
