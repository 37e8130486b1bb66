"""A contender's process as its parent sees it: started, told what to do, stopped while it is another's turn."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
_TIMEOUT_S: Final = 120


class _NoFigures(Exception):
    """A contender gives no figures; the text says why.

    Attributes:
        name: of the contender.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class ContenderFailed(_NoFigures):
    """The process ended, or gave no answer; the text is its last word."""


class ContenderMissing(_NoFigures):
    """The contender cannot run here."""


class ContenderProcess:
    """One contender in a fresh process, with a folder of its own that goes with it.

    Raises:
        ContenderMissing: it cannot run here.
        ContenderFailed: it fails.
    """

    def __init__(self, task: dict[str, Any], directory: Path | None) -> None:
        self._name = str(task["name"])
        self._directory = Path(tempfile.mkdtemp(prefix="shipper-bench-", dir=directory))
        self._errors: IO[bytes] = (self._directory / "stderr").open("w+b")
        task = {**task, "directory": str(self._directory)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", json.dumps(task)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            cwd=self._directory, env=_environment(self._directory),
        )  # fmt: skip
        try:
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def _await_ready(self) -> None:
        answer = self._answer()
        if "missing" in answer:
            raise ContenderMissing(self._name, answer["missing"])
        self._process.send_signal(signal.SIGSTOP)

    def ask(self, **order: int) -> dict[str, Any]:
        """Let it go on, give one order, return the answer, stop it again."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderFailed(self._name, self._last_word()) from None
        answer = self._answer()
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """End the process, and remove its folder."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                _close(pipe)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        deadline_s = time.monotonic() + _TIMEOUT_S
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                raise ContenderFailed(self._name, f"no answer within {_TIMEOUT_S} s")
            line = self._process.stdout.readline()
            if not line:
                raise ContenderFailed(self._name, self._last_word())
            if line.startswith(b"{"):
                answer: dict[str, Any] = json.loads(line)
                return answer

    def _last_word(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {status}"


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # what was still to be said to a process that is gone
        pipe.close()


def _environment(directory: Path) -> dict[str, str]:
    """The caller's environment without its shipper settings, so that everybody measures the same."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    return {**kept, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(directory)}
