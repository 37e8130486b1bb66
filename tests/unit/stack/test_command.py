"""`shipper stack` without servers: help, empty answers, and mistakes in one sentence."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running_stack import free_ports

COMMANDS = ("up", "down", "status", "logs", "path")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of a machine on which nothing was ever fetched or started.

    The cache is in a folder that everybody may enter: for root another one would be replaced by the
    public cache, where the software may lie already.
    """
    ports = free_ports(4)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SHIPPER_", "XDG_"))}
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)
        yield {
            **kept,
            "HOME": str(tmp_path),
            "COLUMNS": "200",
            "SHIPPER_STACK_DIRECTORY": str(tmp_path / "stack"),
            "SHIPPER_STACK_CACHE": cache,
            "SHIPPER_STACK_KAFKA_PORT": str(ports[0]),
            "SHIPPER_STACK_KAFKA_CONTROLLER_PORT": str(ports[1]),
            "SHIPPER_STACK_ELASTICSEARCH_PORT": str(ports[2]),
            "SHIPPER_STACK_ELASTICSEARCH_TRANSPORT_PORT": str(ports[3]),
        }


def shipper(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `shipper stack` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", "stack", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command(environment: dict[str, str]) -> None:
    """Help lists all commands, and each has its own."""
    overview = shipper(environment, "--help").stdout
    assert all(command in overview for command in COMMANDS)
    assert "SHIPPER_STACK_KAFKA_PORT" in shipper(environment, "up", "--help").stdout


def test_nothing_was_ever_started(environment: dict[str, str], tmp_path: Path) -> None:
    """Asking changes nothing: status says stopped with exit code 1, down is content, no folder appears."""
    status = shipper(environment, "status")
    assert status.returncode == 1
    assert status.stdout.count("stopped") == 2
    document = json.loads(shipper(environment, "status", "--json").stdout)
    assert document["running"] is False
    assert document["servers"]["kafka"]["phase"] == "stopped"
    down = shipper(environment, "down")
    assert (down.returncode, down.stdout) == (0, "The stack was not running.\n")
    logs = shipper(environment, "logs", "kafka")
    assert logs.returncode == 1
    assert "no log yet" in logs.stderr
    assert not (tmp_path / "stack").exists()


def test_path_is_made_for_scripts(environment: dict[str, str], tmp_path: Path) -> None:
    """One name and one folder a line."""
    answer = shipper(environment, "path")
    folders = dict(line.split("\t") for line in answer.stdout.splitlines())
    assert folders["directory"] == str(tmp_path / "stack")
    assert folders["cache"] == environment["SHIPPER_STACK_CACHE"]
    assert set(folders) == {"directory", "home", "cache", "software"}


def failing_up(environment: dict[str, str]) -> str:
    """Run `up`, expect one sentence and no stack trace, and return it."""
    answer = shipper(environment, "up")
    assert answer.returncode in (1, 2)
    assert "Traceback" not in answer.stderr
    (sentence,) = answer.stderr.splitlines()
    return sentence


def test_busy_port(environment: dict[str, str]) -> None:
    """Another program on a port: the sentence names port and setting, before anything is fetched."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        sentence = failing_up({**environment, "SHIPPER_STACK_ELASTICSEARCH_PORT": port})
    assert port in sentence
    assert "SHIPPER_STACK_ELASTICSEARCH_PORT" in sentence


def test_wrong_settings(environment: dict[str, str]) -> None:
    """Values out of range and equal ports are the user's mistakes."""
    assert "kafka_port" in failing_up({**environment, "SHIPPER_STACK_KAFKA_PORT": "70000"})
    port = environment["SHIPPER_STACK_KAFKA_PORT"]
    assert "of its own" in failing_up({**environment, "SHIPPER_STACK_ELASTICSEARCH_PORT": port})


def test_too_little_memory(environment: dict[str, str]) -> None:
    """More memory than any machine has is refused with the settings to lower."""
    sentence = failing_up(
        {
            **environment,
            "SHIPPER_STACK_ELASTICSEARCH_HEAP_MIB": "65536",
            "SHIPPER_STACK_KAFKA_HEAP_MIB": "65536",
        }
    )
    assert "SHIPPER_STACK_KAFKA_HEAP_MIB" in sentence


@pytest.mark.slow
def test_unreachable_repository(environment: dict[str, str]) -> None:
    """No way to the archives: one sentence, and nothing half-fetched."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    answer = shipper({**environment, "SHIPPER_STACK_MAVEN_REPOSITORY": url}, "up")
    assert answer.returncode == 1
    assert "could not be downloaded (no connection to the repository)" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_folder_that_is_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    """A file in the place of the folder is explained."""
    (tmp_path / "stack").touch()
    assert "SHIPPER_STACK_DIRECTORY" in failing_up(environment)


def test_missing_extra(environment: dict[str, str], tmp_path: Path) -> None:
    """Without the extra [stack] the command says which one to install."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['psutil'] = None\n", "utf-8")
    answer = shipper({**environment, "PYTHONPATH": str(hidden)}, "status")
    assert answer.returncode == 2
    assert "pip install 'shipper[stack]'" in answer.stderr
