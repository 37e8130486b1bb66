"""Metrics of the commands on the real servers, judged by Prometheus's own checker where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.kafka_stage import KafkaStage
from tests.service.running_stack import free_ports


@contextmanager
def running(stage: KafkaStage, *arguments: str, spool: Path) -> Iterator[int]:
    """Run a command that serves metrics; yield its port."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "shipper", *arguments, "--metrics", f"127.0.0.1:{port}"],
        env={**stage.environment, "SHIPPER_SPOOL_DIRECTORY": str(spool)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield port
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors


def text_of(port: int) -> str:
    """Return what is served, or nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""


def wait_for(port: int, name: str, value: float) -> dict[str, float]:
    """Return the metrics as soon as one of them has a value."""
    deadline_s = time.monotonic() + 90
    while True:
        found = dict(_samples(text_of(port)))
        if found.get(name) == value:
            return found
        assert time.monotonic() < deadline_s, found
        time.sleep(0.2)


def _samples(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, float(value)


def check(text: str) -> None:
    """Have Prometheus itself judge the text: names, units, types, help."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool, of the Debian package prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


_APPLICATION = """
import shipper, os, sys
shipper.configure(service="scorer")
log = shipper.get_logger("app")
for number in range(20):
    log.info("number %d", number)
sys.stdout.write("done")
sys.stdout.flush()
os._exit(0)
"""


def test_an_agent_tells_what_it_ships_and_what_waits(stage: KafkaStage, tmp_path: Path) -> None:
    """U19 U34: counters of records by fate, spool bytes and the age of the oldest unsent record, as valid text."""
    environment = {
        **stage.environment,
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path),
        "SHIPPER_SHIP_MODE": "agent",
    }
    subprocess.run([sys.executable, "-c", _APPLICATION], env=environment, check=True, capture_output=True)
    with running(stage, "agent", spool=tmp_path) as port:
        found = wait_for(port, "shipper_records_delivered_total", 20.0)
        assert found["shipper_records_emitted_total"] == 20.0
        assert found["shipper_records_waiting"] == 0.0
        assert found["shipper_shipping_healthy"] == 1.0
        found = wait_for(port, "shipper_spool_folders_finished_total", 1.0)
        assert (found["shipper_oldest_unsent_age_seconds"], found["shipper_spool_bytes"]) == (0.0, 0.0)
        text = text_of(port)
    check(text)


def test_an_agent_without_a_broker_tells_of_the_growing_age(stage: KafkaStage, tmp_path: Path) -> None:
    """U17 U19: while Kafka is away what waits, its bytes, its age and the trouble are to be seen."""
    environment = {
        **stage.environment,
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path),
        "SHIPPER_SHIP_MODE": "agent",
    }
    subprocess.run([sys.executable, "-c", _APPLICATION], env=environment, check=True, capture_output=True)
    topic = stage.kafka.topic
    stage.kafka = stage.kafka.model_copy(update={"topic": "is-not-there"})
    with running(stage, "agent", spool=tmp_path) as port:
        found = wait_for(port, "shipper_shipping_healthy", 0.0)
        assert found["shipper_records_waiting"] == 20.0
        assert found["shipper_spool_bytes"] > 0
        first = found["shipper_oldest_unsent_age_seconds"]
        assert first > 0
        assert dict(_samples(text_of(port)))["shipper_oldest_unsent_age_seconds"] > first
    stage.kafka = stage.kafka.model_copy(update={"topic": topic})


def test_an_indexer_tells_its_counts_its_lag_and_the_dead_letters(stage: KafkaStage, tmp_path: Path) -> None:
    """U34: dead letters are watched: how many by hop and reason, how old, how large; and the group's lag."""
    stage.send([stage.value(), stage.value(host="scalar"), stage.value()])
    with running(stage, "index", spool=tmp_path) as port:
        wait_for(port, "shipper_index_records_indexed_total", 2.0)
        deadline_s = time.monotonic() + 60
        # What servers are asked for is up to 15 s old.
        while not (found := dict(_samples(text_of(port)))).get(
            'shipper_dead_letters_open{hop="index",reason="mapping"}'
        ):
            assert time.monotonic() < deadline_s, found
            time.sleep(0.5)
        assert found['shipper_index_records_dead_lettered_total{reason="mapping"}'] == 1.0
        assert found["shipper_index_lag_records"] == 0.0
        assert found["shipper_dead_letters_oldest_age_seconds"] > 0
        assert found["shipper_dead_letters_open_bytes"] > 0
        text = text_of(port)
    check(text)
