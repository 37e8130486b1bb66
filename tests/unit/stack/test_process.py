"""Processes are known by more than their number, and only ours are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shipper.clock import SystemClock
from shipper.errors import StackError
from shipper.stack.process import (
    Command,
    ProcessIdentity,
    find_marked,
    forget_socket,
    identify,
    is_alive,
    mark,
    memory_bytes,
    start,
    stop,
)

CLOCK = SystemClock()
SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A server's folder; what was started for it is killed at the end."""
    yield tmp_path
    stop(find_marked(tmp_path), clock=CLOCK, patience_s=0)


def launch(folder: Path, program: str = SLEEP) -> subprocess.Popen[bytes]:
    """Start a marked Python and wait until it runs its program."""
    output = folder / "output.txt"
    command = Command([sys.executable, "-c", program, mark(folder)], {}, folder, output)
    process = start(command, None)
    deadline_s = CLOCK.monotonic_s() + 20
    while output.read_bytes() != b"up\n":
        assert CLOCK.monotonic_s() < deadline_s
        assert process.poll() is None
    return process


def test_killed_java_program_leaves_no_socket(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Java leaves under the number of a killed process goes with it; a living one keeps it."""
    monkeypatch.setattr("shipper.stack.process._JAVA_SOCKETS", tmp_path)
    process = launch(folder)
    socket = tmp_path / f".java_pid{process.pid}"
    socket.touch()
    forget_socket(process.pid)
    assert socket.exists()
    stop(find_marked(folder), clock=CLOCK, patience_s=0)
    assert not socket.exists()


def test_started_processes_are_found_by_their_mark(folder: Path) -> None:
    """Even without a state file the processes of a folder are found, and no other folder's."""
    process = launch(folder)
    assert [found.pid for found in find_marked(folder)] == [process.pid]
    assert find_marked(folder / "other") == []
    assert find_marked(folder.parent) == []


def test_servers_have_a_session_of_their_own(folder: Path) -> None:
    """Ctrl-C at the terminal reaches the command, not the servers; they outlive it."""
    process = launch(folder)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_recycled_number_is_not_mistaken(folder: Path) -> None:
    """A process with the recorded number but another start time is left alone."""
    process = launch(folder)
    now = identify(process.pid)
    assert now is not None
    recycled = ProcessIdentity(process.pid, now.started_s - 3600)
    assert is_alive(now)
    assert not is_alive(recycled)
    assert stop([recycled], clock=CLOCK, patience_s=5)
    assert is_alive(now)


def test_stop_is_polite_first(folder: Path) -> None:
    """SIGTERM ends a process that listens to it; nothing is killed, nothing remains."""
    process = launch(folder)
    assert stop(find_marked(folder), clock=CLOCK, patience_s=20) is True
    assert process.wait(10) == -signal.SIGTERM
    assert find_marked(folder) == []


def test_deaf_process_is_killed(folder: Path) -> None:
    """What does not end in time is killed, and the caller is told."""
    process = launch(folder, DEAF)
    assert stop(find_marked(folder), clock=CLOCK, patience_s=0.2) is False
    assert process.wait(10) == -signal.SIGKILL


def test_ended_child_is_not_taken_for_alive(folder: Path) -> None:
    """A child that ended is reaped or seen as ended, although its number still exists for a moment."""
    process = launch(folder)
    identity = identify(process.pid)
    assert identity is not None
    process.kill()
    deadline_s = CLOCK.monotonic_s() + 10
    while is_alive(identity):
        assert CLOCK.monotonic_s() < deadline_s
    assert memory_bytes(identity) == 0
    assert identify(process.pid) is None


def test_nothing_of_the_callers_environment_reaches_a_server(folder: Path) -> None:
    """The environment is the one of the command, whatever secrets ours holds."""
    process = launch(folder)
    assert set(psutil.Process(process.pid).environ()) <= {"LC_CTYPE"}


def test_program_that_cannot_start_is_one_sentence(folder: Path) -> None:
    """A missing program is a stack error that names it."""
    command = Command([str(folder / "no-java")], {}, folder, folder / "output.txt")
    with pytest.raises(StackError, match="no-java could not be started"):
        start(command, None)
