"""Run the roads, one at a time, in another random order in each repeat; ratios are those of one repeat."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.result import Figures, Result
from benchmarks.shipping.roads import Ground, Road
from benchmarks.shipping.store import write_lines, write_spool
from shipper.config import KafkaSettings
from shipper.kafka.admin import Admin

_LIMIT_S: Final = 600
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        repeats: how often each contender runs.
        records, size: how many records, of about how many bytes.
        kafka: address of the brokers.
        directory: where the records stand; None: the temporary folder.
        seed: of the records and of the order.
    """

    repeats: int
    records: int
    size: int
    kafka: str
    directory: Path | None = None
    seed: int = 1


class RoadFailed(Exception):
    """A contender ended badly, or not all records arrived."""


def run_all(
    roads: Sequence[Road], pairs: Sequence[tuple[str, str]], plan: Plan, progress: Callable[[str], None]
) -> Result:
    """Run them all; `pairs` are the names whose ratio is wanted. Ctrl-C ends it with what there is."""
    result = Result(missing={road.name: why for road in roads if (why := road.lacks())})
    rng = random.Random(plan.seed)
    with TemporaryDirectory(dir=plan.directory) as folder, Admin(_settings(plan, "unused")) as admin:
        base = Path(folder)
        progress(f"writing {plan.records} records of {plan.size} bytes")
        spool = write_spool(base / "made", plan.records, plan.size, plan.seed)
        lines = base / "lines"
        write_lines(spool, lines)
        try:
            for repeat in range(plan.repeats):
                order = [
                    road
                    for road in roads
                    if road.name not in result.missing and road.name not in result.failed
                ]
                rng.shuffle(order)
                found: dict[str, Figures] = {}
                for road in order:
                    progress(f"repeat {repeat + 1} of {plan.repeats}: {road.name}")
                    try:
                        found[road.name] = _one(road, admin, plan, spool, lines, base)
                    except RoadFailed as error:
                        result.failed[road.name] = str(error)
                for name, figures in found.items():
                    result.note([name], [figures])
                for ours, peer in pairs:
                    if ours in found and peer in found:
                        result.meetings.setdefault((ours, peer), []).append((found[ours], found[peer]))
        except KeyboardInterrupt:
            progress("interrupted; this is what there is")
    return result


def _settings(plan: Plan, topic: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=plan.kafka, topic=topic)


def _one(road: Road, admin: Admin, plan: Plan, spool: Path, lines: Path, base: Path) -> Figures:
    """Run one contender on a topic of its own; return records per second and CPU seconds per million."""
    topic = f"bench-{os.getpid()}-{time.time_ns()}"
    admin.ensure_topic(topic)
    try:
        with TemporaryDirectory(dir=base) as work:
            ground = Ground(plan.kafka, topic, spool, lines, Path(work))
            command, environment = road.prepare(ground)
            with (base / f"{road.name}.log").open("wb") as log:
                began = time.perf_counter()
                process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
                if road.is_daemon:
                    _await_records(admin, topic, plan.records)
                    process.send_signal(signal.SIGTERM)
                took_s = time.perf_counter() - began
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if not road.is_daemon:
                    took_s = time.perf_counter() - began
            stored = sum(admin.end_offsets(topic).values())
            if stored < plan.records or (process.returncode and not road.is_daemon):
                said = (base / f"{road.name}.log").read_text("utf-8", "replace").strip()[-300:]
                raise RoadFailed(
                    f"{stored} of {plan.records} records arrived, exit status {process.returncode}: {said}"
                )
    finally:
        admin.delete_topic(topic)
    million = plan.records / 1e6
    return {
        "rate": plan.records / took_s,
        "cpu": (usage.ru_utime + usage.ru_stime) / million,
        "doubles": float(stored - plan.records),
    }


def _await_records(admin: Admin, topic: str, records: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while sum(admin.end_offsets(topic).values()) < records and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
