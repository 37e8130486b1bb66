"""`shipper redact`: shows what would be touched, never what was found; makes, rotates and uses keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", "redact", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "", "HOME": "/nonexistent", **variables},
    )


def test_shows_touched_lines(tmp_path: Path) -> None:
    """Each touched line is shown with its number and the kinds, as text or as JSON; the secret is not."""
    log = tmp_path / "app.log"
    log.write_text("password=hunter2\nall is well\nmail bob@example.com\n")
    shown = run("test", str(log))
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        "1: password=[redacted:secret]    (secret)",
        "3: mail [redacted:email]    (email)",
    ]
    assert "2 of 3 lines touched" in shown.stderr
    lines = [
        json.loads(line) for line in run("test", "-", "--json", given=log.read_text()).stdout.splitlines()
    ]
    assert [(line["line"], line["kinds"]) for line in lines] == [(1, ["secret"]), (3, ["email"])]
    assert "hunter2" not in shown.stdout + shown.stderr + str(lines)


@pytest.mark.slow
def test_keys_rotate(tmp_path: Path) -> None:
    """A new key goes first into the file, which only its owner can read; older pseudonyms can still be worked out."""
    file = tmp_path / "keys"
    assert run("key", "--file", str(file), "--name", "one").returncode == 0
    before = run("pseudonym", "alice", SHIPPER_REDACT_KEY_FILE=str(file)).stdout.splitlines()
    made = run("key", "--file", str(file), "--name", "two")
    after = run("pseudonym", "-", given="alice\n", SHIPPER_REDACT_KEY_FILE=str(file)).stdout.splitlines()
    assert file.stat().st_mode & 0o777 == 0o600
    assert after[1:] == before
    assert after[0].startswith("pseudonym:two:")
    for line in file.read_text().split():
        assert line.partition(":")[2] not in made.stdout + made.stderr
    assert run("key", "--file", str(file), "--name", "two").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables", "part"),
    [
        (["pseudonym", "x"], {}, "There is no key"),
        (["pseudonym", "x"], {"SHIPPER_REDACT_KEY": "k:aHVudGVyMg=="}, "less than 16 bytes"),
        (["key", "--name", "A B"], {}, "name is 1 to 32"),
        (["test", "-"], {"SHIPPER_REDACT_ENABLED": "false"}, "switched off"),
    ],
)
def test_mistakes(arguments: list[str], variables: dict[str, str], part: str) -> None:
    """A mistake is one sentence and code 2, and shows no key."""
    answer = run(*arguments, **variables)
    assert answer.returncode == 2
    assert part in answer.stderr
    assert "aHVudGVyMg" not in answer.stderr
    assert "Traceback" not in answer.stderr
