"""A program that logs while no broker answers, and prints what that cost it: one JSON object.

Usage: python -m tests.service.outage SPOOL_ROOT SECONDS
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from pathlib import Path

import psutil

from shipper.config import KafkaSettings
from tests.service.test_ship_kafka import Service

_BODY = b" " * 1000
_RECORDS_PER_TURN = 2000
_TURN_S = 0.5


def main(root: Path, length_s: float) -> None:
    """Log for so many seconds; look at memory and descriptors twice a second."""
    # The client logs each attempt; a program without handlers would print it to stderr.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    one = Service(root, KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.2))
    process = psutil.Process()
    resident: list[int] = []
    descriptors: list[int] = []
    deadline = time.monotonic() + length_s
    while time.monotonic() < deadline:
        for _ in range(_RECORDS_PER_TURN):
            one.log(_BODY)
        resident.append(process.memory_info().rss)
        descriptors.append(process.num_fds())
        threading.Event().wait(_TURN_S)
    one.close(timeout_s=2)
    thread = one.worker._thread
    if thread is not None:
        thread.join(60)
    snapshot = one.counters.snapshot()
    json.dump(
        {
            "resident_bytes": resident,
            "descriptors": descriptors,
            "emitted": snapshot.emitted,
            "waiting": snapshot.waiting,
            "dropped": dict(snapshot.dropped),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
