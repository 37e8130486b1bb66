"""Heartbeats of a whole pipeline: through the spool, with the process's own facts, beside no sampling."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import shipper
from tests.unit.emit.spooled import documents_under


def heartbeats_in(root: Path) -> list[dict[str, Any]]:
    """Return the heartbeats among the documents under a spool root."""
    return [one for one in documents_under(root) if one["event"].get("action") == "heartbeat"]


def wait_for_records(pipeline: shipper.Pipeline, count: int) -> None:
    """Return when the pipeline has made so many records."""
    deadline_s = time.monotonic() + 20
    while pipeline.counts().emitted < count:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_heartbeats_are_records_like_others(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat carries service and producer, has a sequence of its own, and no sampling rule drops it."""
    monkeypatch.setenv("SHIPPER_LEVELS_WATCH_S", "0.01")
    pipeline = shipper.configure(
        service="scorer",
        health={"heartbeat_s": 0.05},
        sampling={"rules": [{"rate": 1e-9}]},
    )
    shipper.get_logger("app").error("mail bob@example.com now")
    wait_for_records(pipeline, 4)
    shipper.close()
    found = heartbeats_in(spool_root)
    assert len(found) >= 3
    last = found[-1]
    assert (last["service"]["name"], last["event"]["dataset"]) == ("scorer", "ml.health")
    assert last["shipper"]["records"]["emitted"] == last["event"]["sequence"] - 1
    assert last["shipper"]["redacted"] == {"email": 1}
    assert last["shipper"]["heartbeat_s"] == 0.0
    assert "bob" not in str(found)
    assert "labels" not in last


def test_drops_are_in_the_last_record_of_a_short_process(spool_root: Path) -> None:
    """U19: what a full spool refused is told by a record at the close, by reason, and the books agree."""
    pipeline = shipper.configure(spool={"max_bytes": 1 << 20, "free_space_floor_bytes": 0})
    log = shipper.get_logger("app")
    for _ in range(1500):
        log.debug("x" * 1000)
    dropped = pipeline.counts().dropped["spool_full"]
    shipper.close()
    (told,) = heartbeats_in(spool_root)
    assert told["shipper"]["dropped"] == {"spool_full": dropped}
    assert told["log"]["level"] == "warning"
    assert told["event"]["sequence"] + dropped == 1501
    assert dropped > 0
