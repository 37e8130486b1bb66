"""`shipper logstash`: files where Logstash reads them; its own numbers, read by one glance."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.logstash import app
from shipper.errors import ConfigurationError

ROW = {
    "events": {"in": 12, "filtered": 12, "out": 11},
    "queue": {"type": "persisted", "events_count": 1, "queue_size_in_bytes": 700},
    "dead_letter_queue": {"queue_size_in_bytes": 1, "dropped_events": 0},
    "plugins": {"filters": [{"id": "value", "events": {"in": 12}}, {"id": "unparsed", "events": {"in": 3}}]},
}


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Serve one answer to everything; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(pipelines: dict[str, Any], *options: str) -> Any:
    """Run the command against a Logstash with these pipelines."""
    with answering(json.dumps({"pipelines": pipelines}).encode()) as url:
        return CliRunner().invoke(app, ["status", "--url", url, *options])


def test_a_folder_gets_all_that_logstash_reads(tmp_path: Path) -> None:
    """Pipelines, scripts and settings are written; again is no change; what somebody changed is not overwritten."""
    runner = CliRunner()
    target = tmp_path / "a" / "b"
    assert runner.invoke(app, ["export", str(target)]).exit_code == 0
    for name in ("config", "pipelines"):
        ours = {each.name: each.read_bytes() for each in (asset("logstash") / name).iterdir()}
        assert {each.name: each.read_bytes() for each in (target / name).iterdir()} == ours
    assert runner.invoke(app, ["export", str(target)]).exit_code == 0
    (target / "config" / "logstash.yml").write_text("mine", "utf-8")
    refused = runner.invoke(app, ["export", str(target)])
    assert isinstance(refused.exception, ConfigurationError)
    assert "logstash.yml" in str(refused.exception)
    assert runner.invoke(app, ["export", str(target), "--force"]).exit_code == 0
    assert (target / "config" / "logstash.yml").read_bytes() != b"mine"


def test_pipelines_for_mutual_tls(tmp_path: Path) -> None:
    """--mutual-tls takes the marks away from the two lines of each connection to Kafka, and from nothing else."""
    runner = CliRunner()
    plain, mutual = tmp_path / "plain", tmp_path / "mutual"
    assert runner.invoke(app, ["export", str(plain)]).exit_code == 0
    assert runner.invoke(app, ["export", str(mutual), "--mutual-tls"]).exit_code == 0
    for file in sorted((plain / "pipelines").glob("*.conf")):
        before = file.read_text("utf-8").splitlines()
        after = (mutual / "pipelines" / file.name).read_text("utf-8").splitlines()
        changed = [new.split()[0] for old, new in zip(before, after, strict=True) if old != new]
        assert changed == ["ssl_keystore_type", "ssl_keystore_location"], file.name


def test_numbers_of_a_running_logstash() -> None:
    """U34: what waits, what was refused and how many lines were not understood are there by pipeline."""
    idle = {"events": {"in": 0, "out": 0}, "queue": None}
    found = status({"ml-logs": ROW, "ml-dead-letters": idle, ".monitoring": ROW}, "--json")
    assert found.exit_code == 0
    rows = json.loads(found.output)
    assert rows["ml-logs"] == {
        "in": 12,
        "out": 11,
        "waiting": 1,
        "waiting_bytes": 700,
        "dead_letters_bytes": 1,
        "dead_letters_dropped": 0,
        "unparsed": 3,
    }
    assert list(rows) == ["ml-logs", "ml-dead-letters"]


def test_what_is_wrong_is_said() -> None:
    """U34: a pipeline that does not run and letters that were dropped give exit code 1 and a sentence each."""
    found = status({"ml-logs": {**ROW, "dead_letter_queue": {"dropped_events": 2}}})
    assert found.exit_code == 1
    assert "ml-dead-letters does not run" in found.output
    assert "2 dropped" in found.output


def test_a_pipeline_that_could_not_start_is_named() -> None:
    """U34: Logstash lists a pipeline that it could not start among the others, without numbers; here it is an error."""
    reloads = {"failures": 1, "last_error": {"message": "Unable to configure plugins", "backtrace": ["a"]}}
    broken = {"events": None, "queue": None, "reloads": reloads}
    found = status({"ml-logs": ROW, "ml-dead-letters": ROW, "recipe-kafka": broken})
    assert found.exit_code == 1
    assert "The pipeline recipe-kafka does not run: Unable to configure plugins." in found.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///etc/passwd", "x"])
def test_nobody_there_is_one_sentence(url: str) -> None:
    """Where no Logstash answers the error is ours, with the address."""
    found = CliRunner().invoke(app, ["status", "--url", url])
    assert isinstance(found.exception, ConfigurationError)
    assert url in str(found.exception)
