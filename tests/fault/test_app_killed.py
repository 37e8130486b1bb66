"""Applications that die: what was logged before is in the spool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.emit.spooled import documents_under

APPLICATION = """
import logging, os, sys
import shipper
from shipper.emit import ShipperHandler

how, count = sys.argv[1], int(sys.argv[2])
logging.getLogger().addHandler(ShipperHandler())
log, logger = shipper.get_logger("structlog"), logging.getLogger("stdlib")
for number in range(count):
    (log.info if number % 2 else logger.warning)("record", **({"number": number} if number % 2 else {"extra": {"number": number}}))
    if how == "kill" and number % 100 == 99:
        os.write(1, b"%d\\n" % (number + 1))
if how == "_exit":
    os._exit(0)
if how == "exit":
    sys.exit(0)
"""


def start(how: str, count: int, root: Path, mode: str) -> subprocess.Popen[str]:
    """Start the application."""
    environment = {
        **os.environ, "SHIPPER_SPOOL_DIRECTORY": str(root), "SHIPPER_SHIP_MODE": mode, "SHIPPER_GIT_COMMIT": "c" * 40,
        "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "1",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", APPLICATION, how, str(count)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["agent", "thread"])
@pytest.mark.parametrize("how", ["exit", "_exit"])
def test_short_lived_applications(how: str, mode: str, tmp_path: Path) -> None:
    """U01: an application that logs 1,000 records and ends at once, well or badly, leaves all 1,000 in the spool.

    U03: with Kafka out of reach its exit takes no longer than the one deadline for all steps.
    """
    process = start(how, 1_000, tmp_path, mode)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    found = documents_under(tmp_path)
    assert [document["event"]["sequence"] for document in found] == list(range(1, 1_001))
    assert [document["numeric_labels"]["number"] for document in found] == list(range(1_000))


def test_kill_9(tmp_path: Path) -> None:
    """After `kill -9` in the middle of logging, each record whose call had returned is in the spool, in order."""
    process = start("kill", 1_000_000, tmp_path, "thread")
    assert process.stdout is not None
    assert process.stderr is not None
    said = 0
    while said < 1_000:
        said = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait(20)
    process.stdout.close()
    process.stderr.close()
    acknowledged = max([said, *(int(line) for line in rest)])
    found = documents_under(tmp_path)
    sequences = [document["event"]["sequence"] for document in found]
    assert sequences == list(range(1, len(found) + 1))
    assert len(found) >= acknowledged


def test_no_thread_at_the_end_of_the_interpreter(tmp_path: Path) -> None:
    """U02: records that are logged while the interpreter ends (atexit handlers) go to the spool; nothing is printed."""
    code = (
        "import atexit, shipper\n"
        "atexit.register(lambda: shipper.get_logger('end').info('late'))\n"
        "shipper.configure()\n"
        "atexit.register(lambda: shipper.get_logger('end').info('early'))\n"
    )
    environment = {
        **os.environ, "SHIPPER_SPOOL_DIRECTORY": str(tmp_path), "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "0.5", "SHIPPER_GIT_COMMIT": "c" * 40,
    }  # fmt: skip
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Traceback" not in answer.stderr
    assert sorted(document["message"] for document in documents_under(tmp_path)) == ["early", "late"]
