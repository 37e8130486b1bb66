"""One run of a command and what it cost: the whole process, from its start to its end, and the server beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from benchmarks.detecting.ground import Ground
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, iso

_ROOT: Final = Path(__file__).resolve().parents[2]
LATER_US: Final = 15 * MINUTE_US
"""How long after the first run the later one comes: one window of the slowest of the short rules."""


class CommandFailed(Exception):
    """A measured command ended badly; the text is its last word."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost.

    Attributes:
        wall_s: from start to end.
        cpu_s: user and system time of the process.
        server_s: processor time of Elasticsearch meanwhile, whatever it did.
        rss_mb: largest resident memory of the process, 10**6 bytes.
        output: what it printed.
    """

    wall_s: float
    cpu_s: float
    server_s: float
    rss_mb: float
    output: str = ""

    def figures(self) -> dict[str, float]:
        """Return the figures by name."""
        return {"wall": self.wall_s, "cpu": self.cpu_s, "server": self.server_s, "rss": self.rss_mb}


def detect(ground: Ground, *, is_later: bool) -> tuple[Cost, dict[str, Any]]:
    """Run `shipper detect run`, up to one window before the end of the day or up to its end; return cost and report."""
    end_us = ground.history.end_us
    until = iso(end_us if is_later else end_us - LATER_US)
    cost = measure(ground, ["-m", "shipper", "detect", "run", "--once", "--json", "--to", until])
    report: dict[str, Any] = json.loads(cost.output)
    return cost, report


def prepare(ground: Ground) -> None:
    """Have Python compile what the command imports: an installation has done so, a fresh checkout has not."""
    measure(ground, ["-m", "shipper", "detect", "run", "--help"])
    measure(ground, ["-c", "import shipper.detect.job, shipper.elastic.client, shipper.cli.detect_output"])


def pull(ground: Ground) -> Cost:
    """Pull the fields of all documents into pandas."""
    cost = measure(ground, ["-m", "benchmarks.detecting.pull", ground.url, ground.logs])
    if int(cost.output) < ground.history.documents:
        raise CommandFailed(f"only {cost.output.strip()} documents came")
    return cost


def measure(ground: Ground, arguments: Sequence[str]) -> Cost:
    """Run Python with these arguments to its end.

    Raises:
        CommandFailed: it ended with an error.
    """
    own = ("SHIPPER_", "PYTHONDONTWRITEBYTECODE")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(own)},
        "SHIPPER_NAMESPACE": ground.namespace,
        "SHIPPER_ELASTICSEARCH_URL": ground.url,
        "SHIPPER_ELASTICSEARCH_REQUEST_TIMEOUT_S": "120",
    }
    server_s, began_s = ground.server_cpu_s(), time.perf_counter()
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=_ROOT, env=environment, stdout=output, stderr=errors
        )
        # The largest memory counts from the fork on, so it is at least that of this process, which is small.
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed, said = output.read(), errors.read()
    if process.returncode:
        raise CommandFailed(f"exit status {process.returncode}: {said.strip()[-300:]}")
    server_s = ground.server_cpu_s() - server_s
    return Cost(wall_s, used.ru_utime + used.ru_stime, server_s, used.ru_maxrss * 1024 / 1e6, printed)


def plain_aggregation(ground: Ground) -> Cost:
    """Ask for one aggregation over all documents: counts and failures by quarter of an hour and service."""
    failed = {"filter": {"term": {"event.outcome": "failure"}}}
    services = {"terms": {"field": "service.name"}, "aggs": {"failed": failed}}
    histogram = {"field": "@timestamp", "fixed_interval": f"{HOUR_US // 4 // 1000}ms"}
    body = {
        "size": 0,
        "track_total_hits": False,
        "aggs": {"windows": {"date_histogram": histogram, "aggs": {"services": services}}},
    }
    ground.client.request("POST", f"/{ground.logs}/_cache/clear", params={"request": "true"})
    server_s, began_s, cpu_s = ground.server_cpu_s(), time.perf_counter(), time.process_time()
    ground.client.search(ground.logs, body)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    return Cost(wall_s, cpu_s, ground.server_cpu_s() - server_s, 0.0)
