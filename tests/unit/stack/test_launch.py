"""Starting servers: ready means that they answered, and trouble leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.errors import ServerFailed
from shipper.stack.artifacts import ServerName
from shipper.stack.launch import Launch
from shipper.stack.placement import Placement
from shipper.stack.process import Command, ProcessIdentity, find_marked, mark, stop
from shipper.stack.progress import SilentProgress
from shipper.stack.server import Server, ServerFolder

CLOCK = SystemClock()
READY = "open('ready', 'w').close(); import time; time.sleep(60)"
SILENT = "import time; time.sleep(60)"
TAKEN = "print('IOException: /proc/7/root/tmp/.java_pid7 is not secure'); raise SystemExit(1)"
TAKEN_ONCE = f"""
import os
if not os.path.exists('tried'):
    open('tried', 'w').close()
    {TAKEN}
{READY}"""
FAILING = "print('INFO begin'); print('ERROR no license to start'); raise SystemExit(1)"


class ScriptedServer:
    """A server that is a Python program; it answers once it has made the file `ready`."""

    def __init__(self, root: Path, name: ServerName, program: str) -> None:
        self.folder = ServerFolder(root / name, name)
        self.program = program

    def prepare(self) -> None:
        """Make the folders."""
        self.folder.make(Placement(None, self.folder.root, self.folder.root))

    def command(self) -> Command:
        """Run the program."""
        root = self.folder.root
        return Command([sys.executable, "-c", self.program, mark(root)], {}, root, self.folder.output)

    def ready_process(self) -> ProcessIdentity | None:
        """Look for the file."""
        found = find_marked(self.folder.root)
        return found[0] if found and (self.folder.root / "ready").exists() else None


class Interrupted(SilentProgress):
    """Ctrl-C arrives when the given step is told."""

    def __init__(self, step: str) -> None:
        self._step = step

    def step(self, text: str) -> None:
        """Raise at the step."""
        if text == self._step:
            raise KeyboardInterrupt


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A stack's folder; nothing of it runs afterwards."""
    yield tmp_path
    for server in ("kafka", "elasticsearch"):
        stop(find_marked(tmp_path / server), clock=CLOCK, patience_s=0)


def launch(
    root: Path,
    kafka: str,
    elasticsearch: str,
    *,
    progress: SilentProgress | None = None,
    timeout_s: float = 20,
) -> list[tuple[ServerName, int]]:
    """Start both and return what was remembered."""
    servers: dict[ServerName, Server] = {
        "kafka": ScriptedServer(root, "kafka", kafka),
        "elasticsearch": ScriptedServer(root, "elasticsearch", elasticsearch),
    }
    remembered: list[tuple[ServerName, int]] = []
    one = Launch(servers, {"kafka": "K", "elasticsearch": "E"}, None, progress or SilentProgress(), CLOCK)
    one.run(servers, timeout_s, lambda server, process: remembered.append((server, process.pid)))
    return remembered


def alive(root: Path) -> int:
    """How many processes of the stack live."""
    return len(find_marked(root / "kafka")) + len(find_marked(root / "elasticsearch"))


def test_returns_when_all_have_answered(root: Path) -> None:
    """Each process is remembered when it exists and when it is ready, and goes on running."""
    remembered = launch(root, READY, READY)
    assert sorted(server for server, _ in remembered) == ["elasticsearch"] * 2 + ["kafka"] * 2
    assert alive(root) == 2


def test_server_that_ends_is_explained(root: Path) -> None:
    """The most telling line is the reason, the end of the output follows, and the other server is stopped."""
    with pytest.raises(ServerFailed) as caught:
        launch(root, FAILING, READY)
    assert caught.value.server == "K"
    assert "ERROR no license to start" in str(caught.value)
    assert caught.value.log == str(root / "kafka" / "output.txt")
    assert "INFO begin" in caught.value.tail
    assert alive(root) == 0


def test_process_number_of_a_killed_java_program_is_not_the_end(root: Path) -> None:
    """What another user's program left under our number stops one start; the next has another number."""
    remembered = launch(root, READY, TAKEN_ONCE)
    numbers = [pid for server, pid in remembered if server == "elasticsearch"]
    assert len(numbers) == 3
    assert numbers[0] != numbers[1] == numbers[2]
    assert alive(root) == 2


def test_starts_are_not_repeated_for_ever(root: Path) -> None:
    """A server that always ends so is explained after a few starts."""
    with pytest.raises(ServerFailed, match="is not secure"):
        launch(root, READY, TAKEN)
    assert alive(root) == 0


def test_server_that_never_answers_is_given_up(root: Path) -> None:
    """After the limit the sentence says so, and nothing is left running."""
    with pytest.raises(ServerFailed, match="E failed: no answer within 1 s"):
        launch(root, READY, SILENT, timeout_s=1)
    assert alive(root) == 0


@pytest.mark.parametrize("step", ["Starting K", "K is ready"])
def test_interruption_stops_what_was_started(root: Path, step: str) -> None:
    """Ctrl-C at any moment of the start leaves no server behind."""
    with pytest.raises(KeyboardInterrupt):
        launch(root, READY, READY, progress=Interrupted(step))
    assert alive(root) == 0


def test_running_server_is_waited_for_but_not_stopped(root: Path) -> None:
    """A server that ran before survives the failure of the one that was to be added."""
    launch(root, READY, READY)
    stop(find_marked(root / "kafka"), clock=CLOCK, patience_s=0)
    servers: dict[ServerName, Server] = {
        "kafka": ScriptedServer(root, "kafka", FAILING),
        "elasticsearch": ScriptedServer(root, "elasticsearch", READY),
    }
    (root / "kafka" / "ready").unlink()
    with pytest.raises(ServerFailed):
        Launch(servers, {"kafka": "K", "elasticsearch": "E"}, None, SilentProgress(), CLOCK).run(
            ["kafka"], 20, lambda _server, _process: None
        )
    assert len(find_marked(root / "elasticsearch")) == 1
