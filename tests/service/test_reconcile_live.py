"""`shipper reconcile` against a stack in motion and at rest, with processes that drop, die and leave spools behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipper.cli.main import app
from tests.service.kafka_stage import KafkaStage

_STEADY = """
import shipper, sys, time
shipper.configure(service="steady", ship={"linger_s": 0.05}, health={"heartbeat_s": 0.5})
log = shipper.get_logger("app")
print("ready", flush=True)
number = 0
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for _ in range(20):
        number += 1
        log.info("number %d", number)
    time.sleep(0.01)
shipper.close(20)
print(number, flush=True)
"""

_FLOODING = """
import os, shipper, sys
pipeline = shipper.configure(
    service="flooding", spool={"max_bytes": 1 << 20, "free_space_floor_bytes": 0, "when_full": sys.argv[1]},
    ship={"mode": "agent"},
)
log = shipper.get_logger("app")
for _ in range(1500):
    log.info("x" * 1000)
shipper.close()
counts = pipeline.counts()  # the heartbeat at the close, which tells of the drops, is among them
print(counts.emitted, counts.dropped.get("spool_full", 0), counts.dropped.get("evicted", 0))
"""

_DYING = """
import os, shipper
shipper.configure(service="dying", ship={"mode": "agent"})
log = shipper.get_logger("app")
for number in range(100):
    log.info("number %d", number)
os.kill(os.getpid(), 9)
"""

_REFUSED = """
import os, shipper, sys
pipeline = shipper.configure(
    service="refused", spool={"max_bytes": 1 << 20, "free_space_floor_bytes": 0, "when_full": sys.argv[1]},
    ship={"mode": "agent"}, **({"health": {"heartbeat_s": 0}} if sys.argv[2] == "off" else {}),
)
log = shipper.get_logger("app")
for _ in range(int(sys.argv[3])):
    log.info("x" * 1000)
counts = pipeline.counts()
print(counts.emitted, counts.dropped.get("spool_full", 0), counts.dropped.get("evicted", 0), flush=True)
os.kill(os.getpid(), 9)
"""


class Host:
    """A host with a spool root on a stage."""

    def __init__(self, stage: KafkaStage, root: Path) -> None:
        self.environment = {**stage.environment, "SHIPPER_SPOOL_DIRECTORY": str(root)}
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program that logs."""
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """Let no process and no pipe outlive a test that failed: it would be another test's failure."""
        for process in self._processes:
            with process:
                process.kill()

    def books(self, *arguments: str) -> dict[str, Any]:
        """Return what `shipper reconcile --json` says."""
        done = CliRunner().invoke(app, ["reconcile", "--json", *arguments], env=self.environment)
        assert done.stdout, repr(done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        assert (done.exit_code == 0) == found["balanced"]
        return found


@pytest.fixture
def host(stage: KafkaStage, tmp_path: Path) -> Iterator[Host]:
    """A host whose processes end with the test."""
    host = Host(stage, tmp_path)
    yield host
    host.stop()


def test_in_motion_it_is_bounded_and_at_rest_exact(stage: KafkaStage, host: Host) -> None:
    """U19: while two processes log, ship and are indexed each look balances; in the end it agrees with their own counts."""
    indexer = stage.run_index("--quiet")
    processes = [host.start(_STEADY, "8") for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    looks = 0
    while any(process.poll() is None for process in processes):
        found = host.books("--since", "1h")
        assert found["balanced"], found
        totals = found["totals"]
        assert totals["emitted"] == totals["stored"] + totals["waiting"], found
        looks += 1
    assert looks >= 2
    emitted = sum(int(process.communicate()[0]) for process in processes)
    deadline_s = time.monotonic() + 60
    while not (found := host.books())["at_rest"]:
        assert found["balanced"], found
        assert time.monotonic() < deadline_s, found
    indexer.terminate()
    beats = stage.client.count(f"logs-ml.health-{stage.namespace}-*", {"term": {"event.action": "heartbeat"}})
    assert beats > 0
    assert found["balanced"], found
    assert found["totals"]["emitted"] == found["totals"]["stored"] == emitted + beats
    assert host.books("--at-rest")["not_seen"] == []


def test_drops_spools_and_the_dead_are_in_the_books(stage: KafkaStage, host: Host) -> None:
    """U19 U25: refused and evicted records by reason, and what a killed process left in its spool: before and after shipping."""
    told = []
    for when_full in ("drop_newest", "drop_oldest"):
        process = host.start(_FLOODING, when_full)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        told.append([int(number) for number in output.split()])
    host.start(_DYING).communicate(timeout=60)
    (emitted, refused, _), (emitted_too, _, evicted) = told
    assert refused > 0
    assert evicted > 0
    before = host.books()
    assert before["balanced"], before
    # A heartbeat that tells of the refused ones waits in the spool as well: their folder says it until then.
    waiting = emitted - refused + emitted_too - evicted + 100
    assert before["totals"]["waiting"] == waiting, before
    assert before["totals"]["dropped"] == {"spool_full": refused, "evicted": evicted}
    done = CliRunner().invoke(app, ["agent", "--once"], env=host.environment)
    assert done.exit_code == 0, done.output
    assert host.books()["totals"]["waiting"] == waiting
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.3)
    after = host.books("--at-rest")
    assert after["balanced"], after
    assert after["totals"] == {
        "emitted": emitted + emitted_too + 100,
        "stored": waiting,
        "dead_lettered": 0,
        "dropped": {"spool_full": refused, "evicted": evicted},
        "waiting": 0,
        "missing": 0,
        "doubled": 0,
        "moving": 0,
    }


def test_what_a_killed_process_refused_is_known(stage: KafkaStage, host: Host, tmp_path: Path) -> None:
    """U25: killed by SIGKILL after thousands of refusals or evictions that no heartbeat told of: the books have each of them.

    By the spool folder while it exists, by the record in the dead process's name afterwards, and an adopter that died
    between the two, and so sent it twice, changes nothing.
    """
    told = []
    for when_full, heartbeat in (("drop_newest", "off"), ("drop_newest", "on"), ("drop_oldest", "off")):
        process = host.start(_REFUSED, when_full, heartbeat, "4000")
        output, errors = process.communicate(timeout=60)
        assert process.returncode == -9, errors
        told.append([int(number) for number in output.split()])
    emitted, refused, evicted = (sum(column) for column in zip(*told, strict=True))
    assert told[0][1] > 2500
    assert told[2][2] > 2500
    dropped = {"spool_full": refused, "evicted": evicted}
    before = host.books()
    assert before["balanced"], before
    assert before["totals"]["emitted"] == emitted
    assert before["totals"]["dropped"] == dropped
    aside = tmp_path.with_name(tmp_path.name + "-aside")
    shutil.copytree(tmp_path, aside)
    done = CliRunner().invoke(app, ["agent", "--once"], env=host.environment)
    assert done.exit_code == 0, done.output
    assert list(tmp_path.glob("*/meta.json")) == []
    for folder in aside.glob("*/drops"):  # as an adopter leaves it that dies before the removal
        shutil.copytree(folder.parent, tmp_path / folder.parent.name)
    done = CliRunner().invoke(app, ["agent", "--once"], env=host.environment)
    assert done.exit_code == 0, done.output
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.3)
    after = host.books("--at-rest")
    assert after["balanced"], after
    assert after["not_seen"] == []
    assert after["totals"] == {
        "emitted": emitted,
        "stored": emitted - refused - evicted,
        "dead_lettered": 0,
        "dropped": dropped,
        "waiting": 0,
        "missing": 0,
        "doubled": 0,
        "moving": 0,
    }
    health = f"logs-ml.health-{stage.namespace}-*"
    assert stage.client.count(health, {"term": {"event.action": "last-words"}}) == 3
