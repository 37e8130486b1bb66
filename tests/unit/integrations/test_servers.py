"""The recipes for uvicorn, gunicorn and Celery, with the real ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.emit.spooled import documents_under
from tests.unit.integrations.program import LONGEST_S, free_port, get, of_logger, server

ASGI = """
import asyncio, logging, os
import shipper
from shipper.integrations.uvicorn import log_config

log, standard = shipper.get_logger("app.asgi"), logging.getLogger("app.standard")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    with shipper.request(scope["path"]):
        log.info("structlog", path=scope["path"])
        standard.info("standard %s", scope["path"])
        await asyncio.sleep(0.01)
        if scope["path"] == "/fail":
            raise ValueError("on purpose")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

if __name__ == "__main__":
    import sys, uvicorn
    shipper.configure(service="scoring")
    uvicorn.run(app, port=int(sys.argv[1]), log_config=log_config(), lifespan="off")
"""


@pytest.mark.parametrize("way", ["program", "command"])
def test_uvicorn(way: str, tmp_path: Path, spool_root: Path) -> None:
    """U29: under uvicorn each line is one record, structured: its own messages, access log, errors, the application's."""
    (tmp_path / "service.py").write_text(ASGI)
    port = free_port()
    command = [sys.executable, "service.py", str(port)]
    if way == "command":
        config = subprocess.run(
            [sys.executable, "-m", "shipper.integrations.uvicorn"], capture_output=True, text=True, check=True
        ).stdout
        (tmp_path / "log.json").write_text(config)
        command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port),
                   "--log-config", "log.json", "--lifespan", "off"]  # fmt: skip
    with server(*command, directory=tmp_path, port=port):
        assert get(port, "/a?secret=x") == 200
        assert get(port, "/fail") == 500
    documents = documents_under(spool_root)
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    first, second = of_logger(documents, "uvicorn.access")
    assert first["http"] == {"request": {"id": "/a", "method": "GET"}, "response": {"status_code": 200}}
    assert (first["url"]["path"], first["client"]["ip"]) == ("/a", "127.0.0.1")
    assert second["http"]["response"]["status_code"] == 500
    (failure,) = [d for d in of_logger(documents, "uvicorn.error") if d["log"]["level"] == "error"]
    assert failure["error"]["type"] == "ValueError"
    assert not [d for d in documents if "color_message" in d.get("labels", {})]
    for logger in ("app.asgi", "app.standard"):
        found = [document["http"]["request"]["id"] for document in of_logger(documents, logger)]
        assert found == ["/a", "/fail"]
    started = [d for d in documents if d["message"].startswith("Uvicorn running on http://127.0.0.1")]
    assert len(started) == 1


WSGI = """
import logging, os
import shipper
log, standard = shipper.get_logger("app.wsgi"), logging.getLogger("app.standard")
log.info("loaded")

def app(environ, start_response):
    with shipper.request(environ["PATH_INFO"]):
        log.info("structlog")
        standard.info("standard")
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("on purpose")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
"""


@pytest.fixture(params=["agent", "thread"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let an agent ship, or the process itself: then to a Kafka out of reach, so that all stays where it is counted."""
    monkeypatch.setenv("SHIPPER_SHIP_MODE", request.param)
    monkeypatch.setenv("SHIPPER_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SHIPPER_SHIP_CLOSE_TIMEOUT_S", "0.5")
    return str(request.param)


@pytest.mark.slow
@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn(preload: bool, tmp_path: Path, spool_root: Path) -> None:
    """U06, U29: under gunicorn, preloaded or not, each line is one record of the worker (or master) that made it."""
    (tmp_path / "service.py").write_text(WSGI)
    (tmp_path / "gunicorn.conf.py").write_text(
        "import shipper\n"
        "from shipper.integrations.gunicorn import logconfig_dict as make\n"
        "shipper.configure(service='scoring')\n"
        f"logconfig_dict, workers, preload_app = make(), 2, {preload}\n"
    )
    port = free_port()
    command = (sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "service:app")
    with server(*command, directory=tmp_path, port=port):
        statuses = [get(port, f"/{number}?secret=x") for number in range(8)]
        assert get(port, "/fail") == 500
    assert statuses == [200] * 8
    documents = documents_under(spool_root)
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    master = {
        d["process"]["pid"]
        for d in of_logger(documents, "gunicorn.error")
        if d["message"].startswith("Starting gunicorn")
    }
    assert len(master) == 1
    loaded = {document["process"]["pid"] for document in documents if document["message"] == "loaded"}
    assert loaded == master if preload else (len(loaded) == 2 and not loaded & master)
    access = of_logger(documents, "gunicorn.access")
    assert sorted(d["url"]["path"] for d in access if d["url"]["path"] != "/fail") == [
        f"/{n}" for n in range(8)
    ]
    assert {(d["http"]["response"]["status_code"], d["url"]["path"] == "/fail") for d in access} == {
        (200, False),
        (500, True),
    }
    assert all(d["event"]["duration"] >= 0 for d in access)
    for logger in ("app.wsgi", "app.standard"):
        served = [d for d in of_logger(documents, logger) if d["message"] != "loaded"]
        assert sorted(d["http"]["request"]["id"] for d in served) == [*(f"/{n}" for n in range(8)), "/fail"]
        assert not {d["process"]["pid"] for d in served} & master
    assert [d["error"]["type"] for d in of_logger(documents, "gunicorn.error") if "error" in d] == [
        "ValueError"
    ]


CELERY = """
import logging, os
from celery import Celery
import shipper
from shipper.integrations.celery import install

shipper.configure(service="scoring-worker")
install()
app = Celery("tasks", broker="filesystem://", backend="file://results")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.broker_connection_retry_on_startup = False
log, standard = shipper.get_logger("app.task"), logging.getLogger("app.standard")

@app.task(name="tasks.score")
def score(number, secret):
    log.info("structlog", number=number)
    standard.info("standard %d", number)
    if number == 3:
        raise ValueError("on purpose")
    return number

if __name__ == "__main__":
    for number in range(4):
        score.delay(number, secret="hunter2")
"""


@pytest.mark.slow
@pytest.mark.usefixtures("mode")
def test_celery_prefork(tmp_path: Path, spool_root: Path) -> None:
    """U06, U29: under Celery's prefork pool each line is one record, with its task; arguments of tasks are in none."""
    (tmp_path / "tasks.py").write_text(CELERY)
    for folder in ("queue", "control", "results"):
        (tmp_path / folder).mkdir()
    subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, check=True, timeout=LONGEST_S)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "-c", "2",
             "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=tmp_path, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + LONGEST_S
        while len(list((tmp_path / "results").iterdir())) < 4:
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()
            assert time.monotonic() < deadline_s, (tmp_path / "worker.log").read_text()
            time.sleep(0.1)
        worker.terminate()
        worker.wait(LONGEST_S)
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait(LONGEST_S)
    documents = documents_under(spool_root)
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    for logger in ("app.task", "app.standard"):
        found = of_logger(documents, logger)
        assert len(found) == 4
        assert {document["labels"]["celery_task"] for document in found} == {"tasks.score"}
        assert len({document["labels"]["celery_task_id"] for document in found}) == 4
        assert worker.pid not in {document["process"]["pid"] for document in found}
    (failed,) = [d for d in of_logger(documents, "celery.app.trace") if d["log"]["level"] == "error"]
    assert failed["error"]["type"] == "ValueError"
    done = [d for d in of_logger(documents, "celery.app.trace") if "succeeded" in d["message"]]
    assert len(done) == 3
    assert all(d["event"]["duration"] > 0 and d["labels"]["celery_task"] == "tasks.score" for d in done)
    received: list[dict[str, Any]] = of_logger(documents, "celery.worker.strategy")
    assert len(received) == 4
    assert "hunter2" not in json.dumps(documents)
