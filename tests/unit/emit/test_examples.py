"""Each example runs as it stands, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from shipper.datasets import DATASETS
from tests.unit.emit.spooled import documents_under, strict

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(name: str, spool_root: Path, **environment: str) -> tuple[str, list[dict[str, Any]]]:
    """Run an example; return its standard output and the documents in the spool."""
    answer = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert answer.stderr == ""
    return answer.stdout, documents_under(spool_root)


def test_structlog_app(spool_root: Path) -> None:
    """The structlog example puts five records, with context and error, into the spool."""
    _, found = run("structlog_app.py", spool_root)
    assert [document["message"] for document in found] == [
        "started", "scoring", "scoring", "negative amount", "scoring", "cannot score",
    ]  # fmt: skip
    assert found[1]["labels"] == {"order": "A-1041", "amount": "120.0"}
    assert found[-1]["error"]["type"] == "TypeError"
    assert all(document["ml"]["model"] == {"name": "fraud", "version": "7"} for document in found)
    assert all(document["service"]["name"] == "checkout" for document in found)


def test_dictconfig_app(spool_root: Path) -> None:
    """The `dictConfig` example gives the same documents in the spool and on standard output."""
    stdout, found = run("dictconfig_app.py", spool_root, SHIPPER_SERVICE_NAME="checkout")
    shown = [strict(line) for line in stdout.splitlines()]
    for document in (*shown, *found):
        del document["event"]["id"], document["agent"]["ephemeral_id"]
    assert shown == found
    assert [document["message"] for document in found] == [
        "started",
        "score is 0.97",
        "cannot parse the amount",
    ]


def test_ml_events(spool_root: Path) -> None:
    """The example of typed events has at least one event of each kind, and no field goes astray into labels."""
    _, found = run("ml_events.py", spool_root)
    kinds = {document["event"]["dataset"] for document in found}
    assert kinds == set(DATASETS) - {"ml.app", "ml.alert", "ml.audit", "ml.health"}
    assert all("labels" not in document for document in found)
