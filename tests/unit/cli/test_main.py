"""The root of the command: one clear sentence and the right exit code, never a stack trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(
    *arguments: str, before: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, after the statements `before`."""
    code = f"import sys\n{before}\nsys.argv = ['shipper', *{list(arguments)!r}]\nfrom shipper.cli.main import main\nmain()"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SHIPPER_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "nonsense"),
        (["demo", "--sed", "3"], "--seed"),
        (["demo", "--seed", "three"], "--seed"),
        (["--config", "/does/not/exist.toml", "config", "show"], "/does/not/exist.toml"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], word: str) -> None:
    """What the user mistyped is named, and the exit code is 2."""
    done = run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_out_of_range_is_named() -> None:
    """A value from the environment that cannot be is refused with its key."""
    done = run("config", "show", environment={"SHIPPER_KAFKA_PARTITIONS": "0"})
    assert done.returncode == 2
    assert "kafka.partitions" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("elasticsearch", ["index"], "index"),
        ("numpy", ["rules", "list"], "detect"),
        ("yaml", ["rules", "list"], "detect"),
        ("psutil", ["stack", "status"], "stack"),
        ("sklearn", ["demo"], "demo"),
    ],
)
def test_a_missing_extra_is_named(module: str, arguments: list[str], extra: str, tmp_path: Path) -> None:
    """A command whose libraries are not installed says what to install."""
    block = (
        "class Absent:\n"
        f"    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {module!r}:\n"
        f"            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())"
    )
    done = run(*arguments, before=block, environment={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 2, done.stderr
    assert f"shipper[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
