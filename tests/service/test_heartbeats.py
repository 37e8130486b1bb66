"""Heartbeats of agent and indexer on the real servers: the same shape, each the records' own way or straight in."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from shipper.datasets import index_pattern
from tests.service.kafka_stage import KafkaStage

_APPLICATION = """
import shipper, os
shipper.configure(service="scorer")
log = shipper.get_logger("app")
for number in range(20):
    log.info("number %d", number)
os._exit(0)
"""


def heartbeats(stage: KafkaStage, role: str) -> list[dict[str, Any]]:
    """The stored heartbeats of a role, the oldest first."""
    pattern = index_pattern("ml.health", stage.namespace)
    stage.client.refresh(pattern)
    body = {"size": 1000, "query": {"term": {"shipper.role": role}}, "sort": [{"@timestamp": "asc"}]}
    return [hit["_source"] for hit in stage.client.search(pattern, body)["hits"]["hits"]]


def wait_for(stage: KafkaStage, role: str, delivered: int, newer_than: str = "") -> dict[str, Any]:
    """Return the newest heartbeat as soon as it tells of so many records."""
    deadline_s = time.monotonic() + 90
    while True:
        found = heartbeats(stage, role)
        if (
            found
            and found[-1]["shipper"]["records"]["delivered"] >= delivered
            and found[-1]["@timestamp"] > newer_than
        ):
            return found[-1]
        assert time.monotonic() < deadline_s, found
        time.sleep(0.3)


def test_agent_and_indexer_tell_that_they_live_and_what_they_did(stage: KafkaStage, tmp_path: Path) -> None:
    """Both tell of every record in one shape; who is stopped says so in his last one or falls silent, the other goes on."""
    environment = {
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path),
        "SHIPPER_SHIP_MODE": "agent",
        "SHIPPER_HEALTH_HEARTBEAT_S": "1",
    }
    application = {**stage.environment, **environment, "SHIPPER_HEALTH_HEARTBEAT_S": "0"}
    subprocess.run([sys.executable, "-c", _APPLICATION], env=application, check=True, capture_output=True)
    command = [sys.executable, "-m", "shipper"]
    running = [
        subprocess.Popen(
            [*command, name, *more],
            env={**stage.environment, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name, *more in (("agent", "--drain", "20"), ("index", "--quiet"))
    ]
    agent, indexer = running
    try:
        told = wait_for(stage, "agent", 20)
        counted = wait_for(stage, "indexer", 20)
        assert set(told["shipper"]) - {"last_delivery_age_s"} <= set(counted["shipper"])
        for one in (told, counted):
            assert one["event"]["action"] == "heartbeat"
            assert one["shipper"]["heartbeat_s"] == 1.0
            assert one["host"]["name"]
        assert told["service"]["name"] == "shipper-agent"
        assert counted["service"]["name"] == "shipper-indexer"
        assert counted["shipper"]["records"]["emitted"] >= 20
        agent.terminate()
        assert agent.wait(timeout=60) == 0
        last = wait_for(stage, "agent", 20, told["@timestamp"])
        while last["shipper"]["heartbeat_s"] != 0.0:
            last = wait_for(stage, "agent", 20, last["@timestamp"])
        count = len(heartbeats(stage, "agent"))
        wait_for(stage, "indexer", 20, last["@timestamp"])
        assert len(heartbeats(stage, "agent")) == count
        indexer.terminate()
        assert indexer.wait(timeout=60) == 0
        assert heartbeats(stage, "indexer")[-1]["shipper"]["heartbeat_s"] == 0.0
    finally:
        for process in running:
            process.kill()
            process.communicate()
