"""What a person sees while the stack works."""

from __future__ import annotations

import io

from shipper.stack.progress import PlainProgress, SilentProgress, TerminalProgress, progress_on


def test_plain_lines_are_few_and_whole() -> None:
    """A log or pipe gets one line per step and one per fifth of a transfer, no control characters."""
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.step("Starting")
    with progress.transfer("Fetching", 100 << 20) as advance:
        for _ in range(1000):
            advance((100 << 20) // 1000 + 1)
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["Starting", "Fetching: 100 MiB", "Fetching: 20 of 100 MiB"]
    assert len(lines) == 7
    assert stream.getvalue().isprintable() or "\x1b" not in stream.getvalue()


def test_attempts_that_failed_are_taken_back() -> None:
    """A repeated download counts once."""
    stream = io.StringIO()
    with PlainProgress(stream).transfer("Fetching", 100) as advance:
        advance(80)
        advance(-80)
        advance(10)
    assert stream.getvalue().count("of") == 1


def test_bars_are_for_terminals_only() -> None:
    """What is not a terminal gets plain lines."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(progress_on(io.StringIO()), PlainProgress)
    terminal = Terminal()
    progress = progress_on(terminal)
    assert isinstance(progress, TerminalProgress)
    progress.step("[bold]Starting[/bold]")
    with progress.transfer("Fetching", 10) as advance:
        advance(10)
    assert "[bold]Starting[/bold]" in terminal.getvalue()
    assert "Fetching" in terminal.getvalue()


def test_silence() -> None:
    """Programs and tests hear nothing."""
    with SilentProgress().transfer("Fetching", 10) as advance:
        advance(10)
    SilentProgress().step("Starting")
