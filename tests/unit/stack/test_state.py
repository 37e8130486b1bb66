"""The state file survives anything; the lock lets one command work at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipper.clock import ManualClock, SystemClock
from shipper.config import StackSettings
from shipper.errors import StackError
from shipper.stack.locking import folder_lock
from shipper.stack.process import ProcessIdentity
from shipper.stack.state import StackState, read_state, state_file, write_state


def example(tmp_path: Path) -> StackState:
    """A state with one process."""
    settings = StackSettings(directory=tmp_path, kafka_port=19999)
    return StackState(settings, tmp_path / "home").with_process("kafka", ProcessIdentity(17, 1234.5))


def test_round_trip(tmp_path: Path) -> None:
    """What was written is read again, settings included; nothing partial stays."""
    state = example(tmp_path)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
    assert state.without("kafka").processes == {}


def test_damaged_state_is_as_good_as_none(tmp_path: Path) -> None:
    """A file cut anywhere, or of another format, is ignored: marks and folders know the rest."""
    write_state(tmp_path, example(tmp_path))
    text = state_file(tmp_path).read_text("utf-8")
    for length in range(len(text) - 1):
        state_file(tmp_path).write_text(text[:length], "utf-8")
        assert read_state(tmp_path) is None
    for other in ('{"format": 2}', "[]", "null", text.replace("17", '"x"'), text.replace("host", "hots")):
        state_file(tmp_path).write_text(other, "utf-8")
        assert read_state(tmp_path) is None
    assert read_state(tmp_path / "nowhere") is None


def test_second_command_waits_its_turn_then_says_so(tmp_path: Path) -> None:
    """While one command holds the folder another waits up to its patience, then explains itself."""
    with (
        folder_lock(tmp_path, clock=SystemClock(), patience_s=0),
        pytest.raises(StackError, match="Another shipper command is still at work"),
        folder_lock(tmp_path, clock=ManualClock(), patience_s=5),
    ):
        pass
    with folder_lock(tmp_path, clock=ManualClock(), patience_s=0):
        pass


def test_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A killed command leaves no lock behind."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from shipper.clock import SystemClock\n"
        "from shipper.stack.locking import folder_lock\n"
        "with folder_lock(Path(sys.argv[1]), clock=SystemClock(), patience_s=0):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StackError), folder_lock(tmp_path, clock=ManualClock(), patience_s=0):
            pass
        holder.kill()
    with folder_lock(tmp_path, clock=SystemClock(), patience_s=0):
        pass


def test_lock_on_a_removed_file_is_not_enough(tmp_path: Path) -> None:
    """Whoever waited while the file was removed and made anew takes the new one, so that two never hold it."""
    inside, overlaps = threading.Lock(), []

    def work() -> None:
        for _ in range(20):
            with folder_lock(tmp_path, clock=SystemClock(), patience_s=20):
                if not inside.acquire(blocking=False):
                    overlaps.append(1)
                    continue
                inside.release()
                # Last: from here on another thread may rightly hold the lock on a new file.
                (tmp_path / "lock").unlink(missing_ok=True)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not overlaps


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A file in the place of the folder is one sentence with the settings to change."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(StackError, match="SHIPPER_STACK_DIRECTORY"),
        folder_lock(tmp_path / "file" / "x", clock=ManualClock(), patience_s=0),
    ):
        pass
