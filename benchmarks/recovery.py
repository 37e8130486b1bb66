"""What a large spool that a crash left behind costs the next start, and the process that adopts it.

`python benchmarks/recovery.py` fills a spool of 1 GB in a process that is then killed, and measures in fresh
processes: how long it takes until a record is stored beside it, against an empty spool root in the same run, and
what reading all of it takes, in seconds and in memory. `--check` exits with 1 beyond a promise.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from shipper.clock import SystemClock
from shipper.spool.directory import scan
from shipper.spool.policy import SpoolPolicy
from shipper.spool.reader import SpoolReader
from shipper.spool.writer import SpoolWriter

READY_MOST_S: Final = 1.0
"""A spool of 1 GB after a crash: ready to append in less than this."""
GROWTH_MOST_BYTES: Final = 64 << 20
"""Adopting it takes no more memory than this beyond the interpreter's own, however large it is."""
_RUN_RECORDS: Final = 1000
_RUN_BYTES: Final = 1 << 20


def _open(root: Path, producer_id: str, most_bytes: int) -> SpoolWriter:
    policy = SpoolPolicy(max_bytes=2 * most_bytes, free_space_floor_bytes=0)
    return SpoolWriter.open(
        root, policy, producer_id=producer_id, stamp=b'"id":"%d","sequence":%d', clock=SystemClock()
    )


def fill(root: Path, size_bytes: int, record_bytes: int) -> None:
    """Store records of so many bytes until the spool has its size; then die as `kill -9` does."""
    writer = _open(root, "crashed", size_bytes)
    suffix = b"x" * record_bytes
    for _ in range(max(1, size_bytes // (record_bytes + 90))):
        writer.append(b"{", suffix, timestamp_us=1, level=40, dataset="ml.inference")
    print(json.dumps({"records": writer.last_sequence}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def ready(root: Path, size_bytes: int, _record_bytes: int) -> None:
    """Open a spool in the same root and store a record; tell how long that took."""
    before_s = time.perf_counter()
    writer = _open(root, f"next-{os.getpid()}", size_bytes)
    writer.append(b"{", b"}", timestamp_us=1, level=40, dataset="ml.app")
    print(json.dumps({"seconds": time.perf_counter() - before_s}))


def read(root: Path, _size_bytes: int, _record_bytes: int) -> None:
    """Read all that the crashed process left, as a shipment does; tell the time and the growth of memory."""
    (folder,) = [path for path in scan(root) if path.name == "crashed"]
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    before_s = time.perf_counter()
    reader = SpoolReader.open(folder)
    if reader is None:
        raise SystemExit("another process reads the spool")
    records = 0
    first_s = 0.0
    while (run := reader.read_run(_RUN_RECORDS, _RUN_BYTES)) is not None:
        first_s = first_s or time.perf_counter() - before_s
        records += len(run.rows)
        reader.acknowledge(run.position)
    seconds = time.perf_counter() - before_s
    growth_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before_bytes
    print(
        json.dumps({"records": records, "first_s": first_s, "seconds": seconds, "growth_bytes": growth_bytes})
    )


STEPS: Final = {"fill": fill, "ready": ready, "read": read}


def _step(name: str, root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", name, "--root", str(root), "--size", str(arguments.size)]
    done = subprocess.run(
        [*command, "--bytes", str(arguments.bytes)], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(root: Path, arguments: argparse.Namespace) -> list[str]:
    """Print the table; return the promises that are broken."""
    full, empty = root / "full", root / "empty"
    stored = _step("fill", full, arguments)["records"]
    beside, alone = [], []
    for _ in range(arguments.repeats):
        beside.append(_step("ready", full, arguments)["seconds"])
        alone.append(_step("ready", empty, arguments)["seconds"])
    adopted = _step("read", full, arguments)
    size_gb = stored * (arguments.bytes + 90) / 1e9
    ready_s, empty_s = statistics.median(beside), statistics.median(alone)
    print(f"spool after a crash: {size_gb:.2f} GB, {stored:,} records")
    print(
        f"ready to append:     {ready_s * 1e3:.2f} ms, {ready_s / empty_s:.2f} x an empty spool ({empty_s * 1e3:.2f} ms)"
    )
    print(f"first records read:  {adopted['first_s'] * 1e3:.1f} ms")
    print(
        f"all of it read:      {adopted['seconds']:.2f} s, {adopted['records'] / adopted['seconds']:,.0f} records/s"
    )
    print(f"memory for that:     {adopted['growth_bytes'] / 2**20:.1f} MiB more")
    broken = []
    if max(beside) >= READY_MOST_S:
        broken.append(f"ready in {max(beside):.2f} s, promised is less than {READY_MOST_S} s")
    if adopted["growth_bytes"] > GROWTH_MOST_BYTES:
        broken.append(f"{adopted['growth_bytes']} bytes of memory, promised are {GROWTH_MOST_BYTES}")
    if adopted["records"] != stored:
        broken.append(f"{adopted['records']} of {stored} records were found")
    return broken


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark, or one step of it in its own process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1_000_000_000, help="bytes of the spool (1 GB)")
    parser.add_argument("--bytes", type=int, default=690, help="of one record")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit with 1 beyond a promise")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help="where the spool is put; a temporary folder")
    arguments = parser.parse_args(words)
    if arguments.step:
        STEPS[arguments.step](arguments.root, arguments.size, arguments.bytes)
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.root, prefix="shipper-recovery-") as folder:
        broken = measure(Path(folder), arguments)
    for sentence in broken:
        print(f"broken: {sentence}", file=sys.stderr)
    return 1 if broken and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
