"""What a process pays once: the time of `import shipper`, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.contender import Contender, Kind, Place, Subject

_IMPORT: Final = """
import time
import structlog
begin = time.perf_counter_ns()
import shipper
print((time.perf_counter_ns() - begin) / 1e6)
"""
_IMPORT_ALL: Final = """
import time
import structlog
begin = time.perf_counter_ns()
import shipper
shipper.configure(service="checkout", ship={"mode": "agent"}, spool={"directory": DIRECTORY})
shipper.get_logger().info("hello")
print((time.perf_counter_ns() - begin) / 1e6)
"""
_MEMORY: Final = """
import os, sys
import structlog
from benchmarks.record import make_records
OURS
for part in range(10):
    for fields in make_records(1000, part):
        log(fields)
with open("/proc/self/smaps_rollup") as file:
    lines = {line.split(":")[0]: line.split() for line in file if ":" in line}
print(int(lines["Rss"][1]) / 1024, int(lines["Anonymous"][1]) / 1024)
"""
_BARE: Final = "log = lambda fields: None"
_OURS: Final = """
import shipper
shipper.configure(service="checkout", spool={"directory": DIRECTORY}, ship={"mode": MODE},
                  kafka={"bootstrap_servers": "127.0.0.1:9"})
logger = structlog.get_logger()
log = lambda fields: logger.info("prediction served", **fields)
"""
_ROOT: Final = Path(__file__).resolve().parents[2]


def _run(program: str, place: Place) -> list[float]:
    program = program.replace("DIRECTORY", repr(str(place.directory / "spool")))
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, env=environment, cwd=place.directory,
    )  # fmt: skip
    return [float(part) for part in done.stdout.split()]


def _import_figures(place: Place) -> Mapping[str, float]:
    _run(_IMPORT, place)  # once for the compiled files and the page cache
    return {
        "import_ms": min(_run(_IMPORT, place)[0] for _ in range(3)),
        "first_ms": _run(_IMPORT_ALL, place)[0],
    }


def _memory_figures(place: Place, mode: str) -> Mapping[str, float]:
    bare = _run(_MEMORY.replace("OURS", _BARE), place)
    ours = _run(_MEMORY.replace("OURS", _OURS.replace("MODE", json.dumps(mode))), place)
    return {"rss_mb": ours[0] - bare[0], "anonymous_mb": ours[1] - bare[1]}


WHOLE_PROCESS = (
    Contender(
        "import",
        "import shipper, over Python with structlog",
        lambda place: Subject(figures=lambda: _import_figures(place)),
        kind=Kind.PROCESS, is_ours=True,
    ),
    Contender(
        "memory",
        "after 10,000 records, over Python with structlog; an agent ships",
        lambda place: Subject(figures=lambda: _memory_figures(place, "agent")),
        kind=Kind.PROCESS, is_ours=True,
    ),
    Contender(
        "memory-thread",
        "the same with a shipping thread, Kafka away",
        lambda place: Subject(figures=lambda: _memory_figures(place, "thread")),
        kind=Kind.PROCESS, is_ours=True,
    ),
)  # fmt: skip
