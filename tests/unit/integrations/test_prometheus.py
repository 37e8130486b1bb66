"""The numbers of an application in its own Prometheus registry."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import shipper
from shipper.errors import ConfigurationError
from shipper.integrations.prometheus import register, served
from tests.unit.own_spool import own_spool


@pytest.fixture(autouse=True)
def spool_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spool of the test's own."""
    with own_spool(tmp_path, monkeypatch) as root:
        yield root


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Return all samples by name and labels, as the text has them."""
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_an_application_shows_its_counters() -> None:
    """U19: emitted = delivered + dead-lettered + dropped + waiting holds in what is shown, redactions by kind beside it."""
    registry = CollectorRegistry()
    collector = register(registry)
    assert samples(registry)["shipper_records_emitted_total"] == 0.0
    shipper.configure(spool={"max_bytes": 1 << 20, "free_space_floor_bytes": 0})
    log = shipper.get_logger("app")
    log.info("mail bob@example.com")
    for _ in range(1500):
        log.debug("x" * 1000)
    found = samples(registry)
    dropped = found['shipper_records_dropped_total{reason="spool_full"}']
    assert dropped > 0
    assert found["shipper_records_emitted_total"] == 1501
    assert found["shipper_records_waiting"] == 1501 - dropped
    assert found['shipper_redactions_total{kind="email"}'] == 1
    assert found["shipper_spool_bytes"] > 100_000
    text = generate_latest(registry).decode()
    assert "bob" not in text
    if (promtool := shutil.which("promtool")) is not None:
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    registry.unregister(collector)
    assert samples(registry) == {}


def test_metrics_are_served_where_asked_and_nothing_stays_open() -> None:
    """A look at /metrics makes the numbers anew; after the block nobody listens; a wrong address is one sentence."""
    with served("127.0.0.1:0", lambda: ()) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.status == 200
        with (
            pytest.raises(ConfigurationError, match="cannot be served"),
            served(f"127.0.0.1:{port}", lambda: ()),
        ):
            pass
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
    with pytest.raises(ConfigurationError, match="no address"), served("localhost:metrics", lambda: ()):
        pass
