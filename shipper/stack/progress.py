"""How the stack tells a person what it is doing: bars on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

Advance = Callable[[int], None]
"""Called with the number of bytes that arrived since the last call; from any thread."""


class Progress(Protocol):
    """Where the stack reports to."""

    def step(self, text: str) -> None:
        """Something began or ended; `text` is one short line without a full stop."""

    def transfer(self, text: str, total_bytes: int) -> AbstractContextManager[Advance]:
        """A transfer of `total_bytes` runs while the context is open."""


class SilentProgress:
    """Says nothing: for use inside programs and tests."""

    def step(self, text: str) -> None:
        """Ignore the step."""

    @contextmanager
    def transfer(self, text: str, total_bytes: int) -> Iterator[Advance]:
        """Ignore the transfer."""
        del text, total_bytes
        yield lambda _count: None


class PlainProgress:
    """One line per step, and one per fifth of a transfer: for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def step(self, text: str) -> None:
        """Write the line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    @contextmanager
    def transfer(self, text: str, total_bytes: int) -> Iterator[Advance]:
        """Write a line at the beginning and at each fifth of the way."""
        lock = threading.Lock()
        done_bytes = told = 0

        def advance(count: int) -> None:
            nonlocal done_bytes, told
            with lock:
                done_bytes += count
                fifths = done_bytes * 5 // max(1, total_bytes)
                if fifths > told:
                    told = fifths
                    self.step(f"{text}: {done_bytes >> 20} of {total_bytes >> 20} MiB")

        self.step(f"{text}: {total_bytes >> 20} MiB")
        yield advance


class TerminalProgress:
    """Bars drawn with rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 -- only a terminal needs it

        self._console = Console(file=stream, highlight=False)

    def step(self, text: str) -> None:
        """Write the line."""
        self._console.print(text, markup=False)

    @contextmanager
    def transfer(self, text: str, total_bytes: int) -> Iterator[Advance]:
        """Draw a bar with size, speed and remaining time."""
        from rich import progress  # noqa: PLC0415

        bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=self._console,
        )
        with bars:
            task = bars.add_task(text, total=total_bytes)
            yield lambda count: bars.advance(task, count)


def progress_on(stream: TextIO) -> Progress:
    """Return bars if `stream` is a terminal, plain lines otherwise."""
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)
