"""However a program forks and ends: what its logging calls returned for is in the spool, once, all of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.emit.spooled import documents_under

PROGRAM = Path(__file__).with_name("endings.py")
NAMES = re.findall(r"^@program\ndef (\w+)", PROGRAM.read_text(), re.MULTILINE)
BADLY = {"sigterm": -signal.SIGTERM, "aborted": -signal.SIGABRT}
QUICK = {"short", "sigterm", "threads_that_outlive_main"}


@pytest.mark.parametrize("writes", ["mapped", pytest.param("plain", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["thread", "agent"])
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_each_record_is_there_once(name: str, mode: str, writes: str, tmp_path: Path) -> None:
    """U01, U02, U06: 100 % of the records whose call returned are in the spool, none twice, no gap; nothing hangs.

    Kafka is out of reach, so that all of it stays where it can be counted.
    """
    told = tmp_path / "told"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    environment |= {
        "TOLD": str(told), "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool"), "SHIPPER_SHIP_MODE": mode,
        "SHIPPER_SPOOL_WRITES": writes, "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "0.3", "SHIPPER_GIT_COMMIT": "c" * 40, "SHIPPER_LEVEL": "info",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, PROGRAM, name], env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == BADLY.get(name, 0), done.stderr
    if name != "forked_in_a_signal_handler":  # `logging` itself may complain of its own lock there
        assert "Traceback" not in done.stderr
    documents = documents_under(tmp_path / "spool")
    assert len({document["event"]["id"] for document in documents}) == len(documents)
    found = Counter(d["numeric_labels"]["key"] for d in documents if d["message"] == "record")
    expected = Counter(int(line) for line in told.read_text().split())
    assert expected
    assert found == expected, done.stderr
    for document in documents:  # each process is a producer of its own, under its own process id
        if document["message"] == "record":
            assert document["process"]["pid"] == document["numeric_labels"]["key"] // 1_000_000
