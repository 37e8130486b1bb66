"""The processes of the demo: started with one configuration, watched, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from shipper.errors import ShipperError


class DemoFailed(ShipperError):
    """A process of the demo did not do its part. The only argument is the whole sentence."""


class Child:
    """One process with its log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end by itself.

        Raises:
            DemoFailed: it took longer than `timeout_s` or ended with an error.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DemoFailed(
                f"{self.name} took longer than {timeout_s:.0f} s; its log is {self.log}."
            ) from None
        if code != 0:
            raise DemoFailed(f"{self.name} ended with code {code}; its log is {self.log}.")

    def stop(self, timeout_s: float = 20.0) -> None:
        """Send SIGTERM, after `timeout_s` SIGKILL; does nothing when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()


class Children:
    """Starts processes in one environment; leaving the context ends those that still run."""

    def __init__(self, config_file: Path, logs: Path) -> None:
        self._logs = logs
        self._started: list[Child] = []
        # Only the demo's own file counts: a variable of the caller must not point a child elsewhere.
        self._environment = {
            key: value for key, value in os.environ.items() if not key.startswith("SHIPPER_")
        }
        self._environment |= {
            "SHIPPER_CONFIG": str(config_file),
            "PYTHONDONTWRITEBYTECODE": "1",
            # The books hold calls against documents, and behind a heartbeat stands no call.
            "SHIPPER_HEALTH_HEARTBEAT_S": "0",
            # Small matrices: more threads than cores only make the processes wait for each other.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._started:
            child.stop(5.0)

    def script(self, name: str, folder: Path, *arguments: str) -> Child:
        """Start a script of the repository in `folder`."""
        return self._start(name, folder, [sys.executable, *arguments])

    def shipper(self, name: str, *arguments: str) -> Child:
        """Start a command of shipper."""
        return self._start(name, self._logs, [sys.executable, "-m", "shipper", *arguments])

    def answer(self, *arguments: str, timeout_s: float = 120.0) -> str:
        """Run a command of shipper to its end and return its standard output.

        Raises:
            DemoFailed: it took too long or ended with an error.
        """
        try:
            done = subprocess.run(
                [sys.executable, "-m", "shipper", *arguments],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"shipper {arguments[0]} took longer than {timeout_s:.0f} s.") from None
        if done.returncode != 0:
            raise DemoFailed(f"shipper {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
        return done.stdout

    def _start(self, name: str, folder: Path, command: Sequence[str]) -> Child:
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the demo only, which then stops its children in order.
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._started.append(child)
        return child


def wait_until(
    condition: Callable[[], bool], timeout_s: float, what: str, child: Child | None = None
) -> None:
    """Poll `condition()` every 20 ms until it is true.

    Raises:
        DemoFailed: `timeout_s` passed, or `child` ended meanwhile.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not happen within {timeout_s:.0f} s.")
        if child is not None and not child.is_running:
            raise DemoFailed(f"{child.name} ended early; its log is {child.log}.")
        time.sleep(0.02)
