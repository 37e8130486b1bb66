"""deploy/systemd and deploy/cron: systemd's own checker, the commands, the settings, and the page that installs them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.config import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
TIMERS = sorted(FOLDER.glob("*.timer"))
CRON = ROOT / "deploy" / "cron" / "shipper"
PAGE = ROOT / "docs" / "how-to" / "systemd.md"
LONG_RUNNING = {"shipper-agent", "shipper-index"}


def values(path: Path) -> dict[str, str]:
    """Return the assignments of a unit or a file of variables; of several the last."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z_]+=", line))


def variables(unit: dict[str, str]) -> dict[str, str]:
    """Return the environment that a unit gives to its program."""
    given = values(FOLDER / Path(unit["EnvironmentFile"]).name)
    if "Environment" in unit:
        given |= dict([unit["Environment"].split("=", 1)])
    return given


def check_command(words: list[str]) -> None:
    """Assert that `shipper` takes these words."""
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0, f"{words}: {answer.output}"


def cron_lines() -> list[tuple[str, str, str]]:
    """Return time, user and command of each line of the table."""
    found = []
    for line in CRON.read_text("utf-8").splitlines():
        match = re.match(r"(@\w+|(?:[\d*/,-]+\s+){5})\s*(\w+)\s+(.+)$", line)
        if match:
            found.append((match[1].strip(), match[2], match[3]))
    return found


def test_agent_indexer_and_detector_are_there() -> None:
    """A unit for each, a timer for what runs now and then."""
    assert {path.stem for path in UNITS} == LONG_RUNNING | {"shipper-detect", "shipper-retention"}
    assert {path.stem for path in TIMERS} == {path.stem for path in UNITS} - LONG_RUNNING


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong, with the program at a place that exists."""
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd is not installed (Debian: apt-get install systemd)")
    program = shutil.which("true") or "/bin/true"
    for path in (*UNITS, *TIMERS):
        (tmp_path / path.name).write_text(
            path.read_text("utf-8").replace("/opt/shipper/bin/shipper", program)
        )
    run = subprocess.run(
        [checker, "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.name)
def test_systemd_understands_the_times(path: Path) -> None:
    """`systemd-analyze calendar` can tell when each timer runs next."""
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd is not installed (Debian: apt-get install systemd)")
    subprocess.run(
        [checker, "calendar", values(path)["OnCalendar"]], check=True, capture_output=True, timeout=60
    )


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_and_its_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes its arguments; the variables are settings of ours, valid together."""
    unit = values(path)
    program, *words = shlex.split(unit["ExecStart"])
    assert program == "/opt/shipper/bin/shipper"
    check_command(words)
    known = {
        f"SHIPPER_{name}_{key}".removesuffix("_").upper()
        for name, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {"": None})
    }
    given = variables(unit)
    assert given.keys() <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    if words[0] == "agent":
        assert settings.spool.directory.relative_to("/var/lib") == Path(unit["StateDirectory"].split()[-1])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_are_locked_down(path: Path) -> None:
    """No root, no new rights, bounded memory; what should run for ever is started again, what runs once is not."""
    unit = values(path)
    assert (unit["User"], unit["NoNewPrivileges"], unit["ProtectSystem"]) == ("shipper", "yes", "strict")
    assert unit["CapabilityBoundingSet"] == ""
    assert "MemoryMax" in unit
    assert (unit.get("Restart") == "always") == (path.stem in LONG_RUNNING)
    assert (unit["Type"] == "oneshot") == (path.stem not in LONG_RUNNING)


def test_cron_and_timers_say_the_same() -> None:
    """Whichever is used, the same commands run at the same times."""
    times = {"*:0/5": "*/5 * * * *", "*-*-* 03:17:00 UTC": "17 3 * * *"}
    lines = {command.split(" >>")[0]: when for when, _, command in cron_lines()}
    for path in TIMERS:
        command = values(path.with_suffix(".service"))["ExecStart"].removeprefix("/opt/shipper/bin/")
        assert lines[command] == times[values(path)["OnCalendar"]]


def test_every_command_of_the_cron_table_is_one_of_ours() -> None:
    """Each line runs as our user, names a time that exists, and a command that shipper takes."""
    text = CRON.read_text("utf-8")
    jobs = cron_lines()
    entries = [line for line in text.splitlines() if line and not re.match(r"#|[A-Z_]+=", line)]
    assert len(jobs) == len(entries) == 5
    for when, user, command in jobs:
        assert user == "shipper"
        if not when.startswith("@"):
            minute, hour, *_ = when.split()
            assert re.fullmatch(r"\*/\d+|[0-5]?\d", minute)
            assert re.fullmatch(r"\*|1?\d|2[0-3]", hour)
        assert "%" not in command, "cron takes it for the end of the line"
        program, *words = shlex.split(command.split(">")[0])
        assert program == "shipper"
        check_command(words)


def test_the_page_installs_what_is_there() -> None:
    """docs/how-to/systemd.md names each file, and each file that the settings name."""
    text = PAGE.read_text("utf-8")
    for path in (*UNITS, *TIMERS, *FOLDER.glob("*.env"), CRON):
        assert path.name in text, path.name
    for unit in UNITS:
        for value in variables(values(unit)).values():
            if value.startswith("/etc/shipper/"):
                assert value in text, value
