"""gevent, the real one: greenlets, forks, gunicorn's worker; by an agent it is supported, by a thread refused in words."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.emit.spooled import documents_under
from tests.unit.integrations.program import LONGEST_S, free_port, get, of_logger, server

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import logging, os, sys
import gevent
import shipper
from shipper.emit import ShipperHandler

shipper.configure(service="greenlets")
log, logger = shipper.get_logger("structlog"), logging.getLogger("stdlib")
logger.addHandler(ShipperHandler())
logger.setLevel("INFO")
log.info("before")

def work(who):
    for number in range(20):
        with shipper.context(**{"labels.who": str(who)}):
            log.info("one", number=number, key=who * 100 + number)
            gevent.sleep(0)
            logger.info("two", extra={"key": who * 100 + number})

gevent.joinall([gevent.spawn(work, who) for who in range(30)], raise_error=True)
if os.fork() == 0:
    gevent.joinall([gevent.spawn(work, who) for who in range(30, 35)], raise_error=True)
    os._exit(0)
assert os.wait()[1] == 0
log.info("after")
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["agent", "thread"])
def test_greenlets(mode: str, spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U11: under gevent each record is in the spool once, with its greenlet's context, in children too; a thread is refused.

    Refused in words: one sentence says that shipping by a thread is not supported there, and what to do.
    """
    pytest.importorskip("gevent")
    monkeypatch.setenv("SHIPPER_SHIP_MODE", mode)
    monkeypatch.setenv("SHIPPER_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SHIPPER_SHIP_CLOSE_TIMEOUT_S", "0.5")
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS], capture_output=True, text=True, timeout=LONGEST_S, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("gevent" in done.stderr and "not supported" in done.stderr) == (mode == "thread"), done.stderr
    documents = documents_under(spool_root)
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    keys = Counter(
        (d["message"], d["numeric_labels"]["key"]) for d in documents if d["message"] in ("one", "two")
    )
    assert keys == Counter(
        (message, who * 100 + number)
        for message in ("one", "two")
        for who in range(35)
        for number in range(20)
    )
    for document in documents:
        if document["message"] == "one":
            assert int(document["labels"]["who"]) == document["numeric_labels"]["key"] // 100
    assert {document["message"] for document in documents} == {"before", "one", "two", "after"}


WSGI = """
import logging
import gevent
import shipper
log, standard = shipper.get_logger("app.wsgi"), logging.getLogger("app.standard")

def app(environ, start_response):
    with shipper.request(environ["PATH_INFO"]):
        log.info("structlog")
        gevent.sleep(0.05)
        standard.info("standard")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn_gevent(preload: bool, tmp_path: Path, spool_root: Path) -> None:
    """U11: gunicorn's gevent worker, preloaded or not, with an agent: each line is one record, with its own request."""
    pytest.importorskip("gevent")
    (tmp_path / "service.py").write_text(WSGI)
    (tmp_path / "gunicorn.conf.py").write_text(
        "import shipper\n"
        "from shipper.integrations.gunicorn import logconfig_dict as make\n"
        "shipper.configure(service='scoring')\n"
        f"logconfig_dict, workers, preload_app, worker_class = make(), 2, {preload}, 'gevent'\n"
    )
    port = free_port()
    command = (sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "service:app")
    with server(*command, directory=tmp_path, port=port):
        assert [get(port, f"/{number}") for number in range(8)] == [200] * 8
    documents = documents_under(spool_root)
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    for logger in ("app.wsgi", "app.standard"):
        served = of_logger(documents, logger)
        assert sorted(d["http"]["request"]["id"] for d in served) == [f"/{n}" for n in range(8)]
    assert len(of_logger(documents, "gunicorn.access")) == 8
