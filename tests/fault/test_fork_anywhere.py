"""A signal handler may fork at any line of ours: parent and child both go on, each with records of its own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.emit.spooled import documents_under

PROGRAM = Path(__file__).with_name("fork_anywhere.py")
STEP = int(os.environ.get("STEP", "23"))


@pytest.mark.slow
@pytest.mark.parametrize("writes", ["mapped", "plain"])
@pytest.mark.parametrize("mode", ["thread", "agent"])
def test_no_record_is_lost_where_the_call_was_forked(mode: str, writes: str, tmp_path: Path) -> None:
    """U06: of parent and children alike each record whose call returned is in the spool once, under its own process."""
    told = tmp_path / "told"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    environment |= {
        "TOLD": str(told), "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool"), "SHIPPER_SHIP_MODE": mode,
        "SHIPPER_SPOOL_WRITES": writes, "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SHIPPER_GIT_COMMIT": "c" * 40, "SHIPPER_LEVEL": "info", "SHIPPER_HEALTH_HEARTBEAT_S": "0",
    }  # fmt: skip
    first = random.randrange(STEP)
    done = subprocess.run(
        [sys.executable, PROGRAM, str(STEP), str(first)],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    said = f"first={first}: {done.stderr}"
    assert done.returncode == 0, said
    assert int(done.stdout) >= 500 // STEP, said
    documents = documents_under(tmp_path / "spool")
    assert len({document["event"]["id"] for document in documents}) == len(documents), said
    records = [document for document in documents if document["message"] == "record"]
    found = Counter(document["numeric_labels"]["key"] for document in records)
    expected = Counter(int(line) for line in told.read_text().split())
    # A child may have stored, once more, the record that its fork interrupted; it says so by its own process id.
    own = Counter(
        document["numeric_labels"]["key"]
        for document in records
        if document["process"]["pid"] == document["numeric_labels"]["key"] // 1_000_000
    )
    assert own == expected, (sorted((expected - own).elements()), sorted((own - expected).elements()), said)
    assert not set(expected) - set(found), said
