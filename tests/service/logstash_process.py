"""A real Logstash for the tests: named by LOGSTASH_HOME, run with our own settings file and pipelines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.assets import asset

START_S = 150
"""A Logstash needs seconds on an idle machine, and a minute or two on a busy one."""

_FAST_START = "-Xms256m -Xmx512m -XX:TieredStopAtLevel=1 -Djruby.compile.invokedynamic=false"


def logstash_home() -> Path:
    """Return the folder of the Logstash to test with; the test is skipped where there is none."""
    home = os.environ.get("LOGSTASH_HOME", "")
    if not home:
        pytest.skip("set LOGSTASH_HOME to a Logstash 9.2 to run this")
    return Path(home)


def settings_folder(folder: Path, *, drain: bool) -> Path:
    """Return a settings folder with our logstash.yml and pipelines.yml, fit for a test machine."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = (asset("logstash") / "config" / "logstash.yml").read_text("utf-8")
    settings = settings.replace("api.http.port: 9600", "api.http.port: 9600-9700")
    settings = settings.replace("log.format: json", "log.format: plain")
    # Where an input ends by itself, the queue is emptied before Logstash ends.
    settings = settings.replace("queue.drain: false", f"queue.drain: {str(drain).lower()}")
    # And it does not end as long as it looks for changes.
    settings = settings.replace("reload.automatic: true", f"reload.automatic: {str(not drain).lower()}")
    if os.geteuid() == 0:
        settings += "allow_superuser: true\n"
    (folder / "logstash.yml").write_text(settings, "utf-8")
    pipelines = (asset("logstash") / "config" / "pipelines.yml").read_text("utf-8")
    (folder / "pipelines.yml").write_text(pipelines, "utf-8")
    return folder


def environment(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a Logstash whose data lie in `folder`; none of the tester's own settings."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHIPPER_")}
    return inherited | {
        "LS_JAVA_OPTS": _FAST_START,
        "SHIPPER_LOGSTASH_PIPELINES": str(asset("logstash") / "pipelines"),
        "SHIPPER_LOGSTASH_DATA": str(folder / "data"),
        **(variables or {}),
    }


def command(folder: Path, *arguments: str, drain: bool = False) -> list[str]:
    """Return the command line of a Logstash with settings, data and logs in `folder`."""
    return [
        str(logstash_home() / "bin" / "logstash"),
        "--path.settings",
        str(settings_folder(folder / "settings", drain=drain)),
        "--path.data",
        str(folder / "data"),
        "--path.logs",
        str(folder / "logs"),
        *arguments,
    ]


def filter_block(pipeline: Path) -> str:
    """Return the text of a pipeline's filter section, braces included."""
    text = re.sub(r"^\s*#.*$", "", pipeline.read_text("utf-8"), flags=re.MULTILINE)
    start = text.index("filter {")
    depth = 0
    for position in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start : position + 1]
    raise AssertionError(f"{pipeline} has no whole filter section")


def keep_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Put secrets into the keystore of the Logstash of `folder`, by Logstash's own program, as the pages say."""
    program = str(logstash_home() / "bin" / "logstash-keystore")
    settings = ["--path.settings", str(settings_folder(folder / "settings", drain=False))]
    for words, answer in (
        (["create"], "y\n"),
        (["add", *secrets, "--stdin"], "".join(f"{secret}\n" for secret in secrets.values())),
    ):
        done = subprocess.run(
            [program, *settings, *words],
            input=answer,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "settings" / "logstash.keystore").is_file()


@contextmanager
def running(folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run Logstash with both pipelines; stopped in order at the end, by force if that takes too long."""
    log = folder / "logstash.out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(folder), env=environment(folder, variables), stdout=out, stderr=subprocess.STDOUT
        )
        with stopped(process):
            yield process


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a Logstash in order at the end of the block, by force if that takes too long."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
