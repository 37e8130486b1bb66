"""The main job, end to end, on the real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.service.running_stack import RunningStack

LIMIT_S = 420


def demo_environment(stack: RunningStack) -> dict[str, str]:
    """Return the variables that make the demo use the servers of the tests."""
    if stack.control is None:
        pytest.skip("the demo restarts the broker; name the running stack's folder in SHIPPER_TEST_STACK_DIR")
    settings = stack.control.settings
    given = {
        f"SHIPPER_STACK_{key.upper()}": str(value)
        for key, value in settings.model_dump(mode="json").items()
        if value not in (None, "")
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("SHIPPER_")} | given


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 60, func_only=True)
def test_demo_finds_what_was_planted(stack: RunningStack, tmp_path: Path) -> None:
    """One seed: the books balance over a kill -9 and a broker restart, every fault is found, no alert is false."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "shipper",
            "demo",
            "--check",
            "--json",
            "--seed",
            "7",
            "--directory",
            str(tmp_path),
        ],
        env=demo_environment(stack),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["passed"]
    assert result["balance"]
    assert result["false_alerts"] == []
    assert result["failing_panels"] == []
    assert [row["category"] for row in result["planted"] if row["found"] and row["names_commit"]] == [
        "error_rate",
        "latency",
        "metric",
        "drift",
    ]
    counts = {row["hop"]: row["distinct"] for row in result["hops"]}
    assert counts["in Kafka"] == counts["in Elasticsearch"] > 10_000


@pytest.mark.slow
@pytest.mark.timeout(120, func_only=True)
def test_interrupt_leaves_no_child(stack: RunningStack, tmp_path: Path) -> None:
    """Ctrl-C ends the demo's own processes and answers with one sentence; the servers stay."""
    with subprocess.Popen(
        [sys.executable, "-m", "shipper", "demo", "--directory", str(tmp_path)],
        env=demo_environment(stack),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        deadline = time.monotonic() + 90
        children: list[psutil.Process] = []
        while len(children) < 3 and time.monotonic() < deadline:
            children = psutil.Process(demo.pid).children(recursive=True)
            time.sleep(0.1)
        assert len(children) >= 3
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Interrupted." in errors
    assert "Traceback" not in errors
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone
    assert not alive
    assert stack.control is not None
    assert stack.control.status().is_running
