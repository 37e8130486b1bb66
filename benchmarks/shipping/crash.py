"""A large spool whose writer was killed: how long until its successor can append, and until it is read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.result import Figures
from benchmarks.shipping.store import PRODUCER, suffixes


def ready_after_crash(total_bytes: int, record_bytes: int, directory: Path | None) -> Figures:
    """Fill a spool in a process, kill it, start another on the same root; return its milliseconds."""
    with TemporaryDirectory(dir=directory) as root:
        writer = _start("fill", root, str(total_bytes // record_bytes), str(record_bytes))
        line = writer.stdout.readline() if writer.stdout else b""
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        if line.strip() != b"full":
            raise OSError("the spool could not be filled")
        output, _ = _start("take-over", root).communicate(timeout=120)
        found: Figures = json.loads(output)
        return found


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.shipping.crash", *arguments], stdout=subprocess.PIPE
    )


def _fill(root: Path, records: int, size: int) -> None:
    from shipper.clock import SystemClock  # noqa: PLC0415
    from shipper.spool.policy import SpoolPolicy  # noqa: PLC0415
    from shipper.spool.writer import SpoolWriter  # noqa: PLC0415

    writer = SpoolWriter.open(
        root,
        SpoolPolicy(max_bytes=1 << 34, free_space_floor_bytes=0),
        producer_id=PRODUCER,
        stamp=b'"id":"%d","sequence":%d,',
        clock=SystemClock(),
    )
    some = list(suffixes(1000, size, 1))
    for number in range(records):
        if writer.append(b"{", some[number % 1000], timestamp_us=number, level=20, dataset="ml.app") is None:
            raise OSError("the disk is full")
    print("full", flush=True)
    time.sleep(600)  # until it is killed


def _take_over(root: Path) -> None:
    from shipper.clock import SystemClock  # noqa: PLC0415
    from shipper.spool.policy import SpoolPolicy  # noqa: PLC0415
    from shipper.spool.reader import SpoolReader  # noqa: PLC0415
    from shipper.spool.writer import SpoolWriter  # noqa: PLC0415

    began = time.perf_counter()
    policy = SpoolPolicy(free_space_floor_bytes=0)
    producer = f"next{os.getpid()}"
    writer = SpoolWriter.open(
        root, policy, producer_id=producer, stamp=b'"id":"%d","sequence":%d,', clock=SystemClock()
    )
    writer.append(b"{", b"}", timestamp_us=1, level=20, dataset="ml.app")
    ready = time.perf_counter()
    reader = SpoolReader.open(root / PRODUCER)
    if reader is None or reader.read_run(1000, 1 << 20) is None:
        raise OSError("nothing could be read")
    first = time.perf_counter()
    print(json.dumps({"ready_ms": (ready - began) * 1000, "first_ms": (first - ready) * 1000}))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        _fill(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        _take_over(Path(sys.argv[2]))
