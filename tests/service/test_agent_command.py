"""`shipper agent` as users run it, on the real Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipper.config import KafkaSettings
from shipper.record import event_id
from tests.service.running_stack import RunningStack
from tests.service.topics import ids_on, own_topics

PROGRAM = Path(__file__).parents[1] / "fault" / "append_and_exit.py"


def environment(kafka: KafkaSettings, root: Path) -> dict[str, str]:
    """Return the variables of a process that uses this Kafka and this spool root."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    return {
        **kept,
        "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "SHIPPER_KAFKA_TOPIC": kafka.topic,
        "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
        "SHIPPER_KAFKA_REQUEST_TIMEOUT_S": "3",
        "SHIPPER_SPOOL_DIRECTORY": str(root),
        "SHIPPER_SHIP_RETRY_MAX_S": "1",
    }


def agent(kafka: KafkaSettings, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", "agent", *arguments],
        env=environment(kafka, root),
        cwd=root.parent,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def append(root: Path, producer_id: str, count: int, *arguments: str) -> None:
    """Let a process store records and end without sending them."""
    command = [sys.executable, str(PROGRAM), str(root), producer_id, str(count), "_exit", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_once_drains_and_ends(stack: RunningStack, tmp_path: Path) -> None:
    """Everything that dead processes left is sent, the folders are gone, and --json tells the counts."""
    root = tmp_path / "spool"
    with own_topics(stack) as kafka:
        append(root, "one", 500)
        append(root, "two", 300)
        append(root, "three", 7, "thread", "kafka:elsewhere:9092/other")
        run = agent(kafka, root, "--once", "--json")
        assert (run.returncode, run.stderr) == (0, "")
        status = json.loads(run.stdout.splitlines()[-1])
        assert (status["records"]["delivered"], status["finished_folders"]) == (800, 2)
        assert status["foreign_folders"] == 1
        expected = {event_id("one", n) for n in range(1, 501)} | {event_id("two", n) for n in range(1, 301)}
        assert set(ids_on(kafka)) == expected
        assert [path.name for path in root.iterdir()] == ["three"]
        run = agent(kafka, root, "--once", "--any-destination")
        assert run.stdout.startswith("7 delivered")
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told(stack: RunningStack, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end it with exit code 0 and a last status line; it ships live processes' spools until then."""
    root = tmp_path / "spool"
    with own_topics(stack) as kafka:
        writer = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(root), "alive", "200", "hang", "agent"],
            stdout=subprocess.PIPE,
            text=True,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper", "agent", "--status-every", "0.2"],
            env=environment(kafka, root),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with writer, process:
            try:
                assert process.stdout is not None
                deadline = time.monotonic() + 60
                while "200 delivered" not in (line := process.stdout.readline()):
                    assert line, process.communicate()
                    assert time.monotonic() < deadline
                process.send_signal(number)
                output, errors = process.communicate(timeout=20)
            finally:
                process.kill()
                writer.kill()
        assert (process.returncode, errors) == (0, "")
        assert output.splitlines()[-1].startswith("200 delivered")
        assert len(ids_on(kafka)) == 200


def test_killed_agents_lose_nothing(stack: RunningStack, tmp_path: Path) -> None:
    """U24: an agent that is killed in the middle is followed by another: every record arrives, doubles are few."""
    root = tmp_path / "spool"
    with own_topics(stack) as kafka:
        append(root, "p", 15_000)
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-m", "shipper", "agent", "--status-every", "0.1"],
                env=environment(kafka, root),
                stdout=subprocess.PIPE,
                text=True,
            )
            with process:
                assert process.stdout is not None
                while (line := process.stdout.readline()).startswith("0 delivered"):
                    pass
                assert line
                process.kill()
        run = agent(kafka, root, "--once")
        assert run.returncode == 0, run.stderr
        found = ids_on(kafka)
        assert set(found) == {event_id("p", n) for n in range(1, 15_001)}
        assert len(found) - 15_000 <= 2 * 1000, "at most a batch per killed agent comes twice"
        assert list(root.iterdir()) == []


def test_a_missing_topic_is_one_sentence(stack: RunningStack, tmp_path: Path) -> None:
    """Without the topic --once ends at its timeout with exit code 1 and says which command makes it."""
    root = tmp_path / "spool"
    with own_topics(stack, is_made=False) as kafka:
        append(root, "p", 3)
        run = agent(kafka, root, "--once", "--timeout", "4")
        assert run.returncode == 1
        assert "Traceback" not in run.stderr
        assert "`shipper setup`" in run.stderr
        assert (root / "p").is_dir()


def test_an_unreachable_kafka_is_one_sentence(tmp_path: Path) -> None:
    """With no broker there --once says so and what to check; the records stay."""
    root = tmp_path / "spool"
    append(root, "p", 3)
    run = agent(KafkaSettings(bootstrap_servers="127.0.0.1:1"), root, "--once", "--timeout", "2")
    assert run.returncode == 1
    assert "127.0.0.1:1 cannot be reached" in run.stderr
    assert "Traceback" not in run.stderr
    assert (root / "p").is_dir()


def test_wrong_settings_are_one_sentence(tmp_path: Path) -> None:
    """U39: a value out of range is refused at the start with exit code 2 and the name of the setting."""
    kafka = KafkaSettings()
    run = subprocess.run(
        [sys.executable, "-m", "shipper", "agent", "--once"],
        env={**environment(kafka, tmp_path / "spool"), "SHIPPER_SHIP_RETRY_MAX_S": "0.01"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert "retry_max_s" in run.stderr
    assert "Traceback" not in run.stderr


def test_told_to_end_it_first_sends_what_is_there(stack: RunningStack, tmp_path: Path) -> None:
    """--drain: what a dying application leaves after SIGTERM is still sent; the agent then ends with exit code 0."""
    root = tmp_path / "spool"
    with own_topics(stack) as kafka:
        append(root, "one", 200)
        command = [sys.executable, "-m", "shipper", "agent", "--drain", "30", "--status-every", "0.2"]
        with subprocess.Popen(
            command, env=environment(kafka, root), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("200 delivered"):
                pass
            process.send_signal(signal.SIGSTOP)  # so that it learns of both at the same time
            append(root, "two", 300)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            output = process.communicate(timeout=60)[0]
        assert process.returncode == 0
        assert output.splitlines()[-1].startswith("500 delivered")
        assert list(root.iterdir()) == []
        assert len(ids_on(kafka)) == 500
