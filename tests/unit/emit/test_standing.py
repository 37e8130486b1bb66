"""Promises that hold across the roads: order, locks of others, captured tests, names that `logging` refuses."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.clock import ManualClock
from shipper.config import SpoolSettings
from shipper.emit import ShipperHandler
from shipper.testing import capture
from tests.unit.emit.destination import MemoryDestination
from tests.unit.emit.spooled import documents_under

ROOT = Path(__file__).parents[3]


def test_equal_times_keep_their_order(spool_root: Path) -> None:
    """U51: records of one microsecond keep their order by `event.sequence`, from several threads and on both roads."""
    shipper.configure(clock=ManualClock())
    logging.getLogger().addHandler(ShipperHandler())
    log, standard = shipper.get_logger("app"), logging.getLogger("app")

    def work(which: int) -> None:
        for number in range(100):
            (log.warning if number % 2 else standard.warning)(f"{which} {number:03d}")

    threads = [threading.Thread(target=work, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    documents = documents_under(spool_root)
    assert len({document["@timestamp"] for document in documents}) == 1
    documents.sort(key=lambda document: int(document["event"]["sequence"]))
    assert [document["event"]["sequence"] for document in documents] == list(range(1, 301))
    for which in "012":
        own = [document["message"] for document in documents if document["message"].startswith(which)]
        assert own == sorted(own)


def test_shipping_needs_no_lock_of_logging(spool_root: Path) -> None:
    """U09: while another thread holds `logging`'s lock, records are taken, shipped, and `close()` returns in time."""
    sink = MemoryDestination()
    shipper.configure(sink=sink, ship={"mode": "thread", "linger_s": 0}, levels={"watch_s": 0.02})
    log = shipper.get_logger("app")
    with logging._lock:  # type: ignore[attr-defined]
        answers: list[int] = []

        def work() -> None:
            for _ in range(50):
                log.info("hello")
            answers.append(shipper.flush(10))
            answers.append(shipper.close(5))

        worker = threading.Thread(target=work, daemon=True)
        began_s = time.monotonic()
        worker.start()
        worker.join(20)
        assert not worker.is_alive(), "deadlock"
    assert answers == [0, 0]
    assert time.monotonic() - began_s < 15
    assert len(sink.records) == 50


def test_configure_under_capture_starts_nothing(spool_root: Path) -> None:
    """U55: `configure()` inside a captured test starts no thread and opens no file, also with a level and a watch."""
    threads = threading.active_count()
    with capture() as records:
        shipper.configure(level="warning", levels={"watch_s": 0.02}, ship={"mode": "thread"})
        shipper.get_logger().warning("hello")
        assert threading.active_count() == threads
    assert len(records) == 1
    assert not spool_root.exists()


@pytest.mark.parametrize("name", ["name", "args", "module", "message"])
def test_refused_names_are_linted(name: str) -> None:
    """U45: in our own code a name in `extra` that `logging` refuses is a finding of `make check`."""
    code = f"import logging\n\nlogging.getLogger(__name__).info('x', extra={{'{name}': 1}})\n"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--stdin-filename", "shipper/x.py", "-"],
        input=code, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert "G101" in {finding["code"] for finding in found}


def test_policies_are_named_in_the_docs() -> None:
    """U15: each policy for a full spool stands in the how-to with its consequence."""
    page = (ROOT / "docs/how-to/choose-when-full.md").read_text("utf-8")
    choices = SpoolSettings.model_fields["when_full"].annotation.__args__  # type: ignore[union-attr]
    for choice in choices:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{choice}`")]
        assert len([cell for cell in row.split("|") if len(cell.strip()) > 10]) >= 3
